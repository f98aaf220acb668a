"""What is to be said of the NetworkSource that counts."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from compiler.problem import Problem
from controller.cluster.account import Account
from controller.cluster.conflict import Conflict
from controller.cluster.objects import ObservedSource, ResourceKey
from controller.cluster.recovery import HALTED
from controller.cluster.resource_status import RolloutStatus
from controller.cluster.source_statuses import Signatures, SourceFacts
from controller.cluster.source_watcher import Finding
from controller.state import State

_OPERATORS = ("ATL801", "ATL813", "ATL814", "ATL815")
"""Problems of the NetworkSource itself, or of what it refers to."""


def source_facts(
    item: ObservedSource,
    state: State,
    *,
    finding: Finding | None,
    account: Account,
    inventory: tuple[ResourceKey, ...],
    conflicts: Collection[Conflict],
    write_errors: Mapping[ResourceKey, str],
) -> SourceFacts:
    """Gather the facts; a problem of the source itself is told apart from a host that is away."""
    problem = state.source_problem
    own = problem is not None and problem.code in _OPERATORS
    return SourceFacts(
        generation=item.metadata.generation,
        requested_at=finding.handled if finding else state.handled,
        invalid=str(problem) if problem and own else "",
        suspended=item.spec.suspend,
        unreachable=None if own else problem,
        seen=state.seen or "",
        attempted=state.seen or "",
        applied=account.applied,
        problems=_problems(state) if state.seen else (),
        signatures=_signatures(item, state),
        allocations=state.allocations.generation,
        confirmed=state.allocations.confirmed,
        coverage=account.nodes,
        rollout=_rollout(state),
        halted=state.halted.reason if state.halted else "",
        inventory=inventory,
        conflicts=conflicts,
        write_errors=write_errors,
    )


def _problems(state: State) -> tuple[Problem, ...]:
    halted = (state.halted,) if state.halted else ()
    rewritten = (state.rewritten,) if state.rewritten else ()
    others = tuple(problem for problem in state.problems if problem not in halted)
    return (*rewritten, *halted, *others, *state.inventory_problems)


def _signatures(item: ObservedSource, state: State) -> Signatures | None:
    if item.spec.verify is None:
        return None
    found = state.verification
    return Signatures(verified=found.ok, message=str(found)) if found else Signatures(verified=None)


def _rollout(state: State) -> RolloutStatus | None:
    rollout = state.rollout
    if rollout is not None:
        return RolloutStatus(
            revision=rollout.revision,
            stage=rollout.stage.value,
            released=len(rollout.released),
            total=rollout.total,
            since=rollout.began_at,
        )
    if state.halted is not None:
        return RolloutStatus(revision=state.quarantined or "", stage=HALTED)
    return None
