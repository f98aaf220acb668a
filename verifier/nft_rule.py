"""One rule in nft's text to its statements.

The part of nft's language that the model has, complete in itself; what lies outside it is refused word by
word, for a statement left out would be a hole in the proof.
"""

from __future__ import annotations

import re
from typing import Final

from verifier.nft_cells import ADDRESS_TYPES, FAMILIES, cell, in_order, interval, last, number, whole
from verifier.nft_elements import Columns, Elements
from verifier.nft_fields import begins_field, concatenation, types_of
from verifier.nft_verdicts import verdict
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
from verifier.words import END, Words

_COMPARISONS: Final = ("==", "!=", "<=", ">=", "<", ">")
_WITH_PORT: Final = re.compile(r"\[(?P<v6>[^\]]+)\](?::(?P<port6>\d+))?|(?P<v4>[\d.]+):(?P<port4>\d+)")
_STARTS: Final = (
    *("accept", "drop", "return", "continue", "goto", "jump", "reject", "counter", "notrack"),
    *("dnat", "snat", "masquerade", "meta mark set", "ct zone set"),
)


def statements(text: str, elements: Elements) -> tuple[Statement, ...]:
    """Of one rule. Raises Unreadable."""
    tokens, found = Words(text), list[Statement]()
    while tokens.peek != END:
        found.append(_statement(tokens, elements))
    return tuple(found)


def _statement(tokens: Words, elements: Elements) -> Statement:
    ending = verdict(tokens)
    if ending is not None:
        return ending
    if tokens.takes("counter"):
        if tokens.takes("packets"):
            whole(tokens.take())
            tokens.expect("bytes")
            whole(tokens.take())
        return Counter()
    if tokens.takes("comment"):
        tokens.take()
        return Counter()
    if tokens.takes("notrack"):
        return Notrack()
    if tokens.peek in tuple(NatKind):
        return _nat(tokens, elements)
    if tokens.takes("meta", "mark", "set"):
        return SetMark(value=_mark(tokens, elements))
    if tokens.takes("ct", "zone", "set"):
        return SetZone(value=_zone(tokens, elements))
    if begins_field(tokens):
        return _match(tokens, elements)
    raise tokens.unknown((*_STARTS, *Field))


def _match(tokens: Words, elements: Elements) -> Match | VerdictMap:
    fields = concatenation(tokens)
    if Field.CT_ZONE in fields:
        raise tokens.error("a match on the conntrack zone is not understood")
    if tokens.takes("vmap"):
        return VerdictMap(
            fields=fields, map=_lookup(tokens, elements, fields, Columns(key=(), verdicts=True))
        )
    operator = next((op for op in _COMPARISONS if tokens.takes(op)), "==")
    negated = operator == "!="
    if fields == (Field.FIB_SADDR_IIF_OIF,):
        return Match(fields=fields, values=(FIB_MISSING,), negated=_is_there(tokens) is not negated)
    if tokens.peek.startswith("@") or tokens.peek == "{":
        if operator not in ("==", "!="):
            raise tokens.error(f"`{operator}` with a set is not understood")
        values: Lookup | tuple[Cell, ...] = _lookup(tokens, elements, fields, Columns(key=()))
    elif operator in ("==", "!="):
        values = _literals(tokens, fields)
    else:
        values = (_compared(tokens, fields, operator),)
    return Match(fields=fields, values=values, negated=negated)


def _is_there(tokens: Words) -> bool:
    word = tokens.take()
    if word not in ("missing", "exists"):
        raise tokens.error(f"`{word}` is no result of a reverse-path check: `missing` or `exists` would be")
    return word == "exists"


def _literals(tokens: Words, fields: tuple[Field, ...]) -> tuple[Cell, ...] | NamedSet:
    """A literal; of a concatenation, a set of one element. Only `ct state` takes several (`new,related`)."""
    types = types_of(fields)
    found = [cell(types[0], tokens.take())]
    if len(fields) > 1:
        for kind in types[1:]:
            tokens.expect(".")
            found.append(cell(kind, tokens.take()))
        return NamedSet(name="", types=types, elements=(Element(key=tuple(found)),))
    while fields == (Field.CT_STATE,) and tokens.takes(","):
        found.append(cell(types[0], tokens.take()))
    return in_order(found)


