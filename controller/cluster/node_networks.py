"""The NodeNetworks as the watch shows them: agents' reports, and plans that another hand has changed.

The watch lags behind our own writes: what it tells of a version older than the one that a write
returned is no news. Resource versions of one resource grow (KEP-5504), so the larger is the newer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from compiler.names import NodeName
from controller.cluster.objects import ObservedNode, Undecodable
from controller.publication import PlanStamp, Report, wishes_of
from controller.snapshot import Revision


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """What a write of ours, or the list at the start, returned."""

    version: int
    """resourceVersion."""
    generation: int
    """metadata.generation: it grows with every change of the spec, whoever makes it."""
    stamp: PlanStamp
    parts: int = 0
    """NodeNetworkParts that belong to it."""


_SPOILT = PlanStamp(revision=Revision(""), generation=0, digest="")


@dataclass(kw_only=True, slots=True)
class NodeNetworks:
    written: dict[NodeName, Written] = field(default_factory=dict)
    observed: dict[NodeName, ObservedNode] = field(default_factory=dict)
    reports: dict[NodeName, Report] = field(default_factory=dict)
    changed: set[NodeName] = field(default_factory=set)
    """Objects that the watch told of since `drain_changed`."""
    drift: int = 0
    """Times that another hand changed or removed a plan."""

    def take(
        self, found: Mapping[NodeName, ObservedNode | Undecodable | None]
    ) -> Mapping[NodeName, PlanStamp | None]:
        """Take objects from the watch; return what has become of plans by another hand than ours."""
        stamps: dict[NodeName, PlanStamp | None] = {}
        self.changed |= found.keys()
        for node, item in found.items():
            if item is None:
                self._take_absence(node, stamps)
            elif isinstance(item, Undecodable):
                stamps[node] = _SPOILT
            else:
                self._take_object(node, item, stamps)
        self.drift += len(stamps)
        return stamps

    def drain_changed(self) -> frozenset[NodeName]:
        changed, self.changed = frozenset(self.changed), set()
        return changed

    def _take_absence(self, node: NodeName, stamps: dict[NodeName, PlanStamp | None]) -> None:
        self.observed.pop(node, None)
        self.reports.pop(node, None)
        if self.written.pop(node, None) is not None:
            stamps[node] = None

    def _take_object(
        self, node: NodeName, item: ObservedNode, stamps: dict[NodeName, PlanStamp | None]
    ) -> None:
        self.observed[node] = item
        self.reports[node] = report_of(item)
        version, generation = version_of(item.metadata.resource_version), item.metadata.generation
        written = self.written.get(node)
        if written and (version <= written.version or generation == written.generation):
            return
        parts = max(item.spec.parts, written.parts if written else 0)
        self.written[node] = Written(version=version, generation=generation, stamp=_SPOILT, parts=parts)
        stamps[node] = _SPOILT


def version_of(text: str) -> int:
    """Return a resourceVersion as a number; what is none is older than everything."""
    return int(text) if text.isdecimal() else 0


def report_of(found: ObservedNode) -> Report:
    status = found.status
    wanted = wishes_of((wish.network, wish.addresses) for wish in status.wanted) if status else {}
    if status is None or status.applied is None:
        return Report(generation=0, digest="", errors=status.errors if status else (), wanted=wanted)
    applied = status.applied
    return Report(
        generation=applied.generation,
        digest=applied.digest,
        errors=status.errors,
        leaving=status.leaving,
        wanted=wanted,
    )


def known(reports: Mapping[NodeName, Report]) -> Mapping[NodeName, Report]:
    """Those of agents that have applied anything at all."""
    return {node: report for node, report in reports.items() if report.digest or report.errors}
