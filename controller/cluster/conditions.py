"""Conditions from findings: what is so now, and since when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from controller.cluster.reasons import ConditionType, Reason
from controller.cluster.resource_status import Condition, condition

LONGEST_MESSAGE = 2000
"""Characters; the API takes 32,768, and a person fewer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """A condition without its time."""

    type: ConditionType
    status: str = "True"
    reason: Reason
    message: str


def ready(reason: Reason, message: str) -> tuple[Finding, ...]:
    return (Finding(type=ConditionType.READY, reason=reason, message=message),)


def unready(reason: Reason, message: str, *, because: ConditionType | None = None) -> tuple[Finding, ...]:
    """Not ready; on the way (Reconciling), or only by somebody's doing (Stalled), if either is so."""
    finding = Finding(type=ConditionType.READY, status="False", reason=reason, message=message)
    if because is None:
        return (finding,)
    return finding, Finding(type=because, reason=reason, message=message)


def conditions(
    findings: Iterable[Finding], previous: tuple[Condition, ...], *, generation: int, now: str
) -> tuple[Condition, ...]:
    """The findings in their order; the time stays while the status of a condition does."""
    return tuple(_condition(finding, previous, generation, now) for finding in findings)


def _condition(finding: Finding, previous: tuple[Condition, ...], generation: int, now: str) -> Condition:
    before = condition(previous, finding.type)
    since = before.last_transition_time if before and before.status == finding.status else now
    message = finding.message
    if len(message) > LONGEST_MESSAGE:
        message = message[: LONGEST_MESSAGE - 1] + "…"
    return Condition(
        type=finding.type.value,
        status=finding.status,
        observed_generation=generation,
        last_transition_time=since,
        reason=finding.reason.value,
        message=message,
    )
