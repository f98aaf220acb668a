"""A simulated `agent.nft.Nft`: it understands the commands of `compiler.ruleset`, and no others.

Like the real one it runs a transaction whole or not at all, refuses to delete what is not there
and to give an existing key of a map another value.
"""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass, field

from agent.nft import NftRefused
from compiler.ruleset import TABLE

_ELEMENT = re.compile(r'\s*((?:"[^"]*"|[^,"])+)')
_COMMAND = re.compile(rf"(add|delete) element {TABLE} (\w+) \{{ (.*) \}}")
_PARTS = re.compile(r'(?P<key>.*?)(?: comment "(?P<comment>[^"]*)")?(?: : (?P<value>.*))?')


@dataclass
class FakeTable:
    sets: dict[str, dict[str, tuple[str | None, str]]] = field(default_factory=dict)
    """Elements by key: value and comment."""
    chains: dict[str, list[str]] = field(default_factory=dict)


class FakeNft:
    def __init__(self) -> None:
        self.table: FakeTable | None = None
        self.history: list[str] = []
        """Every transaction, refused ones included."""

    def run(self, transaction: str) -> None:
        self.history.append(transaction)
        before = deepcopy(self.table)
        try:
            self._run(transaction.splitlines())
        except NftRefused:
            self.table = before
            raise

    def listing(self) -> str | None:
        if self.table is None:
            return None
        sets = "".join(
            f"set {name} {sorted(elements.items())}\n" for name, elements in self.table.sets.items()
        )
        chains = "".join(f"chain {name} {rules}\n" for name, rules in self.table.chains.items())
        return sets + chains

    def canonical(self, table: str) -> str:
        scratch = FakeNft()
        scratch.run(table)
        return scratch.listing() or ""

    def _run(self, lines: list[str]) -> None:
        position = 0
        while position < len(lines):
            line = lines[position]
            if line == f"table {TABLE} {{":
                end = lines.index("}", position)
                self._load(lines[position + 1 : end])
                position = end
            elif line == f"add table {TABLE}":
                self.table = self.table or FakeTable()
            elif line == f"delete table {TABLE}":
                self._existing()
                self.table = None
            else:
                self._change(line)
            position += 1

    def _existing(self) -> FakeTable:
        if self.table is None:
            raise NftRefused(f"No such file or directory: table {TABLE}")
        return self.table

    def _load(self, lines: list[str]) -> None:
        self.table = self.table or FakeTable()
        elements: dict[str, tuple[str | None, str]] = {}
        rules: list[str] = []
        inside_elements = False
        for line in (line.strip() for line in lines):
            words = line.split()
            if not words or words[0] == "#":
                continue
            if words[0] in ("set", "map") and words[-1] == "{":
                elements = self.table.sets.setdefault(words[1], {})
            elif words[0] == "chain":
                rules = self.table.chains.setdefault(words[1], [])
            elif line == "elements = {":
                inside_elements = True
            elif inside_elements and line != "}":
                key, value, comment = _parts(line.removesuffix(","))
                elements[key] = (value, comment)
            elif inside_elements:
                inside_elements = False
            elif line != "}" and words[0] not in ("typeof", "type", "flags"):
                rules.append(line)

    def _change(self, line: str) -> None:
        matched = _COMMAND.fullmatch(line)
        if matched is None:
            raise NftRefused(f"syntax error: {line}")
        verb, name, elements = matched.groups()
        table = self._existing()
        if name not in table.sets:
            raise NftRefused(f"No such file or directory: set {name}")
        for text in _ELEMENT.findall(elements):
            key, value, comment = _parts(text)
            if verb == "add":
                _add(table.sets[name], key, value, comment)
            elif table.sets[name].pop(key, None) is None:
                raise NftRefused(f"No such file or directory: element {key} of {name}")


def _add(elements: dict[str, tuple[str | None, str]], key: str, value: str | None, comment: str) -> None:
    if key in elements and elements[key][0] != value:
        raise NftRefused(f"File exists: element {key}")
    elements.setdefault(key, (value, comment))


def _parts(text: str) -> tuple[str, str | None, str]:
    matched = _PARTS.fullmatch(text.strip())
    assert matched is not None, text
    return matched["key"], matched["value"], matched["comment"] or ""
