"""The verdict: every node's packets held against what was declared, and what no packet shows, by itself.

Each node is judged alone, entry by entry; the pieces fit together because what one node sends is exactly
what another takes as sent (verifier.entries). So a change is judged again only where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice

from compiler.names import NodeName
from verifier.alike import check_alike
from verifier.astray import check_astray
from verifier.certificate import Certificate, Counts
from verifier.entries import Entry, Sender, entries_of, foreign_entry
from verifier.evaluate import Kernel
from verifier.fabric import Fabric, Receivers, check_devices, fabric_of, receivers_of
from verifier.holding import Finding, Holding
from verifier.meaning import Meaning
from verifier.openings import check_openings
from verifier.order import check_order
from verifier.outcome import Flow, Step
from verifier.overlay import check_overlay
from verifier.own_ground import check_own_ground
from verifier.packets import Box, every_packet
from verifier.rights import Rights
from verifier.state import Node
from verifier.surroundings import foreign_links, surrounded
from verifier.tables import check_tables
from verifier.telling import told
from verifier.underlay import check_underlay
from verifier.violation import Kind, Violation
from verifier.zones import check_zones

MOST_SHOWN = 100
"""Violations of one node that are kept: what is wrong everywhere is seen in fewer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeVerdict:
    """Of one node; a later judgement may take it over where nothing that it rests on is another."""

    node: NodeName
    violations: tuple[Violation, ...]
    counts: Counts


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    violations: tuple[Violation, ...]
    certificate: Certificate
    """Of what was looked at; a proof only where there are no violations."""

    @property
    def proved(self) -> bool:
        return not self.violations


Progress = Callable[[int, int], None]
"""Nodes judged, and nodes in all."""


def judge(
    meaning: Meaning, nodes: Iterable[Node], *, digest: str = "", progress: Progress | None = None
) -> Verdict:
    """Of all nodes; those that take part and are missing are violations.

    Raises Contradiction for what no kernel can hold, NotModelled for what the model has no place for.
    """
    given = sorted(nodes, key=lambda node: node.name)
    rights, receivers = Rights(meaning=meaning), receivers_of(meaning, given)
    verdicts = []
    for done, node in enumerate(given, start=1):
        verdicts.append(judge_node(rights, node, receivers))
        if progress is not None:
            progress(done, len(given))
    return sum_up(meaning, verdicts, digest=digest)


def sum_up(meaning: Meaning, verdicts: Iterable[NodeVerdict], *, digest: str = "") -> Verdict:
    """One verdict of those of nodes, in the order of their names."""
    listed = sorted(verdicts, key=lambda verdict: verdict.node)
    missing = sorted(meaning.nodes.keys() - {verdict.node for verdict in listed})
    absent = [
        Violation(kind=Kind.BLOCKED, node=node, sentence="nothing is known of this node, which takes part")
        for node in missing
    ]
    counts = Counts()
    for verdict in listed:
        counts += verdict.counts
    return Verdict(
        violations=(*absent, *(violation for verdict in listed for violation in verdict.violations)),
        certificate=Certificate(revision=meaning.declarations.revision, digest=digest, counts=counts),
    )


def judge_node(rights: Rights, node: Node, receivers: Receivers) -> NodeVerdict:
    """`receivers`: of all nodes (verifier.fabric)."""
    bench = bench_of(rights, node)
    if bench is None:
        return _of_stranger(node)
    violations = tuple(islice(bench.violations(receivers), MOST_SHOWN))
    return NodeVerdict(node=bench.fabric.name, violations=violations, counts=bench.counts)


def _of_stranger(node: Node) -> NodeVerdict:
    """A node that takes no part has nothing of ours."""
    name = NodeName(node.name)
    found = (Violation(kind=Kind.DEVICE, node=name, sentence="this node takes no part, but has links"),)
    return NodeVerdict(node=name, violations=found if node.state.links else (), counts=Counts(nodes=1))


