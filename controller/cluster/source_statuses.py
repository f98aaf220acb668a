"""What the controller says of a NetworkSource: the story of the repository, from fetch to the last node."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from compiler.problem import Problem, Severity
from controller.cluster.conditions import Finding, conditions, ready, unready
from controller.cluster.conflict import Conflict
from controller.cluster.coverage import NOWHERE, Coverage
from controller.cluster.objects import ResourceKey
from controller.cluster.reasons import ConditionType, Reason
from controller.cluster.resource_status import Inventory, NodeTotal, RolloutStatus, SourceStatus
from controller.cluster.wording import commit, counted, in_short, laggards, sentence, some
from controller.status import ProblemRecord

LISTED = 20
"""So many problems the status lists."""
NAMED = 3
"""So many resources a message names."""
RECONCILING, STALLED = ConditionType.RECONCILING, ConditionType.STALLED


@dataclass(frozen=True, kw_only=True, slots=True)
class Signatures:
    """What came of looking at commits' signatures."""

    verified: bool | None
    """None: no commit has been looked at."""
    message: str = ""
    """By which key; or which commit is not signed, and why that is refused."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFacts:
    generation: int
    requested_at: str = ""
    superseded_by: str = ""
    """The older NetworkSource that counts, as `namespace/name`; "" for that one itself."""
    invalid: str = ""
    """Why the source itself cannot be followed."""
    suspended: bool = False
    unreachable: Problem | None = None
    """Why the last look at the repository failed."""
    seen: str = ""
    attempted: str = ""
    applied: str = ""
    problems: tuple[Problem, ...] = ()
    """Of the commit attempted."""
    signatures: Signatures | None = None
    """None where none are demanded."""
    allocations: int = 0
    """Their generation."""
    confirmed: int = 0
    coverage: Coverage = NOWHERE
    """Of all nodes with a plan."""
    rollout: RolloutStatus | None = None
    halted: str = ""
    """Why the rollout halted."""
    inventory: tuple[ResourceKey, ...] = ()
    conflicts: Collection[Conflict] = ()
    write_errors: Mapping[ResourceKey, str] | None = None


def source_status(facts: SourceFacts, previous: SourceStatus | None, *, now: str) -> SourceStatus:
    before = previous or SourceStatus()
    findings = (*_ready(facts), *_verified(facts), *_in_sync(facts))
    if facts.superseded_by:
        # Nothing of it is in force, so nothing is said of that.
        findings = _ready(facts)
    ordered = sorted(facts.problems, key=lambda problem: problem.severity is not Severity.ERROR)
    return SourceStatus(
        observed_generation=facts.generation,
        conditions=conditions(findings, before.conditions, generation=facts.generation, now=now),
        last_handled_reconcile_at=facts.requested_at,
        last_seen_revision=facts.seen,
        last_attempted_revision=facts.attempted,
        last_applied_revision=facts.applied,
        generation=facts.allocations,
        confirmed=facts.confirmed,
        nodes=NodeTotal(ready=facts.coverage.ready, total=facts.coverage.needed),
        rollout=facts.rollout,
        problems=tuple(ProblemRecord.of(problem) for problem in ordered[:LISTED]),
        problem_count=len(ordered),
        inventory=Inventory(entries=tuple(str(key) for key in facts.inventory)),
    )


def _ready(facts: SourceFacts) -> tuple[Finding, ...]:
    if facts.superseded_by:
        text = f"NetworkSource {facts.superseded_by} is older, and one counts: delete this one or that one"
        return unready(Reason.SUPERSEDED, text, because=STALLED)
    if facts.suspended:
        return _suspended(facts)
    if facts.invalid:
        return unready(Reason.INVALID_SOURCE, f"{facts.invalid}; {_stays(facts)}", because=STALLED)
    if facts.unreachable:
        problem = facts.unreachable
        text = f"{problem.code}: {problem.subject}: {problem.reason}. {problem.remedy}; {_stays(facts)}"
        return unready(Reason.SOURCE_UNREACHABLE, text, because=RECONCILING)
    if facts.signatures and facts.signatures.verified is False:
        text = f"{facts.signatures.message}; {_stays(facts)}"
        return unready(Reason.VERIFICATION_FAILED, text, because=STALLED)
    if facts.halted:
        text = sentence(
            f"rollout of {commit(facts.attempted)} halted: {facts.halted}",
            _in_force(facts),
            laggards(facts.coverage),
        )
        return unready(Reason.ROLLOUT_HALTED, text, because=STALLED)
    errors = sum(problem.severity is Severity.ERROR for problem in facts.problems)
    if errors:
        first = in_short(facts.problems, Severity.ERROR)
        text = sentence(f"{commit(facts.attempted)} is refused: {first}", _stays(facts))
        return unready(Reason.COMMIT_REFUSED, text, because=STALLED)
    if not facts.applied:
        text = "The controller has started; no commit is in force yet"
        return unready(Reason.RECOVERING, text, because=RECONCILING)
    return _on_nodes(facts)


def _suspended(facts: SourceFacts) -> tuple[Finding, ...]:
    """As ready as what is in force."""
    stands = _in_force(facts) if facts.applied else _stays(facts)
    text = sentence("suspended: no commit is looked at", stands, laggards(facts.coverage))
    if facts.applied and facts.coverage.complete:
        return ready(Reason.SUSPENDED, text)
    return unready(Reason.SUSPENDED, text)


def _on_nodes(facts: SourceFacts) -> tuple[Finding, ...]:
    coverage, rollout = facts.coverage, facts.rollout
    told = (_in_force(facts), laggards(coverage), _warned(facts))
    text = sentence(*told)
    if coverage.complete:
        return ready(Reason.APPLIED, text)
    if coverage.failed:
        on_the_way = coverage.applying or coverage.held
        return unready(Reason.NODES_FAILED, text, because=RECONCILING if on_the_way else STALLED)
    if rollout and coverage.held:
        return unready(Reason.ROLLING_OUT, _stage(facts, rollout), because=RECONCILING)
    return unready(Reason.APPLYING, text, because=RECONCILING)


def _stage(facts: SourceFacts, rollout: RolloutStatus) -> str:
    """The nodes that are not released have the commit before, so how many have the new one says little."""
    return sentence(
        f"{commit(rollout.revision)} goes out: stage {rollout.stage}, "
        f"{rollout.released} of {counted(rollout.total, 'node')} released",
        laggards(facts.coverage),
        f"{commit(facts.applied)} stays in force on the others" if facts.applied else "",
        _warned(facts),
    )


def _in_force(facts: SourceFacts) -> str:
    nodes = facts.coverage
    return f"{commit(facts.applied)} in force on {nodes.ready} of {counted(nodes.needed, 'node')}"


def _stays(facts: SourceFacts) -> str:
    return f"{commit(facts.applied)} stays in force" if facts.applied else "nothing is in force"


def _warned(facts: SourceFacts) -> str:
    warnings = in_short(facts.problems, Severity.WARNING)
    return f"warning: {warnings}" if warnings else ""


def _verified(facts: SourceFacts) -> tuple[Finding, ...]:
    signatures = facts.signatures
    if signatures is None:
        return ()
    status, reason = {
        True: ("True", Reason.VERIFIED),
        False: ("False", Reason.VERIFICATION_FAILED),
        None: ("Unknown", Reason.NOT_VERIFIED_YET),
    }[signatures.verified]
    message = signatures.message or "No commit has been looked at"
    return (Finding(type=ConditionType.VERIFIED, status=status, reason=reason, message=message),)


def _in_sync(facts: SourceFacts) -> tuple[Finding, ...]:
    if not facts.applied:
        return ()
    conflicts = sorted(facts.conflicts, key=lambda conflict: conflict.key)
    errors = sorted((facts.write_errors or {}).items())
    if conflicts:
        first = conflicts[0]
        named = some([conflict.key.subject for conflict in conflicts[:NAMED]], len(conflicts))
        text = f"Others keep {named} different from {commit(facts.applied)}: {first}. {first.remedy}"
        status, reason = "False", Reason.CONFLICT_WITH_GIT
    elif errors:
        key, error = errors[0]
        more = f"; {counted(len(errors) - 1, 'resource')} more" if len(errors) > 1 else ""
        text, status, reason = f"{key.subject}: {error}{more}", "False", Reason.NOT_WRITTEN
    else:
        text = f"{counted(len(facts.inventory), 'resource')} as {commit(facts.applied)} declares"
        status, reason = "True", Reason.MATCHES_GIT
    return (Finding(type=ConditionType.IN_SYNC, status=status, reason=reason, message=text),)
