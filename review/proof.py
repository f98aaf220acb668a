"""The proof of a compilation: what the compiler renders for every node, judged by the verifier as text.

A node's verdict is taken over from an earlier proof where its texts and all that they are held against are
the same, so that after a change only what the change concerns is judged again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from compiler.compilation import Compilation
from compiler.inventory import Pod
from compiler.names import NodeName, ObjectName
from compiler.plan import NodePlan
from review.concern import Concern, Concerns, Editions
from review.node_text import NodeText, rendered
from verifier.certificate import digest_of
from verifier.fabric import receivers_of
from verifier.judge import NodeVerdict, Progress, Verdict, judge_node, sum_up
from verifier.layout_text import LayoutReader
from verifier.meaning import Meaning, meaning_of
from verifier.nft_text import Reader
from verifier.rights import Rights
from verifier.state import Node
from verifier.unreadable import Unreadable


class Unjudged(Exception):
    """A node's text that the verifier does not understand. Names the node and the place."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """A node as the judge gets it, and the digest of what it was read from."""

    node: Node
    digest: bytes


@dataclass(slots=True)
class Memory:
    """What earlier proofs found. One memory serves any number of them, one after another."""

    judged: tuple[NodeName, ...] = ()
    """The nodes that the last proof judged anew."""
    _rulesets: Reader = field(default_factory=Reader)
    _layouts: LayoutReader = field(default_factory=LayoutReader)
    _given: dict[NodeName, tuple[NodePlan, Given]] = field(default_factory=dict)
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

    def rendered(self, plan: NodePlan, pods: Mapping[ObjectName, Pod]) -> Given:
        """Of a plan; of the same value as in an earlier proof, what was read then."""
        known = self._given.get(plan.name)
        if known is None or known[0] is not plan:
            known = self._given[plan.name] = (plan, self.read(rendered(plan, pods)))
        return known[1]

    def verdicts(self, meaning: Meaning, given: Iterable[Given]) -> Iterator[NodeVerdict]:
        """One for each node, in turn. Violations are always found anew."""
        listed = list(given)
        self.judged = ()
        rights = Rights(meaning=meaning)
        receivers = receivers_of(meaning, (one.node for one in listed))
        concerns = Concerns(self._editions, meaning, receivers)
        for one in listed:
            name = NodeName(one.node.name)
            concern = concerns.of(name) if name in meaning.nodes else ()
            known = self._verdicts.get(name)
            if known is None or known[:2] != (one.digest, concern) or known[2].violations:
                known = one.digest, concern, judge_node(rights, one.node, receivers)
                self._verdicts[name] = known
                self.judged = (*self.judged, name)
            yield known[2]


def prove(
    compilation: Compilation, *, memory: Memory | None = None, progress: Progress | None = None
) -> Verdict:
    """Of every node's plan. The compilation must not be refused. Raises Unjudged."""
    inputs = compilation.inputs
    meaning = meaning_of(inputs.declarations, inputs.inventory, compilation.allocations)
    memory = memory or Memory()
    pods = inputs.inventory.pods
    return judged(
        meaning,
        [memory.rendered(plan, pods) for _, plan in sorted(compilation.plans.items())],
        memory=memory,
        progress=progress,
    )


def judged(
    meaning: Meaning, given: Iterable[Given], *, memory: Memory, progress: Progress | None = None
) -> Verdict:
    """Nodes as they were given, whoever wrote their texts; those that are missing are violations."""
    listed = list(given)
    verdicts = []
    for done, verdict in enumerate(memory.verdicts(meaning, listed), start=1):
        verdicts.append(verdict)
        if progress is not None:
            progress(done, len(listed))
    return sum_up(meaning, verdicts, digest=digest_of({one.node.name: one.digest for one in listed}))
