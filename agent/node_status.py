"""The status of a NodeNetwork: what the agent says of itself, in the words of Kubernetes.

Conditions are in the manner of kstatus. observedGeneration is that of the object whose plan was last
tried, so a status with Ready=True and an older generation speaks of the former plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from agent.plan_file import Stamp
from agent.status_file import AddressUse, AddressWish, AgentStatus, Reason

READY: Final = "Ready"
RECONCILING: Final = "Reconciling"
APPLYING: Final = "Applying"
TWIN: Final = "Twin"
"""The reason in the place of Applied: in force on a simulated kernel only."""
MAX_TEXTS: Final = 20
MAX_TEXT: Final = 1000
"""Characters of an error or warning: an object must stay small, and be read by people."""


class Condition(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """metav1.Condition."""

    type: str
    status: str
    """"True", "False" or "Unknown"."""
    observed_generation: int = 0
    last_transition_time: str
    """RFC 3339, UTC: when `status` became what it is."""
    reason: str
    message: str


class AppliedPlan(msgspec.Struct, frozen=True, kw_only=True):
    revision: str = ""
    generation: int = 0
    digest: str = ""
    at: str = ""


class NodeStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()
    applied: AppliedPlan | None = None
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    leaving: tuple[str, ...] = ()
    networks: int = 0
    attachments: int = 0
    addresses: tuple[AddressUse, ...] = ()
    wanted: tuple[AddressWish, ...] = ()
    agent_version: str = ""

    def merge_patch(self) -> Mapping[str, object]:
        """Every field, empty ones too, so that a merge leaves nothing of an earlier status."""
        return {"status": msgspec.to_builtins(self)}


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What Ready says."""

    ready: bool
    reason: str
    message: str


def status_of(
    *,
    report: AgentStatus,
    stamp: Stamp,
    generation: int,
    problem: str,
    before: NodeStatus | None,
    now: str,
) -> NodeStatus:
    """The status of a NodeNetwork with that stamp and metadata.generation.

    `problem`: why its plan never came as far as the agent's engine. `now` in RFC 3339.
    """
    verdict = _verdict(report, stamp, problem)
    before = before or NodeStatus()
    observed = before.observed_generation if verdict.reason == APPLYING else generation
    in_force = report.in_force
    return NodeStatus(
        observed_generation=observed,
        conditions=_conditions(verdict, observed, before, now),
        applied=None
        if in_force is None
        else AppliedPlan(
            revision=in_force.revision,
            generation=in_force.generation,
            digest=in_force.digest,
            at=report.applied_at,
        ),
        errors=_bounded((problem, *report.errors) if problem else report.errors),
        warnings=_bounded(report.warnings),
        leaving=report.leaving,
        networks=report.networks,
        attachments=report.attachments,
        addresses=report.addresses,
        wanted=report.wanted,
        agent_version=f"{report.version}+twin" if report.twin else report.version,
    )


def is_applying(status: NodeStatus) -> bool:
    return any(condition.reason == APPLYING for condition in status.conditions)


def _verdict(report: AgentStatus, stamp: Stamp, problem: str) -> Verdict:
    if problem:
        return _failed(Reason.PLAN_REJECTED, problem, report)
    if report.attempted != stamp:
        message = f"The {_title(stamp)} is being applied; {_stays(report)}."
        return Verdict(ready=False, reason=APPLYING, message=message)
    if report.errors or report.in_force != stamp:
        error = report.errors[0] if report.errors else f"the {_title(stamp)} is not in force"
        return _failed(report.reason or Reason.APPLY_FAILED, error, report)
    if report.twin:
        where = "on a simulated kernel: this is the kernel-free twin, which enforces nothing"
        return Verdict(ready=True, reason=TWIN, message=f"The {_title(stamp)} is in force {where}.")
    return Verdict(ready=True, reason=Reason.APPLIED, message=f"The {_title(stamp)} is in force.")


def _failed(reason: str, error: str, report: AgentStatus) -> Verdict:
    message = f"{_cut(error).removesuffix('.')}; {_stays(report)}."
    return Verdict(ready=False, reason=reason, message=message)


def _title(stamp: Stamp) -> str:
    return f"plan of commit {stamp.revision[:12] or 'unnamed'} (generation {stamp.generation})"


def _stays(report: AgentStatus) -> str:
    return f"the {_title(report.in_force)} stays in force" if report.in_force else "no plan is in force"


def _conditions(verdict: Verdict, generation: int, before: NodeStatus, now: str) -> tuple[Condition, ...]:
    def condition(kind: str, *, status: bool) -> Condition:
        text = str(status)
        earlier = next((one for one in before.conditions if one.type == kind), None)
        return Condition(
            type=kind,
            status=text,
            observed_generation=generation,
            last_transition_time=earlier.last_transition_time
            if earlier is not None and earlier.status == text
            else now,
            reason=verdict.reason,
            message=verdict.message,
        )

    ready = condition(READY, status=verdict.ready)
    return (ready, condition(RECONCILING, status=True)) if verdict.reason == APPLYING else (ready,)


def _bounded(texts: tuple[str, ...]) -> tuple[str, ...]:
    more = len(texts) - MAX_TEXTS
    shown = tuple(_cut(text) for text in texts[:MAX_TEXTS])
    return (*shown, f"and {more} more; the agent's log has them") if more > 0 else shown


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 3]}..."
