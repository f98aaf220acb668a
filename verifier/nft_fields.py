"""What rules and sets look at, as nft spells it, and the types of the columns."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from verifier.nft_cells import FIELD_TYPES
from verifier.ruleset import DataType, Field
from verifier.words import Words

_ALSO: Final = {
    "meta iifgroup": Field.IIFGROUP,
    "meta oifgroup": Field.OIFGROUP,
    "meta iifname": Field.IIFNAME,
    "meta oifname": Field.OIFNAME,
}
_SPELLINGS: Final[Mapping[tuple[str, ...], Field]] = MappingProxyType(
    {tuple(words.split()): field for words, field in ({str(f): f for f in Field} | _ALSO).items()}
)
_FIRST_WORDS: Final = frozenset(words[0] for words in _SPELLINGS)
_LONGEST: Final = max(map(len, _SPELLINGS))


def begins_field(tokens: Words) -> bool:
    return tokens.peek in _FIRST_WORDS


def one_field(tokens: Words) -> Field:
    for count in range(_LONGEST, 0, -1):
        words = tuple(tokens.ahead(at) for at in range(count))
        field = _SPELLINGS.get(words)
        if field is not None:
            tokens.expect(*words)
            return field
    raise tokens.unknown(Field)


def concatenation(tokens: Words) -> tuple[Field, ...]:
    """One field, or several with dots between them."""
    fields = [one_field(tokens)]
    while tokens.takes("."):
        fields.append(one_field(tokens))
    return tuple(fields)


def types_of(fields: tuple[Field, ...]) -> tuple[DataType, ...]:
    return tuple(FIELD_TYPES[field] for field in fields)


def named_types(tokens: Words) -> tuple[DataType, ...]:
    """What stands after `type`: names of types with dots between them."""
    names = [tokens.take()]
    while tokens.takes("."):
        names.append(tokens.take())
    return tuple(data_type(name, tokens) for name in names)


def data_type(name: str, tokens: Words) -> DataType:
    try:
        return DataType(name)
    except ValueError:
        raise tokens.error(f"the type `{name}` is not understood") from None
