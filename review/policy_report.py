"""A judgement for machines and for terminals. What the publishing job decides by is this JSON.

The lists of acts are cut, the verdict never is: whoever decides needs `approvers` and `approvals` alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from compiler.problem import Origin
from review.policy_judge import NAMED, Breach, Judgement

MAX_ACTS = 100
"""Of each breach, in JSON."""
SHOWN_ACTS = 10
"""Of each breach, in text."""


class ActRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    what: str
    places: tuple[str, ...]
    """`path:line` of what causes it."""


class BreachRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    guard: str
    """"" for a change of the policy itself."""
    reason: str
    place: str
    approvers: tuple[str, ...]
    approvals: int
    """How many of them are needed."""
    approved_by: tuple[str, ...]
    approved: bool
    acts: tuple[ActRecord, ...]
    more_acts: int


class JudgementRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The object `policy` of a review."""

    verdict: str
    """`none` without a policy, else `kept`, `approved`, `broken` or `unreadable`."""
    judged_by: str
    """Place of the policy that judged; "" without one."""
    breaches: tuple[BreachRecord, ...]


def verdict_of(judgement: Judgement) -> str:
    if judgement.problems:
        return "unreadable"
    if judgement.policy is None:
        return "none"
    if judgement.unapproved:
        return "broken"
    return "approved" if judgement.breaches else "kept"


def judgement_record(judgement: Judgement) -> JudgementRecord:
    return JudgementRecord(
        verdict=verdict_of(judgement),
        judged_by=judgement.policy.origin.place if judgement.policy else "",
        breaches=tuple(map(_record, judgement.breaches)),
    )


def _record(breach: Breach) -> BreachRecord:
    return BreachRecord(
        guard=breach.guard,
        reason=breach.reason,
        place=breach.origin.place,
        approvers=breach.approvers,
        approvals=breach.needed,
        approved_by=breach.approved_by,
        approved=breach.approved,
        acts=tuple(ActRecord(what=act.what, places=_places(act.origins)) for act in breach.acts[:MAX_ACTS]),
        more_acts=max(0, len(breach.acts) - MAX_ACTS),
    )


def _places(origins: tuple[Origin, ...]) -> tuple[str, ...]:
    return tuple(origin.place for origin in origins)


def headline(judgement: Judgement) -> str:
    """One sentence that says whether the change may pass; "" where there is no policy at all."""
    match verdict_of(judgement):
        case "unreadable":
            return "The policy cannot be read, so this change cannot pass."
        case "broken":
            guards = ", ".join(map(_wanting, judgement.unapproved))
            return f"Needs approval: this change breaks {guards}."
        case "approved":
            return "Every guarded rule that this change breaks is approved."
        case "kept":
            return "No guarded rule is broken."
    return "This change brings the first policy." if judgement.introduced else ""


def _wanting(breach: Breach) -> str:
    if not breach.approvers:
        return f"{breach.subject} (which nobody may approve)"
    people = ", ".join(breach.approvers[:NAMED]) + (", ..." if len(breach.approvers) > NAMED else "")
    return f"{breach.subject} ({breach.needed} of {people})"


def judgement_lines(judgement: Judgement) -> Iterator[str]:
    """The judgement as plain lines; none where there is no policy at all."""
    opening = headline(judgement)
    if opening:
        yield opening
    for problem in judgement.problems:
        yield f"  {problem}"
    for breach in judgement.breaches:
        yield from _breach_lines(breach)


def _breach_lines(breach: Breach) -> Iterator[str]:
    reason = f": {breach.reason}" if breach.reason else ""
    yield f"  {breach.code} {breach.subject} ({breach.origin.place}){reason}"
    for act in breach.acts[:SHOWN_ACTS]:
        yield f"    {act.what} ({', '.join(_places(act.origins))})"
    if len(breach.acts) > SHOWN_ACTS:
        yield f"    and {len(breach.acts) - SHOWN_ACTS:,} more"
    approved = f"Approved by {', '.join(breach.approved_by)}" if breach.approved else breach.ways_out
    yield f"    {approved}."
