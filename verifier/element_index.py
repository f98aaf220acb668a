"""A set's elements as a tree, one column a level, so that a box of packets finds its elements at once.

Asked for one value, a level is a bisection; asked for many, it costs what it finds. Cells that overlap
without being equal are cut at each other's borders, so that the cells of a level are disjoint.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from verifier.intervals import Interval, Intervals, intersect, only, subtract, union
from verifier.ruleset import Element

Columns = tuple[Intervals, ...]
"""A box over a key's columns."""
Rows = tuple[Element, ...]
_REMEMBERED: Final = 64
"""Cells from which on it pays to remember how a level divides a column."""


@dataclass(slots=True)
class Branch:
    """One level. Below each cell lies another branch, or at the last level an element."""

    cells: list[Interval] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    branches: list[Branch] = field(default_factory=list)
    elements: list[Element] = field(default_factory=list)
    """Last level only, instead of branches."""
    groups: list[tuple[Intervals, Element]] = field(default_factory=list)
    """Last level only: the cells joined by value, each with an element that stands for all."""
    covered: Intervals = ()
    texts: dict[str, Branch | Element] = field(default_factory=dict)
    divided: dict[Intervals, Division] = field(default_factory=dict)
    """Last level only, and large: what was asked before."""

    def find(self, value: int) -> int:
        """The position of the cell that holds the value; -1 if none does."""
        at = bisect_right(self.starts, value) - 1
        return at if at >= 0 and self.cells[at][1] >= value else -1

    def child(self, value: int | str) -> Branch | Element | None:
        if isinstance(value, str):
            return self.texts.get(value)
        at = self.find(value)
        if at < 0:
            return None
        return self.elements[at] if self.elements else self.branches[at]


