"""A review on a terminal: the verdict first, details after it; the same lines without colour where piped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from rich.text import Text

from cli.status_text import table
from review.headline import consent_text, counted, listed, title
from review.lines import printable
from review.markdown_details import group_title
from review.model import Bearing, Bond, Finding, Line, Matter, NodeGroup, Review, Side, Verdict

if TYPE_CHECKING:
    from rich.console import Console

_COLOURS: Final = {
    Verdict.REFUSED: "bold red",
    Verdict.OPENS_AND_CUTS: "bold yellow",
    Verdict.OPENS: "bold yellow",
    Verdict.CUTS: "bold yellow",
    Verdict.CHANGES: "bold cyan",
    Verdict.NOTHING: "bold green",
}
_GREEN: Final = "green"
_RED: Final = "red"
_SHORT: Final = 10


def print_review(out: Console, review: Review) -> None:
    """On a terminal, long lines go on below where they begin; piped, they stay whole for grep."""
    for line in review_lines(review):
        folds = out.is_terminal and line.cell_len > out.width
        for part in _folded(out, line) if folds else (line,):
            out.print(part)


def _folded(out: Console, line: Text) -> Iterator[Text]:
    indent = len(line.plain) - len(line.plain.lstrip())
    for number, part in enumerate(line[indent:].wrap(out, max(out.width - indent - 2, 20))):
        part.rstrip()
        yield Text(" " * (indent + (2 if number else 0))) + part


def review_lines(review: Review) -> Iterator[Text]:
    """Everything that the review holds, line by line."""
    yield Text(title(review), style=_COLOURS[review.verdict])
    for sentence in review.headline:
        yield Text(f"  {printable(sentence)}")
    yield from _assurances(review)
    yield from _section("Errors", [_finding(one) for one in review.findings if one.matter is Matter.ERROR])
    yield from _section("Guarded rules", list(_breaches(review)))
    yield from _bonds("May newly talk", review.gained, "+", _GREEN)
    yield from _bonds("Talk no more", review.lost, "-", _RED)
    yield from _networks(review)
    yield from _settings(review)
    yield from _consents(review)
    yield from _cuts(review)
    yield from _reachers(review)
    yield from _warnings(review)
    yield from _section("What this review could not know", [Text(printable(one)) for one in review.unknown])
    yield from _allotted(review)
    yield from _nodes(review)


def _assurances(review: Review) -> Iterator[Text]:
    if review.policy_line and review.policy is not None:
        broken = review.policy.verdict in ("broken", "unreadable")
        yield Text(f"  {printable(review.policy_line)}", style="bold red" if broken else "")
    if review.certificate is not None:
        proved = review.certificate.proved
        word = "Proved" if proved else "Not proved"
        yield Text(f"  {word}: {printable(review.certificate.line)}", style="green" if proved else "bold red")
        if not proved:
            yield from (Text(f"    {printable(detail)}") for detail in review.certificate.details)


def _breaches(review: Review) -> Iterator[Text]:
    for breach in review.policy.breaches if review.policy else ():
        name = f"guard {breach.guard}" if breach.guard else "the policy itself"
        verdict = "approved" if breach.approved else "not approved"
        needed = f"{counted(breach.approvals, 'approval')} of {', '.join(breach.approvers) or 'nobody'}"
        colour = _GREEN if breach.approved else _RED
        yield Text(printable(f"{name} ({breach.place}): {verdict}, {needed}"), style=colour)
        yield from (Text(printable(f"    {act.what}")) for act in breach.acts)


def _section(name: str, lines: Sequence[Text]) -> Iterator[Text]:
    if lines:
        yield Text("")
        yield Text(name, style="bold")
        for line in lines:
            yield Text("  ") + line


def _finding(one: Finding) -> Text:
    place = f"{one.place} " if one.place else ""
    text = f"{place}{one.code} {one.subject}: {one.reason}. {one.remedy}."
    return Text(printable(text), style="red" if one.matter is Matter.ERROR else "")


def _bonds(name: str, bonds: Iterable[Bond], sign: str, colour: str) -> Iterator[Text]:
    lines: list[Text] = []
    for bond in bonds:
        lines += (Text(f"{sign} {left} and {right}", style=colour) for left, right in bond.pairs)
        lines += (Text(f"    by {printable(cause)}") for cause in bond.causes)
        lines += map(_line, bond.lines)
    yield from _section(name, lines)


def _line(line: Line) -> Text:
    place = f"{line.path}:{line.line}" if line.line else line.path
    text = Text(f"    {printable(place)}", style="bold")
    text.append(f" {line.text}" if line.text else "", style="")
    text.append(f" ({line.object})", style="dim")
    if line.commit:
        verb = "removed" if line.side is Side.BASE else "written"
        text.append(f" {verb} by {line.commit[:_SHORT]} of {line.author}", style="cyan")
    elif line.side is Side.BASE:
        text.append(" removed", style="cyan")
    return text


def _networks(review: Review) -> Iterator[Text]:
    lines: list[Text] = []
    for arrivals, sign, colour in (
        (review.networks_added, "+", _GREEN),
        (review.networks_removed, "-", _RED),
    ):
        for one in arrivals:
            pods = f", {counted(one.pods, 'pod')}" if review.knows_pods else ""
            lines.append(Text(f"{sign} {one.network}: {', '.join(one.subnets)}{pods}", style=colour))
            lines += map(_line, one.lines)
    yield from _section("Networks", lines)


_BEARINGS: Final = {Bearing.OPENS: "opens", Bearing.CUTS: "cuts", Bearing.BOTH: "opens and cuts"}


def _settings(review: Review) -> Iterator[Text]:
    lines: list[Text] = []
    for one in review.settings:
        text = Text(f"{one.object} {one.what}: {listed(one.before)} -> {listed(one.after)}")
        if one.bearing in _BEARINGS:
            text.append(f" ({_BEARINGS[one.bearing]})", style="yellow")
        lines += (text, *map(_line, one.lines))
    yield from _section("Settings that differ", lines)


def _consents(review: Review) -> Iterator[Text]:
    lines: list[Text] = []
    for consent in review.consents:
        kind = consent.kind.value.replace("-", " ")
        lines += (Text(f"{kind} {consent_text(consent)}"), *map(_line, consent.lines))
    yield from _section("Consents", lines)


def _cuts(review: Review) -> Iterator[Text]:
    lines = [
        Text(f"{cut.what} ({counted(cut.pods, 'pod')})" if review.knows_pods else cut.what, style=_RED)
        for cut in review.cuts
    ]
    yield from _section("Connections that are cut", lines)
    moves = [
        Text(
            printable(f"{counted(move.count, 'pod')} ({', '.join(move.pods)}): {move.before} -> {move.after}")
        )
        for move in review.moves
    ]
    yield from _section("Pods that join otherwise", moves)


def _reachers(review: Review) -> Iterator[Text]:
    rows = [
        (
            Text(one.network),
            Text(
                ", ".join(f"{share.namespace} {share.pods:,}" for share in one.namespaces)
                if review.knows_pods
                else "not known"
            ),
            Text(", ".join(one.gains), style=_GREEN),
            Text(", ".join(one.loses), style=_RED),
            Text(", ".join((*_signed("+", one.services_gained), *_signed("-", one.services_lost)))),
        )
        for one in review.reachers
    ]
    if rows:
        heads = ("network", "pods of namespaces", "newly reaches", "reaches no more", "Services")
        yield from _section("Who is concerned", list(table(heads, rows)))


def _signed(sign: str, names: Iterable[str]) -> Iterator[str]:
    return (f"{sign}{name}" for name in names)


_MATTERS: Final = {
    Matter.CAPACITY: "Capacity",
    Matter.WITHOUT_EFFECT: "Declarations without effect",
    Matter.WAITING: "Waiting",
    Matter.OTHER: "Other warnings",
}


def _warnings(review: Review) -> Iterator[Text]:
    for matter, name in _MATTERS.items():
        found = [one for one in review.findings if one.new and one.matter is matter]
        yield from _section(f"{name}, new", [_finding(one) for one in found])
    old = [one for one in review.findings if not one.new and one.matter is not Matter.ERROR]
    yield from _section("Warnings that BASE has too", [_finding(one) for one in old])


def _allotted(review: Review) -> Iterator[Text]:
    rows = [
        (
            Text("retired" if one.retired else "given", style=_RED if one.retired else _GREEN),
            Text(one.what),
            Text(one.value),
            Text(one.owner),
            Text(one.node),
        )
        for one in review.allotted
    ]
    if rows:
        heads = ("", "what", "value", "of", "node")
        yield from _section("Numbers and blocks", list(table(heads, rows)))


def _nodes(review: Review) -> Iterator[Text]:
    changed = sum(len(group.nodes) for group in review.node_groups)
    if changed:
        yield Text("")
        yield Text(f"Nodes: {changed:,} of {review.nodes:,} change", style="bold")
    for group in review.node_groups:
        yield from _group(group)


def _group(group: NodeGroup) -> Iterator[Text]:
    yield Text(f"  {group_title(group)}", style="bold")
    for node in group.nodes:
        yield Text(f"    {node.node} {_digest(node.before)} -> {_digest(node.after)}", style="dim")
    for hunk in group.hunks:
        yield Text(f"    # {hunk.title}: {hunk.meaning}", style="dim")
        for line in hunk.lines:
            yield Text(f"    {line}", style=_GREEN if line.startswith("+") else _RED)


def _digest(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12] or "none"
