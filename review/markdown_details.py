"""What follows from reach: findings, numbers and blocks, and what changes on which node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from review.headline import counted
from review.markdown_parts import ELSEWHERE, Section, bullets, clipped, graded, left_out, names, quoted
from review.markdown_text import code, details, fenced, prose, table
from review.model import Allotted, Finding, Matter, NodeDigest, NodeGroup, Review
from review.policy_report import BreachRecord

_SIZES: Final = (60, 12, 3, 0)
SHORT_DIGEST: Final = 12


def errors(review: Review) -> Section | None:
    found = [finding for finding in review.findings if finding.matter is Matter.ERROR]
    if not found:
        return None

    def form(size: int) -> Iterator[str]:
        yield f"### Errors: {len(found):,}"
        yield ""
        yield from bullets([_finding(one) for one in found], size, "error")

    return graded((40, 10, 3), form)


def policy(review: Review) -> Section | None:
    """Guards that the change breaks, with what would lift them."""
    if review.policy is None or not review.policy.breaches:
        return None
    breaches = review.policy.breaches

    def form(size: int) -> Iterator[str]:
        yield "### Guarded rules"
        yield ""
        for breach in breaches[:size]:
            name = f"guard {quoted(breach.guard)}" if breach.guard else "the policy itself"
            reason = f": {prose(clipped(breach.reason))}" if breach.reason else ""
            yield f"- {name} ({quoted(breach.place)}){reason}"
            yield from (f"  - {prose(clipped(act.what))}" for act in breach.acts[:size])
            hidden = len(breach.acts[size:]) + breach.more_acts
            if hidden:
                yield f"  - and {counted(hidden, 'act')} more"
            by, whose = names(breach.approved_by, 5), names(breach.approvers, 10)
            yield f"  - {approval(breach, by=by, whose=whose, refused='**not approved**')}"
        yield from left_out(len(breaches) - size, "guard")

    return graded((20, 8, 3), form)


def approval(breach: BreachRecord, *, by: str, whose: str, refused: str) -> str:
    """`by`, `whose`: who approved and who may, as the form writes people; `refused`: its word for a no."""
    given = f", by {by}" if breach.approved_by else ""
    who = f" of {whose}" if breach.approvers else "; the policy names nobody who may"
    verdict = "approved" if breach.approved else refused
    return f"{verdict}{given}: {counted(breach.approvals, 'approval')} needed{who}"


_TITLES: Final = {
    Matter.CAPACITY: "Capacity",
    Matter.WITHOUT_EFFECT: "Declarations without effect",
    Matter.WAITING: "Waiting",
    Matter.OTHER: "Other warnings",
}


def warnings(review: Review) -> Iterator[Section]:
    """What is new is open, what BASE has too is folded."""
    for matter, title in _TITLES.items():
        found = [one for one in review.findings if one.new and one.matter is matter]
        if found:
            yield _open(f"### {title}, new: {len(found):,}", found)
    old = [one for one in review.findings if not one.new and one.matter is not Matter.ERROR]
    if old:
        yield _folded(f"Warnings that BASE has too: {len(old):,}", old)


def _open(title: str, found: list[Finding]) -> Section:
    def form(size: int) -> Iterator[str]:
        yield title
        yield ""
        yield from bullets([_finding(one) for one in found], size, "warning")

    return graded(_SIZES, form)


def _folded(title: str, found: list[Finding]) -> Section:
    def form(size: int) -> Iterator[str]:
        yield from details(title, bullets([_finding(one) for one in found], size, "warning"))

    return graded((40, 8, 0), form)


def _finding(one: Finding) -> str:
    place = f"{quoted(one.place)} " if one.place else ""
    sentence = f"{clipped(one.subject)}: {clipped(one.reason, 600)}. {clipped(one.remedy)}."
    return f"{place}{one.code} {prose(sentence)}"


def numbers(review: Review) -> Section | None:
    if not review.allotted:
        return None
    retired = sum(one.retired for one in review.allotted)
    title = f"Numbers and blocks: {len(review.allotted) - retired:,} given, {retired:,} retired"

    def form(size: int) -> Iterator[str]:
        rows = [_allotted(one) for one in review.allotted[:size]]
        content = table(("", "what", "value", "of", "node"), rows) if rows else []
        yield from details(title, [*content, *left_out(len(review.allotted) - size, "entry")])

    return graded((200, 40, 8, 0), form)


def _allotted(one: Allotted) -> tuple[str, ...]:
    return (
        "retired" if one.retired else "given",
        one.what,
        quoted(one.value),
        quoted(one.owner),
        quoted(one.node),
    )


def nodes(review: Review) -> Iterator[Section]:
    groups = review.node_groups
    if not groups:
        return
    changed = sum(len(group.nodes) for group in groups)
    yield graded((0,), lambda _: (f"### Nodes: {changed:,} of {review.nodes:,} change",))
    for group in groups[:_GROUPS]:
        yield _group(group)
    rest = sum(len(group.nodes) for group in groups[_GROUPS:])
    if rest:
        yield graded((0,), lambda _: (f"{counted(rest, 'node')} more, left out here: {ELSEWHERE}.",))


_GROUPS: Final = 30


def _group(group: NodeGroup) -> Section:
    title = group_title(group)

    def form(size: int) -> Iterator[str]:
        if not size:
            yield f"- {prose(title)}, left out here"
            return
        yield from details(title, [*_digests(group.nodes, size), *_hunks(group, size)])

    return graded((400, 80, 20, 0), form)


def group_title(group: NodeGroup) -> str:
    """As `These 96 nodes: the same 4 lines`."""
    number = len(group.nodes)
    which = f"Node {group.nodes[0].node}" if number == 1 else f"These {number:,} nodes"
    if not group.listed:
        return f"{which}: too many lines to be listed"
    lines = sum(len(hunk.lines) for hunk in group.hunks)
    if not lines:
        return f"{which}: no line of layout or ruleset"
    return f"{which}: {'the same ' if number > 1 else ''}{counted(lines, 'line')}"


def _digests(some: tuple[NodeDigest, ...], size: int) -> list[str]:
    shown = max(size // 10, 3)
    listed = [f"{quoted(one.node)} {_digest(one.before)} -> {_digest(one.after)}" for one in some[:shown]]
    more = f" and {len(some) - shown:,} more" if len(some) > shown else ""
    return [f"Plans: {', '.join(listed)}{more}", ""]


def _digest(digest: str) -> str:
    return code(digest.removeprefix("sha256:")[:SHORT_DIGEST]) if digest else "none"


def _hunks(group: NodeGroup, size: int) -> list[str]:
    lines: list[str] = []
    for hunk in group.hunks:
        lines += (f"# {hunk.title}: {hunk.meaning}", *(clipped(line) for line in hunk.lines))
    if not lines:
        return []
    hidden = len(lines) - size
    note = [f"And {counted(hidden, 'line')} more, left out here: {ELSEWHERE}."] if hidden > 0 else []
    return [*fenced(lines[:size], "diff"), *note]


def unknown(review: Review) -> Section | None:
    if not review.unknown:
        return None

    def form(size: int) -> Iterator[str]:
        yield "### What this review could not know"
        yield ""
        yield from bullets([prose(clipped(one, 500)) for one in review.unknown], size, "sentence")

    return graded((20, 5), form)
