"""Addresses that pods ask for by the annotation `atoll.dev/ip`: who gets which, and who waits why.

An address belongs to one pod of a network. Of several that ask for it, the one that runs with it has it,
then one on the node whose block it is in, then the first by name. A pod that cannot have what it asks for
waits; it never starts with another address. What runs keeps its address, whatever its annotation says later.

The address comes to its node as a block of its own, unless it is in a block that the node has. Blocks
of other nodes are not cut: their pods may have the address at any moment.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from itertools import groupby
from typing import NamedTuple

from compiler.address_text import Zoned, parse_address
from compiler.catalogue import found
from compiler.demand import Place
from compiler.inventory import Pod
from compiler.membership import Refusal
from compiler.model import Address, Prefix, VirtualNetwork
from compiler.names import NodeName, ObjectName
from compiler.placement import Seat
from compiler.problem import Problem
from compiler.waiting import pods_that_wait

_SHOWN = 100
"""Characters of an annotation that a message repeats."""
_REMEDY = "Write one IPv4 address, one IPv6 address, or one of each with a comma between them"


class Claim(NamedTuple):
    """An address that a pod asks for, and may have if it is the first."""

    network: ObjectName
    address: Address
    node: NodeName
    pod: ObjectName


@dataclass(frozen=True, kw_only=True, slots=True)
class Claims:
    """Before blocks are granted."""

    winners: tuple[Claim, ...] = ()
    refusals: Mapping[ObjectName, Refusal] = field(default_factory=dict)
    """By pod."""
    idle: tuple[Problem, ...] = ()
    """Annotations without effect."""

    @property
    def places(self) -> Mapping[Place, frozenset[Address]]:
        """The addresses that each place must have a block for."""
        places: dict[Place, set[Address]] = {}
        for claim in self.winners:
            places.setdefault(Place(claim.network, claim.node), set()).add(claim.address)
        return {place: frozenset(addresses) for place, addresses in places.items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """Once blocks are granted."""

    pods: frozenset[ObjectName] = frozenset()
    """All that are bound and carry the annotation."""
    places: Mapping[Place, frozenset[Address]] = field(default_factory=dict)
    granted: Mapping[ObjectName, tuple[Address, ...]] = field(default_factory=dict)
    """By pod."""
    refusals: Mapping[ObjectName, Refusal] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    reseated: bool = False
    """Blocks told otherwise where some of the pods run, so that the next compilation judges anew."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What claims depend on, beside the pods."""

    networks: Mapping[ObjectName, VirtualNetwork]
    seat_of: Callable[[Pod], Seat | None]
    owner_of: Callable[[NodeName, Iterable[Address]], ObjectName | None]
    """The network whose block on a node holds an address, by the blocks before."""


class _Wrong(Exception):
    def __init__(self, reason: str, remedy: str = _REMEDY) -> None:
        self.refusal = Refusal(reason=reason, remedy=remedy)
        super().__init__(reason)


def claims_of(asking: Collection[ObjectName], pods: Mapping[ObjectName, Pod], around: Surroundings) -> Claims:
    """What each of these pods may have, as far as pods and networks tell."""
    claims: list[Claim] = []
    refusals: dict[ObjectName, Refusal] = {}
    idle: list[Problem] = []
    for name in sorted(asking):
        pod = pods[name]
        seat = around.seat_of(pod)
        if pod.node is None or seat is None or seat.membership.refusal is not None:
            continue  # it waits for its network
        network = seat.membership.network
        if network is None:
            idle.append(_no_effect(pod, "it is not in a network, so it gets its address elsewhere"))
            continue
        try:
            addresses = _demanded(pod, around.networks[network])
        except _Wrong as wrong:
            if pod.addresses:
                idle.append(_no_effect(pod, wrong.refusal.reason))
            else:
                refusals[name] = wrong.refusal
            continue
        if pod.addresses and not set(addresses) <= set(pod.addresses):
            idle.append(_no_effect(pod, f"it asks for {_listed(addresses)} and runs with another address"))
            addresses = tuple(address for address in addresses if address in pod.addresses)
        claims += [Claim(network, address, pod.node, name) for address in addresses]
    winners, losers = _contest(claims, pods, around)
    return Claims(winners=winners, refusals={**refusals, **losers}, idle=tuple(idle))


def settled(
    asking: frozenset[ObjectName],
    claims: Claims,
    pods: Mapping[ObjectName, Pod],
    unmet: Mapping[Place, Mapping[Address, Refusal]],
) -> Asked:
    """With what became of the blocks: `unmet` are the addresses that their node could not get."""
    refusals = dict(claims.refusals)
    granted: dict[ObjectName, list[Address]] = {}
    for claim in claims.winners:
        refusal = unmet.get(Place(claim.network, claim.node), {}).get(claim.address)
        if refusal is None:
            granted.setdefault(claim.pod, []).append(claim.address)
        elif not pods[claim.pod].addresses:
            refusals[claim.pod] = refusal
    return Asked(
        pods=asking,
        places=claims.places,
        granted={pod: tuple(addresses) for pod, addresses in granted.items() if pod not in refusals},
        refusals=refusals,
        problems=(*claims.idle, *_waiting(refusals)),
    )


