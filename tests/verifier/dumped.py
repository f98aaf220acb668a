"""A node of the scene as a kernel would show it: with the routes of its links, and nothing left to assume."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from compiler.names import NodeName
from tests.verifier import scene
from tests.verifier.rendered import meaning_from, texts_of
from verifier.fabric import Receivers, receivers_of
from verifier.judge import judge_node
from verifier.meaning import Meaning
from verifier.rights import Rights
from verifier.routing import implied_routes
from verifier.state import Link, Node, Route, Rule, State
from verifier.surroundings import surrounded
from verifier.violation import Violation

NODE = NodeName("node-1")


@dataclass(frozen=True, kw_only=True, slots=True)
class Dumped:
    meaning: Meaning
    receivers: Receivers
    node: Node

    @property
    def state(self) -> State:
        return self.node.state


@cache
def dumped() -> Dumped:
    compilation = scene.compiled()
    meaning, nodes = meaning_from(compilation), [text.read() for text in texts_of(compilation).values()]
    node = surrounded(meaning, next(node for node in nodes if node.name == NODE))
    state = replace(node.state, routes=(*node.state.routes, *implied_routes(node.state)), complete=True)
    return Dumped(meaning=meaning, receivers=receivers_of(meaning, nodes), node=replace(node, state=state))


def violations(node: Node) -> tuple[Violation, ...]:
    return judge_node(Rights(meaning=dumped().meaning), node, dumped().receivers).violations


def sentences(state: State) -> list[str]:
    return [violation.sentence for violation in violations(replace(dumped().node, state=state))]


def with_links(*links: Link, first: bool = False) -> State:
    """In a dump the oldest device comes first."""
    state, new = dumped().state, {link.name: link for link in links}
    return replace(state, links={**new, **state.links} if first else {**state.links, **new})


def with_routes(state: State, *routes: Route) -> State:
    return replace(state, routes=(*state.routes, *routes))


def with_rules(*rules: Rule) -> State:
    return replace(dumped().state, rules=(*dumped().state.rules, *rules))
