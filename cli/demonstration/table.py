"""Who reaches whom as one table: clients across, targets down, in each cell declared and seen.

A cell is `✓ ✓✓`: declared, then seen over IPv4 and over IPv6. Where seen is not as declared, it is `✓≠–✓`.
A terminal that is too narrow gets the columns in several blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.text import Text

from cli.demonstration.checks import Answer, Mark

Groups = Sequence[tuple[str, tuple[str, ...]]]
"""Titles of groups of columns, with their columns'."""

LEGEND: Final = (
    "A cell: declared, then seen over IPv4 and IPv6; between them ≠ where they differ.",
    "✓ reached   – refused at once   · no answer, or none promised",
    "o answered by the client's own network's pod with the same address",
    "node: probes of a pod come from its own node, as the kubelet's do",
)
_CELL: Final = 4
_COLUMN: Final = 6
_LABEL: Final = 13
_STYLES: Final = {Mark.REACHED: "green", Mark.OTHER: "cyan", Mark.REFUSED: "dim", Mark.SILENT: "dim"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    promised: Mark
    seen: tuple[Mark, ...]
    """By family, IPv4 first."""
    right: bool

    @property
    def text(self) -> Text:
        between = " " if self.right else "≠"
        marks = "".join(self.seen)
        style = _STYLES[self.promised] if self.right else "bold white on red"
        return Text(f"{self.promised}{between}{marks}".ljust(_CELL), style=style)


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    section: str
    target: str
    cells: Mapping[str, Cell]
    """By column."""

    @property
    def promises(self) -> Mapping[str, Mark]:
        return {column: cell.promised for column, cell in self.cells.items()}


def rows_of(answers: Iterable[Answer]) -> list[Row]:
    """In the order of the answers' questions; the protocols of one family share a mark."""
    gathered: dict[tuple[str, str], dict[str, list[Answer]]] = {}
    for answer in answers:
        question = answer.question
        row = gathered.setdefault((question.section, question.target), {})
        row.setdefault(question.client, []).append(answer)
    return [
        Row(
            section=section,
            target=target,
            cells={column: _cell(answers) for column, answers in cells.items()},
        )
        for (section, target), cells in gathered.items()
    ]


def _cell(answers: Sequence[Answer]) -> Cell:
    families: dict[int, list[Answer]] = {}
    for answer in answers:
        families.setdefault(answer.question.version, []).append(answer)
    return Cell(
        promised=answers[0].question.promised,
        seen=tuple(_worst(families[version]) for version in sorted(families)),
        right=all(answer.right for answer in answers),
    )


def _worst(answers: Sequence[Answer]) -> Mark:
    """What is wrong if anything is, else what all have seen."""
    return next((answer.seen for answer in answers if not answer.right), answers[0].seen)


def changed_rows(before: Sequence[Row], after: Sequence[Row]) -> list[Row]:
    """Rows in which something else is promised than before."""
    former = {(row.section, row.target): row.promises for row in before}
    return [row for row in after if former[row.section, row.target] != row.promises]


def table_lines(groups: Groups, rows: Sequence[Row], *, width: int) -> Iterator[Text]:
    for block in _blocks(groups, width):
        yield from _block_lines(block, rows)


def _blocks(groups: Groups, width: int) -> Iterator[Groups]:
    """As many groups side by side as fit."""
    block: list[tuple[str, tuple[str, ...]]] = []
    used = _LABEL
    for group in groups:
        needed = _group_width(group) + 1
        if block and used + needed > width:
            yield block
            block, used = [], _LABEL
        block.append(group)
        used += needed
    yield block


def _group_width(group: tuple[str, tuple[str, ...]]) -> int:
    title, columns = group
    return max(len(title), _COLUMN * len(columns))


def _block_lines(groups: Groups, rows: Sequence[Row]) -> Iterator[Text]:
    yield _line("", [Text(title, style="bold") for title, _columns in groups], groups)
    yield _line("", [Text("".join(c.ljust(_COLUMN) for c in columns)) for _title, columns in groups], groups)
    section = ""
    for row in rows:
        if row.section != section:
            section = row.section
            width = _LABEL + sum(_group_width(group) + 1 for group in groups)
            yield Text(f"── {section} ".ljust(width, "─"), style="dim")
        yield _line(row.target, [_cells(row, columns) for _title, columns in groups], groups)


def _cells(row: Row, columns: Sequence[str]) -> Text:
    text = Text()
    for column in columns:
        cell = row.cells.get(column)
        text.append_text(cell.text if cell else Text(" " * _CELL))
        text.append(" " * (_COLUMN - _CELL))
    return text


def _line(label: str, contents: Sequence[Text], groups: Groups) -> Text:
    line = Text(label.ljust(_LABEL))
    for content, group in zip(contents, groups, strict=True):
        line.append("│", style="dim")
        line.append_text(content)
        line.append(" " * (_group_width(group) - len(content)))
    line.rstrip()
    return line
