"""What the controller before left in the NetworkSource: requests answered, and a commit in quarantine."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from compiler.problem import Code, Problem, Severity
from controller.cluster.objects import ObservedSource
from controller.cluster.resource_status import SourceStatus
from controller.snapshot import Revision
from controller.state import State

FIRST_LOOK = 5.0
"""Seconds for which a new leader waits for its first look at the repository: until then it knows of no
commit but the one in force, and would tell so."""
RESUMED = 30.0
"""Where the one before left a rollout unfinished: without its commit, what it has reached would go back."""
HALTED = "Halted"
ROLLOUT_HALTED = "ATL820"


def recovered(state: State, source: ObservedSource | None) -> State:
    """Return the state with what the status of the source that counts tells of the time before."""
    status = source.status if source else None
    if status is None:
        return state
    seen = Revision(status.last_seen_revision) if status.last_seen_revision else None
    state = replace(state, handled=status.last_handled_reconcile_at, seen=seen)
    if status.rollout is None or status.rollout.stage != HALTED:
        return state
    problem = _halt(status)
    return replace(state, quarantined=Revision(status.rollout.revision), halted=problem, problems=(problem,))


def patience(source: ObservedSource | None) -> float:
    """Return for how many seconds a new leader is to wait for its first look at the repository."""
    if source is None or source.spec.suspend:
        return 0.0
    rollout = source.status.rollout if source.status else None
    return RESUMED if rollout and rollout.stage != HALTED else FIRST_LOOK


def oldest(sources: Collection[ObservedSource]) -> ObservedSource | None:
    """Return the NetworkSource that counts."""
    return min(sources, key=lambda one: (one.metadata.created, one.key), default=None)


def _halt(status: SourceStatus) -> Problem:
    record = next((one for one in status.problems if one.code == ROLLOUT_HALTED), None)
    revision = status.rollout.revision if status.rollout else ""
    return Problem(
        code=Code(ROLLOUT_HALTED),
        severity=Severity.ERROR,
        origin=None,
        subject=f"commit {revision}",
        reason=record.reason if record else "its rollout was halted before the controller began anew",
        remedy=record.remedy if record else "Commit again",
    )
