"""nft's native text of table `inet atoll` to a Ruleset: as it is rendered, and as `nft list table` prints it.

    table inet atoll {
        set NAME { typeof FIELDS; flags interval; elements = { ... } }
        map NAME { typeof FIELDS : FIELDS; ... }
        chain NAME { type ... hook ... priority ...; policy ...; RULE; RULE; ... }
    }

Handles and other remarks are left out, counters lose their numbers. Whatever else is there is an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Final

from verifier.nft_elements import Columns, Elements
from verifier.nft_header import based, columns_of
from verifier.nft_references import check_references
from verifier.nft_rule import statements
from verifier.ruleset import Chain, Element, NamedSet, Rule, Ruleset, Statement
from verifier.unreadable import Unreadable

_GAP: Final = re.compile(r"(?:[\s;]++|#[^\n]*+|\\\n)*+")
_TABLE: Final = re.compile(r"table\s+(\w+)\s+([\w-]+)\s*\{")
_BLOCK: Final = re.compile(r"(set|map|chain)\s+([\w-]+)\s*\{")
_ELEMENTS: Final = re.compile(r'elements\s*=\s*\{((?:[^{}"]++|"[^"\n]*")*+)\}')
_LINE: Final = re.compile(r'(?:[^\n;{}"#]++|"[^"\n]*"|\{[^{}]*\})++')
_COUNTED: Final = re.compile(r"\bcounter packets \d+ bytes \d+")
_HEADERS: Final = ("type ", "policy ")


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads rulesets, what they have in common once: the nodes of a cluster say nearly the same."""

    _elements: Elements = field(default_factory=Elements)
    _rules: dict[str, tuple[Statement, ...]] = field(default_factory=dict)

    def read(self, text: str) -> Ruleset:
        """Of the whole text, one table. Raises Unreadable with the line."""
        scan = _Scan(text)
        try:
            ruleset = self._table(scan)
        except Unreadable as error:
            raise error.at(*scan.place) from None
        check_references(ruleset)
        return ruleset

    def _table(self, scan: _Scan) -> Ruleset:
        chains: dict[str, Chain] = {}
        sets: dict[str, NamedSet] = {}
        opening = scan.opening(_TABLE, "`table inet atoll {`")
        if opening.groups() != ("inet", "atoll"):
            raise Unreadable("another table than Atoll's: give `table inet atoll` alone")
        while not scan.closes():
            kind, name = scan.opening(_BLOCK, "a set, a map or a chain").groups()
            if name in (chains if kind == "chain" else sets):
                raise Unreadable(f"{kind} {name} stands here twice")
            if kind == "chain":
                chains[name] = self._chain(scan, name)
            else:
                sets[name] = self._set(scan, name, is_map=kind == "map")
        scan.finish()
        return Ruleset(chains=chains, sets=sets)

    def _set(self, scan: _Scan, name: str, *, is_map: bool) -> NamedSet:
        columns: Columns | None = None
        elements: tuple[Element, ...] = ()
        while not scan.closes():
            body = scan.elements()
            if body is None:
                columns = columns_of(scan.statement(), columns, is_map=is_map)
            elif columns is not None:
                elements = self._read_elements(scan, columns, body)
            else:
                raise Unreadable(f"{name} has no `typeof` before its elements")
        if columns is None:
            raise Unreadable(f"{name} has no `typeof`")
        return NamedSet(
            name=name,
            types=columns.key,
            value_types=columns.value,
            verdicts=columns.verdicts,
            elements=elements,
        )

    def _read_elements(self, scan: _Scan, columns: Columns, body: str) -> tuple[Element, ...]:
        try:
            return self._elements.read(columns, body)
        except Unreadable as error:
            scan.move_to(error.text)
            raise

    def _chain(self, scan: _Scan, name: str) -> Chain:
        chain, rules = Chain(name=name), list[Rule]()
        while not scan.closes():
            text = scan.statement()
            if text.startswith(_HEADERS) and not rules:
                chain = based(chain, text)
            else:
                rules.append(self._rule(text, scan.place[0]))
        return replace(chain, rules=tuple(rules))

    def _rule(self, text: str, line: int) -> Rule:
        plain = _COUNTED.sub("counter", text)
        found = self._rules.get(plain)
        if found is None:
            found = self._rules[plain] = statements(plain, self._elements)
        return Rule(statements=found, text=plain, line=line)


def read_ruleset(text: str) -> Ruleset:
    """Raises Unreadable with the line."""
    return Reader().read(text)


class _Scan:
    """One pass over one text, by lines and braces."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._begun, self._counted, self._line = 0, 0, 1

    @property
    def place(self) -> tuple[int, str]:
        """Number and text of the line where the last piece began."""
        self._line += self._text.count("\n", self._counted, self._begun)
        self._counted = self._begun
        start = self._text.rfind("\n", 0, self._begun) + 1
        return self._line, self._text[start:].partition("\n")[0].strip()

    def opening(self, what: re.Pattern[str], expected: str) -> re.Match[str]:
        match = self._next(what)
        if match is None:
            raise Unreadable(f"{expected} must stand here")
        return match

    def closes(self) -> bool:
        self._skip()
        if self._at >= len(self._text):
            raise Unreadable("the text ends before its last brace")
        closing = self._text.startswith("}", self._at)
        self._at += closing
        return closing

    def elements(self) -> str | None:
        match = self._next(_ELEMENTS)
        return match[1] if match else None

    def statement(self) -> str:
        """Up to the end of the line, or to a semicolon."""
        match = self._next(_LINE)
        if match is None:
            raise Unreadable("it is not understood")
        return match[0].strip()

    def move_to(self, text: str) -> None:
        """To where this stands in the piece just read."""
        self._begun = max(self._begun, self._text.find(text, self._begun, self._at))

    def finish(self) -> None:
        self._skip()
        if self._at < len(self._text):
            raise Unreadable("nothing may follow the table: give `table inet atoll` alone")

    def _next(self, what: re.Pattern[str]) -> re.Match[str] | None:
        self._skip()
        match = what.match(self._text, self._at)
        if match is not None:
            self._at = match.end()
        return match

    def _skip(self) -> None:
        match = _GAP.match(self._text, self._at)
        assert match is not None
        self._at = self._begun = match.end()
