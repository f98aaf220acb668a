"""The statements of a rule in libnftables' JSON: one object a statement, its one key the kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from verifier.nft_cells import ADDRESS_TYPES, FAMILIES, in_order
from verifier.nft_elements import Columns
from verifier.nft_fields import types_of
from verifier.nft_json_values import (
    Json,
    cell_of,
    cells_of,
    elements_of,
    fields_of,
    is_field,
    listed,
    odd,
    only,
    record,
    text_of,
    verdict_of,
    whole_of,
)
from verifier.nft_rule import compared, literal_target
from verifier.ruleset import (
    FIB_MISSING,
    Cell,
    Counter,
    DataType,
    Element,
    Field,
    HashChoice,
    Literal,
    Lookup,
    MapLookup,
    Match,
    NamedSet,
    Nat,
    NatKind,
    Notrack,
    RandomChoice,
    SetMark,
    SetZone,
    Statement,
    VerdictMap,
)

_UNSIGNED: Final = 0xFFFFFFFF


def statement(value: Json) -> Statement:
    """Raises Unreadable."""
    ending = verdict_of(value)
    if ending is not None:
        return ending
    kind, content = only(value)
    if kind not in _STATEMENTS:
        raise odd(value)
    return _STATEMENTS[kind](content)


def _match(content: Json) -> Match:
    of = record(content, "op", "left", "right")
    operator, right = of.get("op"), of.get("right")
    fields = fields_of(of.get("left"))
    if Field.CT_ZONE in fields:
        raise odd(content)
    negated = operator == "!="
    if fields == (Field.FIB_SADDR_IIF_OIF,):
        if not isinstance(right, bool) or operator not in ("==", "!="):
            raise odd(content)
        return Match(fields=fields, values=(FIB_MISSING,), negated=right is not negated)
    if operator in ("<", "<=", ">", ">="):
        if len(fields) != 1 or not isinstance(right, str | int):
            raise odd(content)
        return Match(fields=fields, values=(compared(types_of(fields)[0], operator, right),))
    if operator not in ("==", "!=", "in"):
        raise odd(content)
    return Match(fields=fields, values=_values(fields, right), negated=negated)


def _values(fields: tuple[Field, ...], right: Json) -> tuple[Cell, ...] | Lookup:
    types = types_of(fields)
    if (isinstance(right, str) and right.startswith("@")) or (isinstance(right, dict) and "set" in right):
        return _lookup(fields, right, Columns(key=types))
    if len(fields) > 1:
        return NamedSet(name="", types=types, elements=(Element(key=cells_of(types, right)),))
    literals = [cell_of(types[0], item) for item in listed(right)]
    if len(literals) > 1 and fields != (Field.CT_STATE,):
        raise odd(right)
    return in_order(literals)


def _lookup(fields: tuple[Field, ...], value: Json, columns: Columns) -> Lookup:
    """`"@name"`, or an anonymous set or map."""
    if isinstance(value, str):
        if not value.startswith("@"):
            raise odd(value)
        return value[1:]
    items = listed(record(value, "set").get("set"))
    return NamedSet(
        name="",
        types=columns.key,
        value_types=columns.value,
        verdicts=columns.verdicts,
        elements=tuple(elements_of(columns, items)),
    )


def _verdict_map(content: Json) -> VerdictMap:
    of = record(content, "key", "data")
    fields = fields_of(of.get("key"))
    columns = Columns(key=types_of(fields), verdicts=True)
    return VerdictMap(fields=fields, map=_lookup(fields, of.get("data"), columns))


def _map(content: Json, value: DataType) -> MapLookup:
    of = record(content, "key", "data")
    fields = fields_of(of.get("key"))
    columns = Columns(key=types_of(fields), value=(value,))
    return MapLookup(fields=fields, map=_lookup(fields, of.get("data"), columns))


def _mangle(content: Json) -> SetMark | SetZone:
    of = record(content, "key", "value")
    target, value = fields_of(of.get("key")), of.get("value")
    if target == (Field.MARK,):
        return SetMark(value=_mark(value))
    if target == (Field.CT_ZONE,):
        return SetZone(value=_number_or_map(value, DataType.INTEGER))
    raise odd(content)


def _mark(value: Json) -> int | RandomChoice | HashChoice | MapLookup:
    match value:
        case {"numgen": content}:
            of = record(content, "mode", "mod", "offset")
            if of.get("mode") not in ("random", "inc"):
                raise odd(value)
            return RandomChoice(modulus=whole_of(of.get("mod")), offset=_offset(of))
        case {"jhash": content}:
            of = record(content, "mod", "seed", "offset", "expr")
            return HashChoice(
                fields=fields_of(of.get("expr")),
                modulus=whole_of(of.get("mod")),
                seed=whole_of(of.get("seed", 0)),
                offset=_offset(of),
            )
    return _number_or_map(value, DataType.MARK)


def _offset(of: Mapping[str, Json]) -> int:
    return whole_of(of.get("offset", 0)) & _UNSIGNED


def _number_or_map(value: Json, kind: DataType) -> int | MapLookup:
    if isinstance(value, dict):
        of, content = only(value)
        if of != "map":
            raise odd(value)
        return _map(content, kind)
    cell = cell_of(kind, value)
    if isinstance(cell, str):
        raise odd(value)
    return cell[0]


def _nat(kind: NatKind) -> Callable[[Json], Nat]:
    def of(content: Json) -> Nat:
        target = record(content, "family", "addr", "port")
        written = target.get("family")
        family = None if written is None else FAMILIES.get(text_of(written))
        if written is not None and family is None:
            raise odd(content)
        address, port = target.get("addr"), target.get("port")
        if isinstance(address, dict) and "map" in address and family is not None and port is None:
            return Nat(kind=kind, family=family, to=_map(address["map"], ADDRESS_TYPES[family]))
        if is_field(address) and port is None:
            fields = fields_of(address)
            if len(fields) == 1:
                return Nat(kind=kind, family=family, to=fields[0])
        if is_field(address) or (isinstance(address, dict) and "map" in address):
            raise odd(content)
        return Nat(kind=kind, family=family, to=_literal(family, address, port))

    return of


def _literal(family: int | None, address: Json, port: Json) -> Literal:
    first = str(address)
    kind = ADDRESS_TYPES[family or (6 if ":" in first else 4)]
    at = None if port is None else cell_of(DataType.PORT, port)
    return literal_target(kind, cell_of(kind, address), at)


def _empty(made: Statement) -> Callable[[Json], Statement]:
    def of(content: Json) -> Statement:
        if content not in (None, {}):
            raise odd(content)
        return made

    return of


def _counter(content: Json) -> Counter:
    record({} if content is None else content, "packets", "bytes")
    return Counter()


_STATEMENTS: Final[Mapping[str, Callable[[Json], Statement]]] = MappingProxyType(
    {
        "match": _match,
        "vmap": _verdict_map,
        "mangle": _mangle,
        "dnat": _nat(NatKind.DNAT),
        "snat": _nat(NatKind.SNAT),
        "masquerade": _empty(Nat(kind=NatKind.MASQUERADE)),
        "notrack": _empty(Notrack()),
        "counter": _counter,
    }
)
