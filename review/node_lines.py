"""The lines that differ on one node, of its layout and of its ruleset.

What differs on every link alike, as the MTU does, is told once and not link by link.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from compiler.layering import layout_of, overlay_mtu, union
from compiler.layout import Layout, Link
from compiler.layout_text import layout_text
from compiler.plan import NodePlan
from compiler.rendering import ruleset_of
from compiler.ruleset import Elements, Ruleset, element_text
from compiler.sets import SETS, SetSpec
from review.model import Hunk
from review.plan_pair import PlanPair

_MEANINGS: Mapping[str, str] = {
    "links": "VRFs, VXLANs and host links",
    "addresses": "addresses of host links",
    "neighbours": "where next hops are",
    "forwarding": "behind which node a VXLAN's next hop is",
    "routes": "where a network's packets go",
    "rules": "which table is asked",
    "chains": "the same on every node",
}


def hunks_of(pair: PlanPair) -> tuple[Hunk, ...]:
    """What differs, by section of the layout, then by set of the ruleset."""
    return (*_layout_hunks(pair), *_ruleset_hunks(pair))


def _layout_hunks(pair: PlanPair) -> Iterator[Hunk]:
    before, after = _layout(pair.before), _layout(pair.after)
    told = _of_every_network(pair)
    old, new = _sections(_beyond(before, after, told)), _sections(_beyond(after, before, told))
    for title, meaning in _MEANINGS.items():
        lines = _difference(old.get(title, ()), new.get(title, ()))
        if title == "links":
            lines = (*told, *lines)
        if lines:
            yield Hunk(title=title, meaning=meaning, lines=lines)


def _of_every_network(pair: PlanPair) -> tuple[str, ...]:
    """What differs on every link of a kind, once: a line for each link would be the same line."""
    if pair.before is None or pair.after is None or not (pair.before.networks and pair.after.networks):
        return ()
    return _difference(_link_facts(pair.before), _link_facts(pair.after))


def _link_facts(plan: NodePlan) -> tuple[str, ...]:
    overlay = overlay_mtu(plan.datapath, plan.address)
    return (
        f"ip link set vx{{network}} mtu {overlay}    # of every network here",
        f"ip link add vx{{network}} type vxlan dstport {plan.datapath.vxlan_port}    # of every network here",
        f"ip link set ah{{network}} mtu {plan.datapath.mtu}    # of every network with pods here, both ends",
        f"ip link set {{port}} mtu {overlay}    # of every pod that starts from then on, both ends",
    )


def _layout(plan: NodePlan | None) -> Layout:
    return layout_of(plan, ()) if plan is not None else union(())


def _beyond(this: Layout, that: Layout, told: tuple[str, ...]) -> Layout:
    """What the other has not, and `told` does not say: only that is worth putting into words."""
    links = this.links - that.links
    return Layout(
        links=frozenset(_other_links(links, that.links)) if told else links,
        addresses=this.addresses - that.addresses,
        routes=this.routes - that.routes,
        neighbours=this.neighbours - that.neighbours,
        forwarding=this.forwarding - that.forwarding,
        rules=this.rules - that.rules,
    )


def _other_links(links: Iterable[Link], those: Iterable[Link]) -> Iterator[Link]:
    """Links that differ in more than facts of every network."""
    named = {link.name: link for link in those}
    for link in links:
        twin = named.get(link.name)
        if twin is None or replace(link, mtu=twin.mtu, port=twin.port) != twin:
            yield link


def _sections(layout: Layout) -> Mapping[str, tuple[str, ...]]:
    """The lines of a layout by the comment above them."""
    found: dict[str, list[str]] = {}
    title = ""
    for line in layout_text(layout).splitlines():
        if line.startswith("# "):
            title = line[2:]
            found[title] = []
        else:
            found[title].append(line)
    return {name: tuple(lines) for name, lines in found.items()}


def _ruleset_hunks(pair: PlanPair) -> Iterator[Hunk]:
    old, new = _ruleset(pair.before), _ruleset(pair.after)
    chains = _difference(_chains(old), _chains(new))
    if chains and old and new:
        yield Hunk(title="chains", meaning=_MEANINGS["chains"], lines=chains)
    for spec in SETS:
        lines = _difference(_elements(old, spec), _elements(new, spec))
        if lines:
            yield Hunk(title=f"set {spec.name}", meaning=spec.meaning, lines=lines)


def _ruleset(plan: NodePlan | None) -> Ruleset | None:
    return ruleset_of(plan) if plan is not None else None


def _chains(ruleset: Ruleset | None) -> tuple[str, ...]:
    return tuple(line.strip() for line in ruleset.chains.splitlines()) if ruleset else ()


def _elements(ruleset: Ruleset | None, spec: SetSpec) -> tuple[str, ...]:
    elements: Elements = ruleset.sets[spec.name] if ruleset else {}
    return tuple(element_text(key, element) for key, element in elements.items())


def _difference(before: tuple[str, ...], after: tuple[str, ...]) -> tuple[str, ...]:
    """Lines are facts whose order says nothing."""
    if before == after:
        return ()
    old, new = frozenset(before), frozenset(after)
    return (
        *(f"- {line}" for line in before if line not in new),
        *(f"+ {line}" for line in after if line not in old),
    )