def bench_of(rights: Rights, node: Node) -> Bench | None:
    """None for a node that takes no part."""
    if NodeName(node.name) not in rights.meaning.nodes:
        return None
    fabric = fabric_of(rights.meaning, surrounded(rights.meaning, node))
    return Bench(
        fabric=fabric, rights=rights, kernel=Kernel(fabric.node, rights.shared), counts=_counts(fabric)
    )


@dataclass(slots=True)
class Bench:
    """One node's entries, one after another; `counts` grow as violations are asked for."""

    fabric: Fabric
    rights: Rights
    kernel: Kernel
    counts: Counts
    _zones: dict[str, tuple[Entry, frozenset[int | None]]] = field(default_factory=dict)

    def violations(self, receivers: Receivers) -> Iterator[Violation]:
        """As they are found, what costs least first."""
        yield from check_devices(self.fabric)
        yield from check_own_ground(self.fabric)
        yield from check_overlay(self.fabric, receivers)
        yield from check_tables(self.fabric)
        yield from check_order(
            self.fabric.name, self.fabric.node.ruleset, self.fabric.meaning.config.vxlan_port
        )
        yield from check_openings(self.fabric)
        yield from check_alike(self.fabric)
        yield from check_underlay(self.fabric, self.kernel)
        yield from check_astray(self.fabric)
        for family in (4, 6):
            yield from self._of_family(family)
        yield from check_zones(self.fabric, self._zones.values())

    def _of_family(self, family: int) -> Iterator[Violation]:
        for entry in self._entries(family):
            holding = Holding(self.fabric, entry)
            for flow in self._flows(entry, every_packet(family)):
                holding.take(flow)
            holding.finish()
            for finding in holding.findings.values():
                yield told(self.fabric, entry, finding, self._way(entry, finding))
            before = self._zones.get(entry.link, (entry, frozenset()))[1]
            self._zones[entry.link] = entry, before | holding.zones
            self.counts += holding.counts

    def _entries(self, family: int) -> Iterator[Entry]:
        yield from entries_of(self.fabric, self.rights, family)
        for link in foreign_links(self.fabric.node):
            yield foreign_entry(self.fabric, self.rights, family, link)

    def _flows(self, entry: Entry, packets: Box, *, traced: bool = False) -> Iterator[Flow]:
        for flow in self._crossing(entry, packets, traced=traced):
            for part in self.kernel.parted(flow):
                cut = replace(part.packets, daddr=part.sent.daddr)
                yield part if part is flow or part.translated_destination else replace(part, packets=cut)

    def _crossing(self, entry: Entry, packets: Box, *, traced: bool) -> tuple[Flow, ...]:
        if entry.sender is Sender.PROCESS:
            return self.kernel.make(packets, traced=traced)
        if entry.sender is Sender.LEAVING and not traced:
            asked = entry.asked
            return (
                self.kernel.arrive(entry.link, replace(packets, saddr=entry.own, daddr=asked))
                if asked
                else ()
            )
        if traced:
            return self.kernel.arrive(entry.link, packets, traced=True)
        return self.kernel.partition(entry.link, packets)

    def _way(self, entry: Entry, finding: Finding) -> tuple[Step, ...]:
        """Once more, with the one packet of the example, step by step."""
        flows = tuple(self._flows(entry, finding.packet.box, traced=True))
        alike = [flow for flow in flows if flow.outcome.fate is finding.flow.outcome.fate]
        return next((flow.trace for flow in (*alike, *flows)), ())


def _counts(fabric: Fabric) -> Counts:
    meaning, name = fabric.meaning, fabric.name
    visible, present = meaning.visible(name), meaning.nodes[name].present
    open_pairs = sum(len(meaning.networks[number].reach & visible) for number in present)
    witnessed = {port.network for port in fabric.ports}
    return Counts(
        nodes=1,
        networks=len(visible),
        pairs_open=open_pairs,
        pairs_closed=len(present) * len(visible) - open_pairs,
        unwitnessed=len(present - witnessed),
    )