class Indexes:
    """Makes indexes, equal ones once: on all nodes of a network most of its elements are the same.

    Elements that are read once are one value (verifier.nft_elements), so identity tells them apart.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[tuple[int, ...], tuple[int, ...]], tuple[Branch, Rows]] = {}

    def index(self, rows: Rows, order: tuple[int, ...], devices: int) -> Branch:
        """By the columns in this order, the first of which (`devices`) are asked for single values only."""
        if devices:
            return self._grow(rows, order, devices)
        key = (order, tuple(map(id, rows)))
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = (self._grow(rows, order, 0), rows)
        return known[0]

    def _grow(self, rows: Rows, order: tuple[int, ...], devices: int) -> Branch:
        """Of two elements with one key the first counts."""
        branch = Branch()
        numbers: dict[Interval, list[Element]] = {}
        texts: dict[str, list[Element]] = {}
        at, rest = order[0], order[1:]
        for row in rows:
            head = row.key[at]
            if isinstance(head, str):
                texts.setdefault(head, []).append(row)
            else:
                numbers.setdefault(head, []).append(row)
        for text, below in texts.items():
            branch.texts[text] = self._below(below, rest, devices) if rest else below[0]
        self._fill(branch, _disjoint(numbers), rest, devices)
        return branch

    def _below(self, rows: list[Element], order: tuple[int, ...], devices: int) -> Branch:
        if devices == 1:
            return self.index(tuple(rows), order, 0)
        return self._grow(tuple(rows), order, max(devices - 1, 0))

    def _fill(
        self, branch: Branch, rows: dict[Interval, list[Element]], rest: tuple[int, ...], devices: int
    ) -> None:
        branch.cells = sorted(rows)
        branch.starts = [first for first, _ in branch.cells]
        if rest:
            branch.branches = [self._below(rows[cell], rest, devices) for cell in branch.cells]
        else:
            branch.elements = [rows[cell][0] for cell in branch.cells]
        if not devices:
            branch.covered = union(branch.cells)
            branch.groups = _groups(branch)


def _groups(branch: Branch) -> list[tuple[Intervals, Element]]:
    by_value: dict[object, list[tuple[Interval, Element]]] = {}
    for cell, element in zip(branch.cells, branch.elements, strict=False):
        by_value.setdefault(element.value, []).append((cell, element))
    return [
        (union(cell for cell, _ in members), _standing_for([element for _, element in members]))
        for members in by_value.values()
    ]


def _standing_for(elements: Sequence[Element]) -> Element:
    first = elements[0]
    if len(elements) == 1:
        return first
    return Element(key=(), value=first.value, text=f"one of {len(elements)} elements, such as {first.text}")


def _disjoint(rows: dict[Interval, list[Element]]) -> dict[Interval, list[Element]]:
    cells = sorted(rows)
    if all(left[1] < right[0] for left, right in pairwise(cells)):
        return rows
    starts = sorted({first for first, _ in cells} | {last + 1 for _, last in cells})
    cut: dict[Interval, list[Element]] = {}
    for cell in cells:
        inside = [start for start in starts if cell[0] <= start <= cell[1]]
        for first, after in zip(inside, [*inside[1:], cell[1] + 1], strict=True):
            cut.setdefault((first, after - 1), []).extend(rows[cell])
    return cut


@dataclass(slots=True)
class Division:
    """A box in two: what found an element, with it, and what found none."""

    matched: list[tuple[Columns, Element]] = field(default_factory=list)
    missed: list[Columns] = field(default_factory=list)


def divide(branch: Branch, columns: Columns) -> Division:
    """No packet is lost or doubled: matched and missed boxes are disjoint and make up `columns`."""
    column, rest = columns[0], columns[1:]
    value = only(column)
    if value is not None:
        return _divide_point(branch, value, column, rest)
    return _divide_many(branch, column, rest) if rest else _divide_last(branch, column)


def _divide_point(branch: Branch, value: int, column: Intervals, rest: Columns) -> Division:
    at = branch.find(value)
    if at < 0:
        return Division(missed=[(column, *rest)])
    if not rest:
        return Division(matched=[((column,), branch.elements[at])])
    below = divide(branch.branches[at], rest)
    return Division(
        matched=[((column, *cells), element) for cells, element in below.matched],
        missed=[(column, *cells) for cells in below.missed],
    )


def _divide_last(branch: Branch, column: Intervals) -> Division:
    if len(branch.cells) < _REMEMBERED or len(column) > 1:
        return _divided(branch, column)
    if column not in branch.divided:
        branch.divided[column] = _divided(branch, column)
    return branch.divided[column]


def _divided(branch: Branch, column: Intervals) -> Division:
    found = Division()
    for cells, element in branch.groups:
        common = intersect(column, cells)
        if common:
            found.matched.append(((common,), element))
    left = subtract(column, branch.covered)
    if left:
        found.missed.append((left,))
    return found


def _divide_many(branch: Branch, column: Intervals, rest: Columns) -> Division:
    """What matches or misses in the same way below several cells is one box, or boxes would multiply."""
    matched: dict[tuple[Columns, object], list[tuple[Intervals, Element]]] = {}
    missed: dict[Columns, list[Interval]] = {}
    for at, common in _hits(branch, column):
        below = divide(branch.branches[at], rest)
        for cells, element in below.matched:
            matched.setdefault((cells, element.value), []).append((common, element))
        for cells in below.missed:
            missed.setdefault(cells, []).extend(common)
    left = subtract(column, branch.covered)
    if left:
        missed.setdefault(rest, []).extend(left)
    return Division(
        matched=[_one_box(cells, parts) for (cells, _), parts in matched.items()],
        missed=[(union(intervals), *cells) for cells, intervals in missed.items()],
    )


def _one_box(cells: Columns, parts: list[tuple[Intervals, Element]]) -> tuple[Columns, Element]:
    if len(parts) == 1:
        return (parts[0][0], *cells), parts[0][1]
    common = union(interval for intervals, _ in parts for interval in intervals)
    return (common, *cells), _standing_for([element for _, element in parts])


def _hits(branch: Branch, column: Intervals) -> list[tuple[int, Intervals]]:
    """Cells that share values with the column: their positions and what they share."""
    hits: dict[int, list[Interval]] = {}
    for first, last in column:
        at = max(bisect_right(branch.starts, first) - 1, 0)
        while at < len(branch.cells) and branch.cells[at][0] <= last:
            low, high = branch.cells[at]
            if high >= first:
                hits.setdefault(at, []).append((max(first, low), min(last, high)))
            at += 1
    return [(at, tuple(pieces)) for at, pieces in hits.items()]
