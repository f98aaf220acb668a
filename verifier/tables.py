"""Routing on a node: rules that keep networks and node apart, tables that lead by their own devices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from compiler.names import NetworkNumber
from verifier.address_text import prefix_text
from verifier.fabric import Fabric
from verifier.meaning import Meaning
from verifier.state import LOCAL_TABLE, MAIN_TABLE, Address, Route, RouteKind, Rule
from verifier.violation import Kind, Violation


def check_tables(fabric: Fabric) -> Iterator[Violation]:
    yield from _tables(fabric)
    if fabric.vrfs:
        yield from _rules(fabric)
        yield from _host_table(fabric)


def _tables(fabric: Fabric) -> Iterator[Violation]:
    """A network's table leads by its own devices, and to pods of those that it may talk to.

    By a device outside the VRF even a refusal would be routed outside.
    """
    base, networks = fabric.meaning.config.number_base, fabric.meaning.networks
    inside = {link.name: number for number, link in (*fabric.vrfs.items(), *fabric.vxlans.items())}
    inside |= {link.name: number for number, link in fabric.host_links.items()}
    ports = {port.link: port.network for port in fabric.ports}
    for route in fabric.node.state.routes:
        number = NetworkNumber(route.table - base)
        if number not in fabric.vrfs or number not in networks:
            continue
        if route.kind is RouteKind.THROW:
            sentence = (
                f"the table of {networks[number].name} leaves {_prefix(route)} to the node's own tables"
            )
            yield fabric.violation(Kind.ROUTING, sentence, number)
        if route.link is None:
            continue
        target = ports.get(route.link)
        if inside.get(route.link) != number and target not in networks[number].reach:
            sentence = f"in the table of {networks[number].name}, {_prefix(route)} leads by {route.link}"
            yield fabric.violation(Kind.ROUTING, sentence, number)
        elif target is not None and route.via is not None:
            sentence = (
                f"in the table of {networks[number].name}, the pod at {_prefix(route)} is behind another"
            )
            yield fabric.violation(Kind.ROUTING, sentence, number)


RULES: Final = (
    "l3mdev, then the local table, then for the node's own packets the host table, then the main table"
)


def _rules(fabric: Fabric) -> Iterator[Violation]:
    """The VRF decides before anything else does; the host table is for the node's own packets alone."""
    host_table = fabric.meaning.config.number_base
    known = (None, LOCAL_TABLE, MAIN_TABLE, host_table)
    expected = [(None, None), (LOCAL_TABLE, None), (host_table, "lo"), (MAIN_TABLE, None)]
    for family in (4, 6):
        rules = sorted((r for r in fabric.node.state.rules if r.family == family), key=lambda r: r.priority)
        ours = [(r.table, r.input_link) for r in rules if r.table in known and not r.chooses]
        order = list(dict.fromkeys(ours))
        if order != expected or _intruding(fabric, rules):
            yield fabric.violation(
                Kind.ROUTING,
                f"the routing rules of IPv{family} do not keep networks and node apart",
                expected=RULES,
                found=", ".join(f"{r.priority}: {_told(r)}" for r in rules),
            )


def _intruding(fabric: Fabric, rules: Sequence[Rule]) -> bool:
    """One that is about a network's devices or, before the host table, about packets that nobody can tell.

    What `iif` says of a VRF and of the devices in it has changed from kernel to kernel (l3mdev_update_flow).
    """
    of_host = next((r.priority for r in rules if r.table == fabric.meaning.config.number_base), -1)
    inside = {link.name for link in fabric.vrfs.values()}
    inside |= {link.name for link in fabric.node.state.links.values() if link.master in inside}
    return any(r.input_link in inside or (r.chooses and r.priority <= of_host) for r in rules)


def _told(rule: Rule) -> str:
    return f"by {rule.chooses}" if rule.chooses else f"{_table(rule.table)}{_only(rule.input_link)}"


def _table(table: int | None) -> str:
    return "l3mdev" if table is None else f"table {table}"


def _only(link: str | None) -> str:
    return f" for packets of {link}" if link else ""


def _host_table(fabric: Fabric) -> Iterator[Violation]:
    """The node's own packets go to a pod by its own network's host link, with that link's address."""
    meaning, table = fabric.meaning, fabric.meaning.config.number_base
    outside = {link.peer: number for number, link in fabric.host_links.items()}
    for route in fabric.node.state.routes:
        if route.table != table:
            continue
        port = fabric.local.get((route.family, route.network))
        number = outside.get(route.link)
        if port is None or route.length != {4: 32, 6: 128}[route.family]:
            yield fabric.violation(
                Kind.ROUTING, f"the node's own packets to {_prefix(route)} have no pod to go to"
            )
        elif number != port.network or route.source != _outside_address(meaning, route.family, port.network):
            yield fabric.violation(
                Kind.ROUTING,
                f"the node's own packets to {_prefix(route)} do not go by the host link of its network",
                port.network,
            )


def _outside_address(meaning: Meaning, family: int, number: NetworkNumber) -> Address:
    return family, int(meaning.host_links(family).network_address) + 2 * number


def _prefix(route: Route) -> str:
    return prefix_text(route.family, route.network, route.length)
