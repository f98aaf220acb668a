"""Which generation of allocations every node has applied: what was retired up to it is free.

A node that applies exactly the published plan confirms the newest generation, however old the file:
a plan that did not change is not published again. Any other confirms what it applied last, and
one that still has devices of networks that were taken from it confirms nothing new.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from compiler.allocations import Allocations
from compiler.names import NodeName
from controller.publication import Published, Report


def confirmed_by(published: Published, reports: Mapping[NodeName, Report]) -> int:
    """Return the generation; the one known before while a node has not reported, or none has a plan."""
    # The status is written last: plans of its generation are all out. Allocations may be ahead of the
    # plans after a crash, and then an unchanged file says nothing of the newest generation.
    newest = published.status.generation if published.status else 0
    applied = []
    for node, stamp in published.plans.items():
        report = reports.get(node)
        if report is None or report.leaving:
            return published.allocations.confirmed
        # An agent without a plan, and a plan that another hand has spoilt, both have an empty digest.
        is_newest = bool(report.digest) and report.digest == stamp.digest
        applied.append(newest if is_newest else report.generation)
    return max(published.allocations.confirmed, min(applied, default=0))


def frees(allocations: Allocations, *, since: int) -> bool:
    """Whether `confirmed`, having been `since`, now frees something for others."""
    return any(since < retired <= allocations.confirmed for retired in _retirements(allocations))


def _retirements(allocations: Allocations) -> Iterator[int]:
    for node in allocations.nodes.values():
        if node.retired_in is not None:
            yield node.retired_in
    for network in allocations.networks.values():
        if network.retired_in is not None:
            yield network.retired_in
        for _, retired_in in network.retired_blocks.values():
            yield retired_in
