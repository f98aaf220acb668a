"""Pieces of what `atoll status` prints: lines of text whose colours mean the same everywhere.

All text of the cluster goes through `safe`: names and messages are written by others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from rich.cells import cell_len
from rich.text import Text

from cli.problem_text import counted, safe
from cli.status_facts import moment
from cli.status_report import EventEntry, Finding, Level, Report, State, Unread
from controller.cluster.wording import SHORT, some
from controller.status import ProblemRecord

_COLOURS: Mapping[Level, str] = {
    Level.ERROR: "bold red",
    Level.WARNING: "bold yellow",
    Level.WAITING: "bold cyan",
}
_NAMED = 4
"""So many objects a finding names."""
_LABEL = 12


def verdict(report: Report) -> Text:
    """`Not well: 2 errors, 1 warning`."""
    levels = [finding.level for finding in report.findings]
    parts = [
        (counted(levels.count(Level.ERROR), "error"), Level.ERROR),
        (counted(levels.count(Level.WARNING), "warning"), Level.WARNING),
        (f"{levels.count(Level.WAITING)} waiting", Level.WAITING),
    ]
    text = Text()
    text.append(*("All well", "bold green") if report.well else ("Not well", "bold red"))
    told = [(words, level) for words, level in parts if not words.startswith("0 ")]
    for index, (words, level) in enumerate(told):
        text.append(", " if index else ": ")
        text.append(words, style=_COLOURS[level])
    return text


def finding_lines(finding: Finding, now: datetime) -> Iterator[Text]:
    subjects = [safe(subject) for subject in finding.subjects]
    kind = subjects[0].partition(" ")[0]
    rest = [subject.removeprefix(f"{kind} ") for subject in subjects[1:_NAMED]]
    line = Text()
    line.append(f"{finding.level}", style=_COLOURS[finding.level])
    line.append(f": {some([subjects[0], *rest], len(subjects))}: ")
    line.append(safe(finding.reason), style="bold")
    age = ago(finding.since, now)
    duration = f", for {age}" if finding.level is Level.WAITING else f", not well for {age}"
    line.append(duration if age else "")
    yield line
    yield _beside("|", finding.message)
    if finding.next:
        yield _beside("=", finding.next)


def unread_line(unread: Unread) -> Text:
    line = Text()
    line.append("not read", style=_COLOURS[Level.WARNING])
    line.append(f": {safe(unread.resource)}: {safe(unread.reason)}")
    return line


def problem_lines(problem: ProblemRecord) -> Iterator[Text]:
    line = Text("  ")
    if problem.path:
        place = f"{problem.path}:{problem.line}:{problem.column}" if problem.line else problem.path
        line.append(f"{safe(place)}: ", style="bold")
    colour = _COLOURS[Level.ERROR if problem.severity == Level.ERROR else Level.WARNING]
    line.append(f"{safe(problem.severity)} {safe(problem.code)}", style=colour)
    line.append(f": {safe(problem.subject)}: {safe(problem.reason)}")
    yield line
    yield _beside("=", problem.remedy, margin=4)


def heading(title: str, count: int | None = None) -> Text:
    text = Text()
    text.append(title, style="bold")
    if count is not None:
        text.append(f" ({count:,})", style="dim")
    return text


def fact(label: str, value: str | Text) -> Text:
    """One fact below a heading; without a value there is no line worth printing."""
    line = Text()
    line.append(f"  {label:<{_LABEL}}", style="dim")
    return line.append_text(value) if isinstance(value, Text) else line.append(safe(value))


def table(titles: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> Iterator[Text]:
    """Rows in columns as wide as they need; the last one ends where it ends."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [
        max(cell_len(title), *(row[index].cell_len for row in cells)) if cells else cell_len(title)
        for index, title in enumerate(titles)
    ]
    yield _row([Text(title, style="dim") for title in titles], widths)
    for row in cells:
        yield _row(row, widths)


def event_lines(events: Iterable[EventEntry], now: datetime, *, longest: int | None = None) -> Iterator[Text]:
    """Notes of at most `longest` characters."""
    rows = [
        (
            f"{ago(event.at, now) or '?'} ago",
            Text(safe(event.reason), style=_COLOURS[Level.WARNING] if event.type == "Warning" else ""),
            event.regarding,
            _cut(event.note, longest),
        )
        for event in events
    ]
    yield from table(("WHEN", "REASON", "OBJECT", "WHAT"), rows)


def state_word(state: State) -> Text:
    """The reason of Ready, coloured."""
    if not state.ready:
        return Text("not looked at", style=_COLOURS[Level.WAITING])
    return Text(safe(state.reason), style="green" if state.ready == "True" else "red")


def short(revision: str) -> str:
    return safe(revision[:SHORT]) or "none"


def ago(text: str, now: datetime) -> str:
    """How long ago a time of the API was: `12 s`, `3 min`, `5 h`, `2 d`; "" for no time."""
    at = moment(text)
    if at is None:
        return ""
    past = max(now - at, timedelta())
    if past < timedelta(seconds=120):
        return f"{past.seconds} s"
    minutes = int(past.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} d"


def _cut(text: str, longest: int | None) -> str:
    return text if longest is None or len(text) <= longest else f"{text[: longest - 1]}…"


def _beside(sign: str, text: str, margin: int = 2) -> Text:
    line = Text()
    line.append(f"{'':>{margin}}{sign} ", style="dim")
    return line.append(safe(text))


def _cell(value: str | Text) -> Text:
    return value if isinstance(value, Text) else Text(safe(value))


def _row(cells: Sequence[Text], widths: Sequence[int]) -> Text:
    line = Text("  ")
    for cell, width in zip(cells, widths, strict=True):
        line.append_text(cell)
        line.append(" " * (width - cell.cell_len + 2))
    line.rstrip()
    return line
