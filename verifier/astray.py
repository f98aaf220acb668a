"""Isolation that does not rest on routes: were one to lead astray, the ruleset would still refuse.

The node is judged once more with routes that nobody means: in the tables of some networks, and in the
main one, an address for each of them by a pod port of it, one by a device that is not ours, and in each table
one by the network's own host link. Nobody may get there but networks that talk, and those only to each other,
and by its host link a network that may leave, where the address is outside. So a route that another hand adds
opens nothing by itself.
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
_BY_LINK: Final = 0xFFFE
"""Last digits of the address that each network's own host link leads to; no network has this number."""


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
    by_link = (route for port in some for route in _by_link(fabric, port.network))
    state = replace(fabric.node.state, routes=(*fabric.node.state.routes, *routes, *by_link))
    addresses: dict[int, NetworkNumber | None] = {port.network: port.network for port in some}
    return _Astray(node=replace(fabric.node, state=state), addresses={**addresses, 0: None})


def _by_link(fabric: Fabric, number: NetworkNumber) -> Iterator[Route]:
    """By the link's other end, where it is known: where it is not, that has been said."""
    link = fabric.host_links.get(number)
    set_there = {
        e.address for e in fabric.node.state.neighbours if link and e.lasting and e.link == link.name
    }
    for family, via in {address[0]: address for address in sorted(set_there)}.items():
        yield Route(
            family=family,
            table=fabric.vrfs[number].table or MAIN_TABLE,
            network=NOWHERE[family] + _BY_LINK,
            length={4: 32, 6: 128}[family],
            link=link.name if link else None,
            via=via,
        )


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
    if known is not None and not (known.may_leave and family == 6):
        yield from _held_back(fabric, kernel, family, saddr, link, known.number)


def _held_back(
    fabric: Fabric, kernel: Kernel, family: int, saddr: int, link: str, number: NetworkNumber
) -> Iterator[Violation]:
    """By its host link: in IPv4 the address is nobody's, and so outside for nobody."""
    packet = Packet(family=family, saddr=saddr, daddr=NOWHERE[family] + _BY_LINK, protocol=_TCP, dport=80)
    for flow in kernel.partition(link, _new(packet)):
        wrong = _wrong(flow, allowed=False)
        if wrong is not None:
            yield _shown(fabric, wrong, packet, link, flow, (number, None))


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
