"""The status that follows from a state: what was seen, what is in force, what is wrong, by node."""

from __future__ import annotations

from collections.abc import Mapping

from compiler.names import NodeName
from controller.publication import Report
from controller.state import State
from controller.status import CommitRecord, NodeRecord, ProblemRecord, Status


def status_of(state: State, reports: Mapping[NodeName, Report]) -> Status:
    """Return the status; equal for equal states, so that only news is written."""
    warnings = (state.rewritten,) if state.rewritten else ()
    return Status(
        repository=state.place.repository,
        ref=state.place.ref,
        path=state.place.folder,
        seen=CommitRecord(revision=state.seen, at=state.seen_at) if state.seen else None,
        applied=CommitRecord(revision=state.good.revision, at=state.good_at) if state.good else None,
        generation=state.allocations.generation,
        confirmed=state.allocations.confirmed,
        problems=tuple(ProblemRecord.of(problem) for problem in (*warnings, *state.problems)),
        source_problem=ProblemRecord.of(state.source_problem) if state.source_problem else None,
        inventory_problems=tuple(ProblemRecord.of(problem) for problem in state.inventory_problems),
        nodes=tuple(_node(state, node, reports.get(node)) for node in sorted(state.published.plans)),
    )


def _node(state: State, node: NodeName, report: Report | None) -> NodeRecord:
    stamp = state.published.plans[node]
    return NodeRecord(
        name=node,
        revision=stamp.revision,
        generation=stamp.generation,
        digest=stamp.digest,
        applied=report is not None and report.digest == stamp.digest,
        errors=report.errors if report else (),
    )
