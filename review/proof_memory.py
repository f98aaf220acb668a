"""What is known of nodes from earlier proofs: what was read, what was found, and what that rests on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from compiler.names import NodeName
from review.concern import Concern, Concerns, Editions
from review.node_text import NodeText
from verifier.fabric import Receivers, receivers_of
from verifier.judge import NodeVerdict
from verifier.layout_text import LayoutReader
from verifier.meaning import Meaning
from verifier.nft_text import Reader
from verifier.state import Node
from verifier.unreadable import Unreadable


class Unjudged(Exception):
    """A node's text that the verifier does not understand. Names the node and the place."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """A node as the judge gets it, and the digest of what it was read from."""

    node: Node
    digest: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Where a node's texts come from: of one `token`, itself and no equal, they are always the same."""

    name: NodeName
    token: object
    text: Callable[[], NodeText]
    weight: int = 1
    """About how much there is to judge: the networks on the node."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What others must know of a node that has been read."""

    digest: bytes
    receivers: Receivers

    @classmethod
    def of(cls, meaning: Meaning, given: Given) -> Facts:
        return cls(digest=given.digest, receivers=receivers_of(meaning, (given.node,)))


@dataclass(slots=True)
class Memory:
    """What earlier proofs found. One memory serves any number of them, one after another."""

    judged: tuple[NodeName, ...] = ()
    """The nodes that the last proof judged anew, by name."""
    _rulesets: Reader = field(default_factory=Reader)
    _layouts: LayoutReader = field(default_factory=LayoutReader)
    _given: dict[NodeName, tuple[object, Given]] = field(default_factory=dict)
    _facts: dict[NodeName, tuple[object, Facts]] = field(default_factory=dict)
    _editions: Editions = field(default_factory=Editions)
    _verdicts: dict[NodeName, tuple[bytes, Concern, NodeVerdict]] = field(default_factory=dict)

    def read(self, text: NodeText) -> Given:
        """Raises Unjudged."""
        try:
            node = Node(
                name=text.name,
                address=(text.address.version, int(text.address)),
                state=self._layouts.read(text.layout),
                ruleset=self._rulesets.read(text.ruleset),
            )
        except Unreadable as error:
            raise Unjudged(f"node {text.name}: {error}") from None
        return Given(node=node, digest=text.digest)

    def given(self, source: Source) -> Given:
        known = self._given.get(source.name)
        if known is None or known[0] is not source.token:
            known = self._given[source.name] = (source.token, self.read(source.text()))
        return known[1]

    def facts(self, source: Source) -> Facts | None:
        """None where the node has not been read since it changed."""
        known = self._facts.get(source.name)
        return known[1] if known is not None and known[0] is source.token else None

    def known(self, source: Source) -> Facts:
        """Of a node that has been read."""
        return self._facts[source.name][1]

    def learn(self, source: Source, facts: Facts) -> None:
        self._facts[source.name] = (source.token, facts)

    def concerns(self, meaning: Meaning, receivers: Receivers) -> Concerns:
        return Concerns(self._editions, meaning, receivers)

    def verdict(self, name: NodeName, digest: bytes, concern: Concern) -> NodeVerdict | None:
        """That of an earlier proof, where it still stands. Violations are always found anew."""
        known = self._verdicts.get(name)
        if known is None or known[:2] != (digest, concern) or known[2].violations:
            return None
        return known[2]

    def keep(self, digest: bytes, concern: Concern, verdict: NodeVerdict) -> None:
        self._verdicts[verdict.node] = digest, concern, verdict
        self.judged = tuple(sorted((*self.judged, verdict.node)))
