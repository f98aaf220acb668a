"""Expressions of libnftables' JSON: what a rule looks at, literals, keys and values of elements.

{"meta": {"key": "iifgroup"}}    {"payload": {"protocol": "ip", "field": "daddr"}}    {"concat": [...]}
5, "tcp", "10.0.0.1"    {"range": [1, 5]}    {"prefix": {"addr": "10.0.0.0", "len": 8}}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from verifier.nft_cells import TEXTS, cell, interval, last, name_cell, prefix
from verifier.nft_elements import Columns, check_ranges, in_order
from verifier.nft_fields import types_of
from verifier.nft_header import one_of
from verifier.nft_verdicts import DEFAULT_ANSWER
from verifier.ruleset import (
    Accept,
    Cell,
    Continue,
    DataType,
    Drop,
    Element,
    Field,
    Goto,
    Jump,
    Reject,
    Return,
    Verdict,
)
from verifier.unreadable import Unreadable

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None

_META: Final[Mapping[str, Field]] = MappingProxyType(
    {
        **{str(f).removeprefix("meta "): f for f in Field if f.startswith("meta ")},
        **{str(f): f for f in (Field.IIFGROUP, Field.OIFGROUP, Field.IIFNAME, Field.OIFNAME)},
    }
)
_FIB: Final[Mapping[tuple[str, frozenset[str]], Field]] = MappingProxyType(
    {
        ("oif", frozenset({"saddr", "iif"})): Field.FIB_SADDR_IIF_OIF,
        ("type", frozenset({"daddr"})): Field.FIB_DADDR_TYPE,
    }
)
_VERDICTS: Final[Mapping[str, Verdict]] = MappingProxyType(
    {"accept": Accept(), "drop": Drop(), "return": Return(), "continue": Continue()}
)


def record(value: Json, *keys: str) -> dict[str, Json]:
    """An object that has no other keys than these. They may be absent."""
    if not isinstance(value, dict):
        raise odd(value)
    for key in value:
        if key not in keys:
            raise Unreadable(f"the key {key!r} is not understood", text=shown(value))
    return value


def only(value: Json) -> tuple[str, Json]:
    """The one key of an object, and what it holds."""
    if not isinstance(value, dict) or len(value) != 1:
        raise odd(value)
    return next(iter(value.items()))


def listed(value: Json) -> list[Json]:
    """A list; what stands alone is a list of one."""
    return value if isinstance(value, list) else [value]


def text_of(value: Json) -> str:
    if not isinstance(value, str):
        raise odd(value)
    return value


def whole_of(value: Json) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise odd(value)
    return value


def odd(value: Json) -> Unreadable:
    return Unreadable("it is not understood", text=shown(value))


def shown(value: Json) -> str:
    text = str(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def fields_of(value: Json) -> tuple[Field, ...]:
    """One field, or a concatenation."""
    key, content = only(value)
    if key == "concat":
        if not content:
            raise odd(value)
        return tuple(field_of(item) for item in listed(content))
    return (field_of(value),)


def is_field(value: Json) -> bool:
    return isinstance(value, dict) and next(iter(value), "") in ("meta", "payload", "ct", "fib", "concat")


def field_of(value: Json) -> Field:
    kind, content = only(value)
    match kind:
        case "meta":
            found = _META.get(text_of(record(content, "key").get("key")))
        case "payload":
            payload = record(content, "protocol", "field")
            found = _spelled(f"{payload.get('protocol')} {payload.get('field')}")
        case "ct":
            found = _spelled(f"ct {record(content, 'key').get('key')}")
        case "fib":
            fib = record(content, "result", "flags")
            flags = frozenset(text_of(flag) for flag in listed(fib.get("flags")))
            found = _FIB.get((text_of(fib.get("result")), flags))
        case _:
            found = None
    if found is None:
        raise odd(value)
    return found


def _spelled(words: str) -> Field | None:
    return Field(words) if words in tuple(Field) else None


def cell_of(kind: DataType, value: Json) -> Cell:
    """One column: a literal, a range or a prefix."""
    match value:
        case {"range": [first, end], **rest} if not rest:
            return interval(kind, _atom(kind, first), _atom(kind, end))
        case {"prefix": bounds, **rest} if not rest:
            of = record(bounds, "addr", "len")
            return prefix(kind, _atom(kind, of.get("addr")), whole_of(of.get("len")))
    atom = _atom(kind, value)
    if kind in TEXTS:
        return name_cell(kind, text_of(value))
    return cell(kind, atom) if isinstance(atom, str) else interval(kind, atom, atom)


def _atom(kind: DataType, value: Json) -> str | int:
    if isinstance(value, str):
        return value
    whole = whole_of(value)
    # nft up to 1.0.9 prints numbers of 32 bits with a sign (numgen's offset is one).
    return whole if whole >= 0 else whole & last(kind)


def cells_of(types: tuple[DataType, ...], value: Json) -> tuple[Cell, ...]:
    items = listed(value["concat"]) if isinstance(value, dict) and "concat" in value else [value]
    if len(items) != len(types):
        raise Unreadable(f"it has {len(items)} columns where the set has {len(types)}", text=shown(value))
    return tuple(map(cell_of, types, items))


def columns_of(key: Json, value: Json) -> Columns:
    """From what stands as `type` and, of a map, as `map`: names of types, or fields in newer nft."""
    if value is None:
        return Columns(key=_types(key))
    if value == "verdict":
        return Columns(key=_types(key), verdicts=True)
    return Columns(key=_types(key), value=_types(value))


def _types(value: Json) -> tuple[DataType, ...]:
    if isinstance(value, dict):
        kind, content = only(value)
        if kind != "typeof":
            raise odd(value)
        return types_of(fields_of(content))
    names = [name for item in listed(value) for name in text_of(item).split(" . ")]
    return tuple(one_of(DataType, name, "type") for name in names)


def verdict_of(value: Json) -> Verdict | None:
    """None where it is another statement."""
    kind, content = only(value)
    if kind in _VERDICTS and content is None:
        return _VERDICTS[kind]
    if kind in ("goto", "jump"):
        target = text_of(record(content, "target").get("target"))
        return Goto(chain=target) if kind == "goto" else Jump(chain=target)
    if kind == "reject":
        return Reject(answer=_answer(content))
    return None


def _answer(value: Json) -> str:
    if value is None:
        return DEFAULT_ANSWER
    of = record(value, "type", "expr")
    kind, code = text_of(of.get("type")), of.get("expr")
    return kind if code is None else f"{kind} {text_of(code)}"


def element_of(columns: Columns, item: Json) -> Element:
    """Of a set: a key. Of a map: a key and a value."""
    value: Json = None
    if columns.verdicts or columns.value is not None:
        if not isinstance(item, list) or len(item) != 2:
            raise odd(item)
        item, value = item
    comment = ""
    if isinstance(item, dict) and "elem" in item:
        element = record(item["elem"], "val", "comment")
        item, comment = element.get("val"), text_of(element.get("comment", ""))
    found = Element(key=cells_of(columns.key, item), value=_value(columns, value), comment=comment)
    check_ranges(columns, found)
    return found


def _value(columns: Columns, value: Json) -> tuple[Cell, ...] | Verdict | None:
    if columns.value is not None:
        return cells_of(columns.value, value)
    if not columns.verdicts:
        return None
    found = verdict_of(value)
    if found is None:
        raise odd(value)
    return found


def elements_of(columns: Columns, items: Iterable[Json]) -> list[Element]:
    """Sorted by key: a set has no order."""
    return in_order([element_of(columns, item) for item in items])
