"""Elements of sets and maps in nft's text: `KEY comment "..." : VALUE`, commas between them.

A set of a large cluster has thousands, and every node nearly the same ones: each is read once (`Elements`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

from verifier.nft_cells import cell
from verifier.nft_verdicts import verdict
from verifier.ruleset import Cell, DataType, Element, Verdict
from verifier.unreadable import Unreadable
from verifier.words import Words

_ATOM: Final = r'(?:"[^"]*"|[^\s{},;"]+)'
_CELLS: Final = rf"{_ATOM}(?:\s+\.\s+{_ATOM})*"
_ELEMENT: Final = re.compile(rf'({_CELLS})(?:\s+comment\s+"([^"]*)")?(?:\s+:\s+(\S.*))?', re.DOTALL)
_DOT: Final = re.compile(r"\s+\.\s+")
_BETWEEN_COMMAS: Final = re.compile(r'(?:[^,"]+|"[^"]*")+')


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """The types of an element's key and value, and whether a key may be a range (`flags interval`)."""

    key: tuple[DataType, ...]
    value: tuple[DataType, ...] | None = None
    verdicts: bool = False
    ranges: bool = True


@dataclass(frozen=True, slots=True)
class Elements:
    """Reads elements, each text once."""

    _last: dict[Columns, tuple[str, tuple[Element, ...]]] = field(default_factory=dict)
    """The largest sets are the same on every node: one text back is far enough."""
    _by_text: dict[Columns, dict[str, Element]] = field(default_factory=dict)

    def read(self, columns: Columns, body: str) -> tuple[Element, ...]:
        """What stands between the braces, sorted by key: a set has no order."""
        before = self._last.get(columns)
        if before is None or before[0] != body:
            before = self._last[columns] = body, tuple(self._read(columns, body))
        return before[1]

    def _read(self, columns: Columns, body: str) -> list[Element]:
        known = self._by_text.setdefault(columns, {})
        elements = []
        for text in _BETWEEN_COMMAS.findall(body):
            element = known.get(text)
            if element is None:
                stripped = text.strip()
                if not stripped:
                    continue  # behind a last comma
                element = known[text] = read_element(columns, stripped)
            elements.append(element)
        return in_order(elements)


def in_order(elements: list[Element]) -> list[Element]:
    return sorted(elements, key=attrgetter("key"))


def read_element(columns: Columns, text: str) -> Element:
    match = _ELEMENT.fullmatch(text)
    if match is None:
        raise Unreadable("it is not understood as an element", text=text)
    key, comment, value = match.groups()
    try:
        found = Element(
            key=cells(columns.key, key), value=_value(columns, value), text=text, comment=comment or ""
        )
        check_ranges(columns, found)
    except Unreadable as error:
        raise Unreadable(error.reason, text=text) from None
    return found


def check_ranges(columns: Columns, element: Element) -> None:
    if not columns.ranges and any(not isinstance(c, str) and c[0] != c[1] for c in element.key):
        raise Unreadable("a set without `flags interval` takes no ranges")


def cells(types: tuple[DataType, ...], text: str) -> tuple[Cell, ...]:
    atoms = _DOT.split(text.strip())
    if len(atoms) != len(types):
        raise Unreadable(f"it has {len(atoms)} columns where the set has {len(types)}")
    return tuple(map(cell, types, atoms))


def _value(columns: Columns, text: str | None) -> tuple[Cell, ...] | Verdict | None:
    if (text is not None) is not (columns.verdicts or columns.value is not None):
        raise Unreadable("an element of a map has a value, one of a set has none")
    if text is None:
        return None
    if columns.value is not None:
        return cells(columns.value, text)
    tokens = Words(text)
    found = verdict(tokens)
    if found is None:
        raise Unreadable("its value is not a verdict")
    tokens.finish()
    return found
