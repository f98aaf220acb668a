"""`nft -j list table inet atoll` to the same Ruleset as nft's text (libnftables-json(5)).

JSON names the types of a set's columns but not its fields, and has numbers where the text has names; the
values come out equal all the same (tests/verifier hold it for every golden). Keys that are not understood are
errors.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from verifier.nft_header import has_ranges, one_of, policy
from verifier.nft_json_rule import statement
from verifier.nft_json_values import (
    Json,
    columns_of,
    elements_of,
    listed,
    only,
    record,
    text_of,
    whole_of,
)
from verifier.nft_references import check_references
from verifier.nft_words import element_text, rule_text
from verifier.ruleset import Chain, ChainType, Hook, NamedSet, Rule, Ruleset
from verifier.unreadable import Unreadable

_OF_ALL: Final = ("family", "table", "name", "handle", "comment")


@dataclass(frozen=True, slots=True)
class _Table:
    chains: dict[str, Chain] = field(default_factory=dict)
    sets: dict[str, NamedSet] = field(default_factory=dict)
    rules: dict[str, list[Rule]] = field(default_factory=dict)


def read_ruleset_json(text: str | bytes) -> Ruleset:
    """Raises Unreadable."""
    try:
        document: Json = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Unreadable(f"it is not JSON: {error}") from None
    table = _Table()
    for item in listed(record(document, "nftables").get("nftables", [])):
        kind, content = only(item)
        try:
            _add(table, kind, content)
        except Unreadable as error:
            place = content.get("name", content.get("chain", "")) if isinstance(content, dict) else ""
            raise Unreadable(f"{kind} {place}: {error}") from None
    unknown = table.rules.keys() - table.chains.keys()
    if unknown:
        raise Unreadable(f"rules of chains that are not there: {', '.join(sorted(unknown))}")
    chains = {
        name: replace(chain, rules=tuple(table.rules.get(name, ()))) for name, chain in table.chains.items()
    }
    ruleset = Ruleset(chains=chains, sets=table.sets)
    check_references(ruleset)
    return ruleset


def _add(table: _Table, kind: str, content: Json) -> None:
    match kind:
        case "metainfo":
            return
        case "table":
            of = record(content, "family", "name", "handle")
            _check_table(of.get("family"), of.get("name"))
        case "set" | "map":
            found = _set(content)
            if table.sets.setdefault(found.name, found) is not found:
                raise Unreadable("it stands here twice")
        case "chain":
            chain = _chain(content)
            if table.chains.setdefault(chain.name, chain) is not chain:
                raise Unreadable("it stands here twice")
        case "rule":
            of = record(content, "family", "table", "chain", "handle", "comment", "expr")
            _check_table(of.get("family"), of.get("table"))
            statements = tuple(statement(item) for item in listed(of.get("expr")))
            rule = Rule(statements=statements, text=rule_text(statements))
            table.rules.setdefault(text_of(of.get("chain")), []).append(rule)
        case _:
            raise Unreadable("it is not understood")


def _check_table(family: Json, name: Json) -> None:
    if (family, name) != ("inet", "atoll"):
        raise Unreadable(f"table {family} {name} is not Atoll's: list `table inet atoll` alone")


def _set(content: Json) -> NamedSet:
    of = record(content, *_OF_ALL, "type", "map", "flags", "elem")
    _check_table(of.get("family"), of.get("table"))
    ranges = has_ranges([text_of(flag) for flag in listed(of.get("flags", []))])
    columns = replace(columns_of(of.get("type"), of.get("map")), ranges=ranges)
    elements = [
        replace(element, text=element_text(columns, element))
        for element in elements_of(columns, listed(of.get("elem", [])))
    ]
    return NamedSet(
        name=text_of(of.get("name")),
        types=columns.key,
        value_types=columns.value,
        verdicts=columns.verdicts,
        elements=tuple(elements),
    )


def _chain(content: Json) -> Chain:
    of = record(content, *_OF_ALL, "type", "hook", "prio", "policy")
    _check_table(of.get("family"), of.get("table"))
    chain = Chain(name=text_of(of.get("name")))
    if "hook" not in of:
        return chain
    return replace(
        chain,
        type=one_of(ChainType, text_of(of.get("type")), "type of a chain"),
        hook=one_of(Hook, text_of(of.get("hook")), "hook"),
        priority=whole_of(of.get("prio")),
        policy=policy(text_of(of.get("policy", "accept"))),
    )
