"""Sets that let packets pass, read element by element: they name what is declared and nothing else.

An element that no packet comes by today opens what tomorrow's route leads to, so it is none too few to ask.
What a set is for shows in the columns that a rule asks of it, not in its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

from compiler.names import NetworkNumber
from verifier.fabric import Fabric
from verifier.ruleset import PROTOCOLS, Cell, Element, Field, Match
from verifier.service_meaning import Place
from verifier.violation import Kind, Violation

PAIR = (Field.IIFGROUP, Field.OIFGROUP)
SENDER = (Field.IIFGROUP,)
ENDPOINT_V4 = (Field.IIFGROUP, Field.IP_DADDR, Field.L4PROTO, Field.TH_DPORT)
ENDPOINT_V6 = (Field.IIFGROUP, Field.IP6_DADDR, Field.L4PROTO, Field.TH_DPORT)
_NAMES = {number: name.upper() for name, number in PROTOCOLS.items()}


def check_openings(fabric: Fabric) -> Iterator[Violation]:
    for name, fields in sorted(_asked(fabric)):
        for element in fabric.node.ruleset.sets[name].elements:
            if not _is_declared(fabric, fields, element):
                yield Violation(
                    kind=Kind.LEAK,
                    node=fabric.name,
                    sentence=f"set {name} opens what nothing declares",
                    found=element.text,
                    origins=fabric.meaning.origins(*(number for number in _networks(element))),
                )


def _asked(fabric: Fabric) -> set[tuple[str, tuple[Field, ...]]]:
    """Sets by name, with the columns that a rule asks of them."""
    return {
        (statement.values, statement.fields)
        for chain in fabric.node.ruleset.chains.values()
        for rule in chain.rules
        for statement in rule.statements
        if isinstance(statement, Match) and isinstance(statement.values, str)
    }


def _is_declared(fabric: Fabric, fields: tuple[Field, ...], element: Element) -> bool:
    networks = fabric.meaning.networks
    key = tuple(map(_number, element.key))
    sender = networks.get(NetworkNumber(key[0]))
    if fields == PAIR:
        return sender is not None and NetworkNumber(key[1]) in sender.reach
    if fields == SENDER:
        return sender is not None and sender.may_leave
    if fields in (ENDPOINT_V4, ENDPOINT_V6):
        address = IPv4Address(key[1]) if fields == ENDPOINT_V4 else IPv6Address(key[1])
        place = Place(address, _NAMES.get(key[2], ""), key[3])
        return sender is not None and place in sender.infrastructure
    return True


def _number(cell: Cell) -> int:
    """-1 for what is no single number: no network and no port is."""
    return cell[0] if isinstance(cell, tuple) and cell[0] == cell[1] else -1


def _networks(element: Element) -> Iterator[NetworkNumber]:
    first = element.key[0] if element.key else ""
    if isinstance(first, tuple):
        yield NetworkNumber(first[0])
