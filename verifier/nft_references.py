"""What rules and elements refer to must be there, with columns of their types: the kernel insists on it."""

from __future__ import annotations

from collections.abc import Iterator

from verifier.nft_fields import types_of
from verifier.ruleset import (
    DataType,
    Field,
    Goto,
    Jump,
    Lookup,
    MapLookup,
    Match,
    NamedSet,
    Nat,
    Rule,
    Ruleset,
    SetMark,
    SetZone,
    VerdictMap,
)
from verifier.unreadable import Unreadable


def check_references(ruleset: Ruleset) -> None:
    """Raises Unreadable: text that no kernel would take is not the text of a node."""
    for chain in ruleset.chains.values():
        for rule in chain.rules:
            try:
                _check_rule(ruleset, rule)
            except Unreadable as error:
                raise error.at(rule.line, rule.text) from None
    for named in ruleset.sets.values():
        _check_verdicts(ruleset, named)


def _check_rule(ruleset: Ruleset, rule: Rule) -> None:
    for statement in rule.statements:
        if isinstance(statement, Goto | Jump):
            _check_chain(ruleset, statement.chain)
    for fields, lookup, verdicts in _lookups(rule):
        found = ruleset.sets.get(lookup) if isinstance(lookup, str) else lookup
        if found is None:
            raise Unreadable(f"there is no set or map {lookup}")
        if found.types != types_of(fields):
            raise Unreadable(
                f"{found.name or 'the set'} has columns of other types: {_names(found.types)},"
                f" where {_names(types_of(fields))} is looked up"
            )
        if found.verdicts is not verdicts:
            raise Unreadable(f"{found.name or 'the map'} {'has no' if verdicts else 'has'} verdicts")
        if not isinstance(lookup, str):
            _check_verdicts(ruleset, found)


def _lookups(rule: Rule) -> Iterator[tuple[tuple[Field, ...], Lookup, bool]]:
    for statement in rule.statements:
        match statement:
            case Match(values=values) if not isinstance(values, tuple):
                yield statement.fields, values, False
            case VerdictMap():
                yield statement.fields, statement.map, True
            case SetMark(value=MapLookup() as lookup) | SetZone(value=MapLookup() as lookup):
                yield lookup.fields, lookup.map, False
            case Nat(to=MapLookup() as lookup):
                yield lookup.fields, lookup.map, False


def _check_verdicts(ruleset: Ruleset, named: NamedSet) -> None:
    if not named.verdicts:
        return
    for element in named.elements:
        if isinstance(element.value, Goto | Jump):
            _check_chain(ruleset, element.value.chain)


def _check_chain(ruleset: Ruleset, chain: str) -> None:
    if chain not in ruleset.chains:
        raise Unreadable(f"there is no chain {chain}")


def _names(types: tuple[DataType, ...]) -> str:
    return " . ".join(types)
