"""The first lines of chains and sets: what a chain hooks into, which columns a set has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeVar

from verifier.nft_elements import Columns
from verifier.nft_fields import concatenation, named_types, types_of
from verifier.ruleset import Accept, Chain, ChainType, DataType, Drop, Hook
from verifier.unreadable import Unreadable
from verifier.words import Words

_BASE: Final = re.compile(
    r"type (?P<type>\w+) hook (?P<hook>\w+) priority"
    r"(?: (?P<name>[a-z]\w*))?(?: ?(?P<sign>[+-])? ?(?P<number>\d+))?"
)
_PRIORITIES: Final[Mapping[str, int]] = MappingProxyType(
    {"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100}
)
_POLICIES: Final[Mapping[str, Accept | Drop]] = MappingProxyType({"accept": Accept(), "drop": Drop()})
INTERVAL: Final = "interval"
FLAGS: Final = frozenset({INTERVAL, "constant"})
"""Of sets: those that change nothing of what a lookup finds."""

E = TypeVar("E", bound=StrEnum)


def based(chain: Chain, text: str) -> Chain:
    """The chain with what one header line says: its hook, or its policy."""
    words = text.split()
    if words[0] == "policy" and len(words) == 2:
        return replace(chain, policy=policy(words[1]))
    match = _BASE.fullmatch(text)
    if match is None or (match["name"] is None and match["number"] is None):
        raise Unreadable("it is not understood as the hook of a chain")
    return replace(
        chain,
        type=one_of(ChainType, match["type"], "type of a chain"),
        hook=one_of(Hook, match["hook"], "hook"),
        priority=_priority(match["name"], match["sign"], match["number"]),
    )


def policy(word: str) -> Accept | Drop:
    if word not in _POLICIES:
        raise Unreadable(f"the policy `{word}` is not understood")
    return _POLICIES[word]


def one_of(kind: type[E], word: str, what: str) -> E:
    try:
        return kind(word)
    except ValueError:
        raise Unreadable(f"the {what} `{word}` is not understood") from None


def _priority(name: str | None, sign: str | None, number: str | None) -> int:
    """`dstnat - 10`, `filter` or `-110`; in table families inet and ip the names mean these numbers."""
    if name is not None and (name not in _PRIORITIES or (number is not None and sign is None)):
        raise Unreadable(f"the priority `{name}` is not understood")
    distance = int(number or 0)
    return _PRIORITIES.get(name or "", 0) + (-distance if sign == "-" else distance)


def columns_of(text: str, known: Columns | None, *, is_map: bool) -> Columns | None:
    """What one line of a set or map adds to what is known of its columns."""
    tokens = Words(text)
    if tokens.takes("flags"):
        if known is None:
            raise Unreadable("flags stand behind `typeof`")
        return replace(known, ranges=has_ranges(text.replace(",", " ").split()[1:]))
    if tokens.takes("comment"):
        return known
    if tokens.peek not in ("typeof", "type"):
        raise Unreadable("it is not understood in a set")
    by_field = tokens.take() == "typeof"
    key = _types(tokens, by_field=by_field)
    if not is_map:
        tokens.finish()
        return Columns(key=key, ranges=False)
    tokens.expect(":")
    if tokens.takes("verdict"):
        tokens.finish()
        return Columns(key=key, verdicts=True, ranges=False)
    value = _types(tokens, by_field=by_field)
    tokens.finish()
    return Columns(key=key, value=value, ranges=False)


def has_ranges(flags: list[str]) -> bool:
    """Whether keys may be ranges. Raises Unreadable for flags of another kind of set."""
    for flag in flags:
        if flag not in FLAGS:
            raise Unreadable(f"the flag `{flag}` is not understood")
    return INTERVAL in flags


def _types(tokens: Words, *, by_field: bool) -> tuple[DataType, ...]:
    return types_of(concatenation(tokens)) if by_field else named_types(tokens)
