#!/usr/bin/env python3
"""Tells the verdict on a pull or merge request: one comment, edited in place, and one status of its commit.

Runs with a token, from the default branch, and runs nothing of the change. What the computing job left is
data (`result.py`). Whether a guarded rule is approved is decided here and nowhere else: by the names of the
policy before the change and the approvals that the platform knows, for exactly this commit.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from api import ApiError
from github import GitHub
from gitlab import GitLab
from result import Breach, Result, Unusable

MARKER = "<!-- atoll review -->"
HOSTS: dict[str, type[GitHub] | type[GitLab]] = {"github": GitHub, "gitlab": GitLab}
_LONGEST_STATUS = 140
_LONGEST_APPROVALS = 3_000
"""Characters. With the longest review that is read, a comment stays below the 65,536 that GitHub takes."""
_MOST_NAMES = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    passes: bool
    sentence: str
    approvals: tuple[str, ...] = ()
    """A line for each guarded rule that the change breaks."""


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in HOSTS:
        print("usage: publish.py github|gitlab", file=sys.stderr)
        return 2
    try:
        return _publish(HOSTS[arguments[0]].from_environment())
    except ApiError as error:
        print(f"publish: {error}", file=sys.stderr)
        return 3


def _publish(host: GitHub | GitLab) -> int:
    change = host.change()
    if change is None:
        print("publish: no open request has this commit as its head; nothing to tell")
        return 0
    try:
        result = host.result()
        if (result.number, result.head) != (change.number, change.head):
            raise Unusable("it is about another request or commit")
    except Unusable as error:
        print(f"publish: {error}", file=sys.stderr)
        verdict, markdown = Verdict(passes=False, sentence="The review could not be computed."), ""
    else:
        distrusted = host.review_changed(change)
        verdict = distrustful() if distrusted else judged(result, host.approved_by(change))
        markdown = "" if distrusted else result.markdown
    host.tell(change, MARKER, body(verdict, markdown, change.head, host.run_url))
    host.set_status(change, passes=verdict.passes, description=verdict.sentence[:_LONGEST_STATUS])
    print(f"publish: {verdict.sentence}")
    return 0


def distrustful() -> Verdict:
    return Verdict(
        passes=False,
        sentence="This changes how reviews are made, so no review of it counts: read it yourself.",
    )


def judged(result: Result, approved_by: frozenset[str]) -> Verdict:
    """The verdict; the first reason why it may not pass, in the order of their weight."""
    approvals = tuple(_approval_lines(result, approved_by))
    for holds, sentence in (
        (result.conflict, "It does not merge: resolve the conflicts first."),
        (result.steps.get("validate") == 1, "The declarations have errors."),
        (any(code > 1 for code in result.steps.values()), "The review could not be computed."),
        (result.refused, "It is refused: it has errors."),
        (result.steps.get("verify") == 1, "The verifier found a violation."),
        (result.policy == "unreadable", "The policy cannot be read."),
        (not {"validate", "verify", "diff"} <= result.steps.keys(), "The review could not be computed."),
        (result.policy not in ("none", "kept", "approved", "broken"), "The review could not be computed."),
    ):
        if holds:
            return Verdict(passes=False, sentence=sentence, approvals=approvals)
    missing = [breach.subject for breach in result.breaches if not _approved(breach, approved_by)]
    if missing:
        return Verdict(passes=False, sentence=f"Not approved: {_named(missing)}.", approvals=approvals)
    sentence = "Guarded rules are broken, and approved." if result.breaches else "No guarded rule is broken."
    return Verdict(passes=True, sentence=sentence, approvals=approvals)


def _named(subjects: list[str]) -> str:
    more = [f"{len(subjects) - _MOST_NAMES:,} more"] if len(subjects) > _MOST_NAMES else []
    return ", ".join(subjects[:_MOST_NAMES] + more)


def _approved(breach: Breach, approved_by: frozenset[str]) -> bool:
    return len(breach.approvers & approved_by) >= breach.needed


def _approval_lines(result: Result, approved_by: frozenset[str]) -> Iterator[str]:
    for breach in result.breaches:
        given = ", ".join(f"`{name}`" for name in sorted(breach.approvers & approved_by)) or "nobody"
        asked = ", ".join(f"`{name}`" for name in sorted(breach.approvers - approved_by))
        state = f"approved by {given}"
        if not _approved(breach, approved_by):
            may = f"needs {breach.needed} of {asked}" if breach.approvers else "nobody may approve it"
            state = f"{state}; {may}"
        yield f"- **{breach.subject}**: {state}"


def _approval_list(lines: tuple[str, ...]) -> str:
    """As many as a comment has room for; the others by their number."""
    room, kept = _LONGEST_APPROVALS, []
    for line in lines:
        room -= len(line)
        if room < 0:
            kept.append(f"- {len(lines) - len(kept):,} more, which the files of the computing job name")
            break
        kept.append(line)
    return "\n".join(kept)


def body(verdict: Verdict, markdown: str, commit: str, run_url: str) -> str:
    """The comment: what may never be lost first."""
    sign = "\N{WHITE HEAVY CHECK MARK} May pass." if verdict.passes else "\N{NO ENTRY} May not pass."
    opening = f"{MARKER}\n**{sign}** {verdict.sentence}"
    if verdict.approvals and markdown:
        markdown = f"What follows was computed without knowing who approved.\n\n{markdown}"
    foot = f"Commit `{commit[:10]}`. [How this was computed, and the review as a page]({run_url})"
    parts = (opening, _approval_list(verdict.approvals), markdown.strip(), foot)
    return "\n\n".join(part for part in parts if part) + "\n"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