def _compared(tokens: Words, fields: tuple[Field, ...], operator: str) -> Cell:
    if len(fields) != 1:
        raise tokens.error(f"`{operator}` of a concatenation is not understood")
    return compared(types_of(fields)[0], operator, tokens.take().strip('"'))


def compared(kind: DataType, operator: str, atom: str | int) -> Cell:
    """`>= 5` and the like as an interval."""
    end, value = last(kind), number(kind, atom)
    low, high = {"<": (0, value - 1), "<=": (0, value), ">": (value + 1, end), ">=": (value, end)}[operator]
    return interval(kind, low, high)


def _lookup(tokens: Words, elements: Elements, fields: tuple[Field, ...], like: Columns) -> Lookup:
    """`@name`, or a set or map in braces with columns for these fields."""
    word = tokens.take()
    if word.startswith("@"):
        return word[1:]
    if word != "{":
        raise tokens.error(f"`{word}` stands where a set must")
    columns = Columns(key=types_of(fields), value=like.value, verdicts=like.verdicts)
    words = []
    while not tokens.takes("}"):
        words.append(tokens.take())
    return NamedSet(
        name="",
        types=columns.key,
        value_types=columns.value,
        verdicts=columns.verdicts,
        elements=elements.read(columns, " ".join(words)),
    )


def _map(
    tokens: Words, elements: Elements, fields: tuple[Field, ...], value: tuple[DataType, ...]
) -> MapLookup:
    return MapLookup(fields=fields, map=_lookup(tokens, elements, fields, Columns(key=(), value=value)))


def _mark(tokens: Words, elements: Elements) -> int | RandomChoice | HashChoice | MapLookup:
    if tokens.takes("numgen"):
        if tokens.take() not in ("random", "inc"):
            raise tokens.error("a numgen is `random` or `inc`")
        tokens.expect("mod")
        return RandomChoice(modulus=whole(tokens.take()), offset=_option(tokens, "offset"))
    if tokens.takes("jhash"):
        fields = concatenation(tokens)
        tokens.expect("mod")
        modulus, seed = whole(tokens.take()), _option(tokens, "seed")
        return HashChoice(fields=fields, modulus=modulus, seed=seed, offset=_option(tokens, "offset"))
    if begins_field(tokens):
        fields = concatenation(tokens)
        tokens.expect("map")
        return _map(tokens, elements, fields, (DataType.MARK,))
    return number(DataType.MARK, tokens.take())


def _option(tokens: Words, name: str) -> int:
    return whole(tokens.take()) if tokens.takes(name) else 0


def _zone(tokens: Words, elements: Elements) -> int | MapLookup:
    if begins_field(tokens):
        fields = concatenation(tokens)
        tokens.expect("map")
        return _map(tokens, elements, fields, (DataType.INTEGER,))
    return number(DataType.INTEGER, tokens.take())


def _nat(tokens: Words, elements: Elements) -> Nat:
    kind = NatKind(tokens.take())
    if kind is NatKind.MASQUERADE:
        return Nat(kind=kind)
    family = FAMILIES.get(tokens.peek)
    if family is not None:
        tokens.take()
    tokens.expect("to")
    if not begins_field(tokens):
        return Nat(kind=kind, family=family, to=_literal_target(tokens, family))
    fields = concatenation(tokens)
    if tokens.takes("map"):
        if family is None:
            raise tokens.error(f"a {kind} by a map must name its family")
        return Nat(kind=kind, family=family, to=_map(tokens, elements, fields, (ADDRESS_TYPES[family],)))
    if len(fields) != 1:
        raise tokens.error(f"a {kind} to a concatenation is not understood")
    return Nat(kind=kind, family=family, to=fields[0])


def _literal_target(tokens: Words, family: int | None) -> Literal:
    word = tokens.take()
    match = _WITH_PORT.fullmatch(word)
    address, port = word, None
    if match is not None:
        address = match["v6"] or match["v4"]
        port = match["port6"] or match["port4"]
    kind = ADDRESS_TYPES[family or (6 if ":" in address else 4)]
    return literal_target(kind, cell(kind, address), cell(DataType.PORT, port) if port else None)


def literal_target(kind: DataType, address: Cell, port: Cell | None) -> Literal:
    if isinstance(address, str) or isinstance(port, str):
        raise TypeError(f"{kind} is a number")
    return Literal(address=address, port=port)
