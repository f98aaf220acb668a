"""Isolation that does not rest on routes: were one to lead astray, the ruleset would still refuse.

The node is judged once more with routes that nobody means: in the tables of some networks, and in the
main one, an address for each of them by a pod port of it, and one by a device that is not ours. Nobody may
get there but networks that talk, and those only to each other. So a route that another hand adds opens
nothing by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from compiler.names import NetworkNumber
from verifier.evaluate import Kernel
from verifier.fabric import Fabric, Port
from verifier.outcome import Fate, Flow
from verifier.packets import Box, Packet, Tracking
from verifier.state import MAIN_TABLE, Node, Route
from verifier.surroundings import foreign_links
from verifier.underlay import is_of_overlay
from verifier.violation import Example, Kind, Violation

NOWHERE: Final = {4: 0xF0000000, 6: 0x0100 << 112}
"""240.0.0.0/4 (RFC 1112) and 100::/64 (RFC 6666): addresses that nobody has."""
_SOME: Final = 4
"""Networks tried against each other. Rules treat all alike but for sets, which verifier.openings reads."""
_TCP: Final = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class _Astray:
    node: Node
    addresses: Mapping[int, NetworkNumber | None]
    """Last digits of each address that leads astray, and whose device it leads to; None: nobody's."""


def check_astray(fabric: Fabric) -> Iterator[Violation]:
    foreign = next(foreign_links(fabric.node), None)
    if not fabric.ports or foreign is None:
        return
    astray = _led_astray(fabric, foreign)
    kernel = Kernel(astray.node)
    for family in (4, 6):
        for port in _senders(fabric):
            own = sorted(value for version, value in port.addresses if version == family)
            if own:
                yield from _held(fabric, kernel, astray, family, own[0], port.link, port.network)
        yield from _held(fabric, kernel, astray, family, NOWHERE[family] + 0xFFFF, foreign, None)


def _senders(fabric: Fabric) -> list[Port]:
    """A pod of each of some networks."""
    by_network = {port.network: port for port in reversed(fabric.ports)}
    return [by_network[number] for number in sorted(by_network)[:_SOME]]


def _led_astray(fabric: Fabric, foreign: str) -> _Astray:
    some = _senders(fabric)
    targets: list[tuple[int, str]] = [(port.network, port.link) for port in some]
    targets.append((0, foreign))
    tables = {fabric.vrfs[port.network].table or MAIN_TABLE for port in some} | {MAIN_TABLE}
    bits = {4: 32, 6: 128}
    routes = tuple(
        Route(family=family, table=table, network=NOWHERE[family] + digits, length=bits[family], link=link)
        for family in (4, 6)
        for table in sorted(tables)
        for digits, link in targets
    )
    state = replace(fabric.node.state, routes=(*fabric.node.state.routes, *routes))
    addresses: dict[int, NetworkNumber | None] = {port.network: port.network for port in some}
    return _Astray(node=replace(fabric.node, state=state), addresses={**addresses, 0: None})


def _held(
    fabric: Fabric,
    kernel: Kernel,
    astray: _Astray,
    family: int,
    saddr: int,
    link: str,
    network: NetworkNumber | None,
) -> Iterator[Violation]:
    known = fabric.meaning.networks.get(network) if network else None
    reach = known.reach if known else frozenset()
    for digits, target in astray.addresses.items():
        if network is None and target is None:
            continue
        packet = Packet(family=family, saddr=saddr, daddr=NOWHERE[family] + digits, protocol=_TCP, dport=80)
        for flow in kernel.partition(link, _new(packet)):
            if network is None and is_of_overlay(fabric, flow.packets):
                continue  # judged by itself: by other devices than those of nodes it is dropped
            wrong = _wrong(flow, allowed=target is not None and target in reach)
            if wrong is not None:
                yield _shown(fabric, wrong, packet, link, flow, (network, target))


def _new(packet: Packet) -> Box:
    return replace(packet.box, protocol=((0, 255),), dport=((0, 65535),), tracking=int(Tracking.NEW))


def _wrong(flow: Flow, *, allowed: bool) -> Kind | None:
    fate = flow.outcome.fate
    if fate is Fate.DROPPED:
        return Kind.SILENT
    if fate is Fate.REFUSED:
        return None
    return None if allowed else Kind.LEAK


def _shown(
    fabric: Fabric,
    kind: Kind,
    packet: Packet,
    link: str,
    flow: Flow,
    networks: tuple[NetworkNumber | None, NetworkNumber | None],
) -> Violation:
    sender, target = (fabric.meaning.networks[n].name if n else "the default network" for n in networks)
    what = "would pass" if kind is Kind.LEAK else "would get no answer"
    return Violation(
        kind=kind,
        node=fabric.name,
        sentence=f"were a route to lead astray, packets of {sender} to {target} {what}",
        expected="refused at once",
        found=f"{flow.outcome.fate} {flow.outcome.reason}".rstrip(),
        example=Example(link=link, sender=f"{sender}", packet=packet),
        origins=fabric.meaning.origins(*(number for number in networks if number)),
    )
