"""Statements and elements in nft's own words, for people: JSON has none."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from verifier.address_text import address_text
from verifier.nft_cells import names_of
from verifier.nft_elements import Columns
from verifier.nft_fields import types_of
from verifier.ruleset import (
    Accept,
    Cell,
    Continue,
    Counter,
    DataType,
    Drop,
    Element,
    Field,
    Goto,
    HashChoice,
    Jump,
    Literal,
    Lookup,
    MapLookup,
    Match,
    Nat,
    Notrack,
    RandomChoice,
    Reject,
    Return,
    SetMark,
    SetZone,
    Statement,
    VerdictMap,
)

_FAMILY: Final[Mapping[int | None, str]] = MappingProxyType({4: " ip", 6: " ip6", None: ""})
_PLAIN: Final[Mapping[type[Statement], str]] = MappingProxyType(
    {
        Accept: "accept",
        Drop: "drop",
        Return: "return",
        Continue: "continue",
        Counter: "counter",
        Notrack: "notrack",
    }
)


_BITS: Final[Mapping[DataType, int]] = MappingProxyType({DataType.IPV4: 32, DataType.IPV6: 128})


def rule_text(statements: tuple[Statement, ...]) -> str:
    return " ".join(map(_statement, statements))


def _statement(statement: Statement) -> str:
    match statement:
        case Match():
            return _match(statement)
        case VerdictMap():
            return f"{_fields(statement.fields)} vmap {_lookup(statement.map)}"
        case Goto(chain=chain):
            return f"goto {chain}"
        case Jump(chain=chain):
            return f"jump {chain}"
        case Reject(answer=answer):
            return f"reject with {answer}"
        case SetMark(value=value):
            return f"meta mark set {_chosen(value)}"
        case SetZone(value=value):
            return f"ct zone set {_chosen(value)}"
        case Nat():
            return _nat(statement)
    return _PLAIN[type(statement)]


def _match(match: Match) -> str:
    fields = _fields(match.fields)
    if match.fields == (Field.FIB_SADDR_IIF_OIF,):
        return f"{fields} {'exists' if match.negated else 'missing'}"
    negation = "!= " if match.negated else ""
    if not isinstance(match.values, tuple):
        return f"{fields} {negation}{_lookup(match.values)}"
    kind = types_of(match.fields)[0]
    return f"{fields} {negation}{','.join(cell_text(kind, cell) for cell in match.values)}"


def _fields(fields: tuple[Field, ...]) -> str:
    return " . ".join(fields)


def _lookup(lookup: Lookup) -> str:
    if isinstance(lookup, str):
        return f"@{lookup}"
    columns = Columns(key=lookup.types, value=lookup.value_types, verdicts=lookup.verdicts)
    return f"{{ {', '.join(element_text(columns, element) for element in lookup.elements)} }}"


def _chosen(value: int | RandomChoice | HashChoice | MapLookup) -> str:
    match value:
        case RandomChoice():
            return f"numgen random mod {value.modulus} offset {value.offset:#x}"
        case HashChoice():
            by = f"jhash {_fields(value.fields)} mod {value.modulus}"
            return f"{by} seed {value.seed:#x} offset {value.offset:#x}"
        case MapLookup():
            return f"{_fields(value.fields)} map {_lookup(value.map)}"
    return str(value)


def _nat(nat: Nat) -> str:
    to = nat.to
    if to is None:
        return str(nat.kind)
    match to:
        case Literal():
            kind = DataType.IPV4 if nat.family == 4 else DataType.IPV6
            target = cell_text(kind, to.address)
            if to.port is not None:
                target = f"{target if nat.family == 4 else f'[{target}]'}:{cell_text(DataType.PORT, to.port)}"
        case MapLookup():
            target = _chosen(to)
        case _:
            target = str(to)
    return f"{nat.kind}{_FAMILY[nat.family]} to {target}"


def element_text(columns: Columns, element: Element) -> str:
    key = " . ".join(map(cell_text, columns.key, element.key))
    comment = f' comment "{element.comment}"' if element.comment else ""
    match element.value:
        case None:
            return f"{key}{comment}"
        case tuple() as cells:
            assert columns.value is not None
            return f"{key}{comment} : {' . '.join(map(cell_text, columns.value, cells))}"
        case verdict:
            return f"{key}{comment} : {_statement(verdict)}"


def cell_text(kind: DataType, cell: Cell) -> str:
    if isinstance(cell, str):
        return f'"{cell}"'
    low, high = cell
    if low == high:
        return _number(kind, low)
    size = high - low + 1
    if kind in _BITS and size.bit_count() == 1 and low % size == 0:
        return f"{_number(kind, low)}/{_BITS[kind] - size.bit_length() + 1}"
    return f"{_number(kind, low)}-{_number(kind, high)}"


def _number(kind: DataType, number: int) -> str:
    match kind:
        case DataType.IPV4:
            return address_text((4, number))
        case DataType.IPV6:
            return address_text((6, number))
        case DataType.MARK:
            return f"{number:#x}"
        case DataType.GROUP:
            return str(number)
    return names_of(kind).get(number, str(number))