def parse(text: str) -> tuple[Address, ...]:
    """The addresses that an annotation names, IPv4 first. Raises ValueError, whose text says why."""
    shown = ascii(text[:_SHOWN])
    addresses: list[Address] = []
    for part in _parts(text):
        try:
            addresses.append(parse_address(part))
        except Zoned:
            raise ValueError(f"{shown} has a zone, which has no meaning outside its host") from None
        except ValueError:
            raise ValueError(f"{shown} is not an IP address, or a list of them") from None
    versions = [address.version for address in addresses]
    if not versions or len(versions) != len(set(versions)):
        raise ValueError(f"{shown} does not name one address, or one of each IP version")
    return tuple(sorted(addresses, key=lambda address: address.version))


def _parts(text: str) -> list[str]:
    """`a`, `a,b` or `["a", "b"]`: annotations of other CNI plugins are written in any of these ways."""
    if not text.lstrip().startswith("["):
        return [part.strip() for part in text.split(",")]
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError):
        listed = None
    if not isinstance(listed, list) or not all(isinstance(part, str) for part in listed):
        raise ValueError(f"{text[:_SHOWN]!a} is not a list of IP addresses")
    return listed


def _demanded(pod: Pod, network: VirtualNetwork) -> tuple[Address, ...]:
    try:
        addresses = parse(pod.asked or "")
    except ValueError as error:
        raise _Wrong(f"its annotation atoll.dev/ip: {error}") from None
    for address in addresses:
        _check(address, network)
    return addresses


def _check(address: Address, network: VirtualNetwork) -> None:
    subnets = [subnet.prefix for subnet in network.subnets]
    home = next((prefix for prefix in subnets if address in prefix), None)
    if home is None:
        places = ", ".join(map(str, subnets))
        raise _Wrong(
            f"it asks for address {address}, which is in no subnet of network {network.name}",
            f"Choose an address in {places}, or remove the annotation atoll.dev/ip",
        )
    if address in ends(home):
        raise _Wrong(
            f"it asks for address {address}, which as an end of subnet {home} is nobody's",
            f"Choose an address between the first and the last of {home}",
        )


def ends(subnet: Prefix) -> tuple[Address, ...]:
    """The first and last address of an IPv4 subnet; a /31 or /32 has neither (RFC 3021)."""
    if isinstance(subnet, IPv4Network) and subnet.prefixlen < 31:
        return subnet.network_address, subnet.broadcast_address
    return ()


def _contest(
    claims: Iterable[Claim], pods: Mapping[ObjectName, Pod], around: Surroundings
) -> tuple[tuple[Claim, ...], Mapping[ObjectName, Refusal]]:
    def rank(claim: Claim) -> tuple[bool, bool, ObjectName]:
        runs = claim.address in pods[claim.pod].addresses
        at_home = around.owner_of(claim.node, [claim.address]) == claim.network
        return not runs, not at_home, claim.pod

    def subject(claim: Claim) -> tuple[ObjectName, int, int]:
        return claim.network, claim.address.version, int(claim.address)

    winners: list[Claim] = []
    losers: dict[ObjectName, Refusal] = {}
    for _, some in groupby(sorted(claims, key=subject), key=subject):
        first, *others = sorted(some, key=rank)
        winners.append(first)
        reason = f"address {first.address} of network {first.network}, that it asks for, is pod {first.pod}'s"
        remedy = f"Choose another address, or delete pod {first.pod}"
        losers.update({claim.pod: Refusal(reason=reason, remedy=remedy) for claim in others})
    return tuple(winners), losers


def _waiting(refusals: Mapping[ObjectName, Refusal]) -> Iterator[Problem]:
    """Pods of one namespace that wait for one reason are told of together."""

    def kind(pod: ObjectName) -> tuple[str, str]:
        return pod.namespace, str(refusals[pod])

    for (namespace, _), some in groupby(sorted(refusals, key=kind), key=kind):
        waiting = list(some)
        yield pods_that_wait("ATL766", namespace, [pod.name for pod in waiting], refusals[waiting[0]])


def _no_effect(pod: Pod, reason: str) -> Problem:
    return found("ATL767", origin=None, subject=f"Pod {pod.name}", reason=reason)


def _listed(addresses: Iterable[Address]) -> str:
    return " and ".join(map(str, addresses))
