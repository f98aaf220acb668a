"""Services that claim one address, protocol and port: the first that a client may use answers.

Kubernetes gives each Service cluster addresses of its own, but takes external ones as they are written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from compiler.catalogue import found
from compiler.draft import Draft
from compiler.model import Address
from compiler.names import ObjectName
from compiler.problem import Problem
from compiler.services import CompiledService

NAMED = 3
"""So many places a message names."""


class Spot(NamedTuple):
    address: Address
    protocol: str
    port: int

    def __str__(self) -> str:
        return f"{self.address} {self.protocol} {self.port}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Contest:
    claims: Mapping[Spot, Mapping[ObjectName, bool]] = field(default_factory=dict)
    """The Services that answer at each place; whether they have endpoints in networks."""
    contested: Mapping[Spot, tuple[ObjectName, ...]] = field(default_factory=dict)
    """Of several Services, in order. Those that are the default network's alone are not ours to judge."""


Compiled = Mapping[ObjectName, CompiledService]


def contest(previous: Contest, before: Compiled, after: Compiled, changed: Collection[ObjectName]) -> Contest:
    """The claims after some Services changed."""
    if not changed:
        return previous
    claims = Draft(previous.claims)
    for name in changed:
        for spot in _spots(before.get(name)):
            claims.open(spot).pop(name, None)
        for spot in _spots(after.get(name)):
            claims.open(spot)[name] = after[name].isolated is not None
    contested = dict(previous.contested)
    for spot in claims.touched:
        claimants = claims.read(spot)
        contested.pop(spot, None)
        if len(claimants) > 1 and any(claimants.values()):
            contested[spot] = tuple(sorted(claimants))
    return Contest(claims=claims.finished(), contested=contested)


def _spots(service: CompiledService | None) -> Iterator[Spot]:
    for plan in service.plans if service is not None else ():
        for address in plan.addresses:
            yield Spot(address, plan.protocol, plan.port)


def contested_services(contested: Mapping[Spot, tuple[ObjectName, ...]]) -> Iterator[Problem]:
    """One problem for the same Services, at however many places."""
    places: dict[tuple[ObjectName, ...], list[Spot]] = {}
    for spot, names in contested.items():
        places.setdefault(names, []).append(spot)
    for (first, *others), spots in places.items():
        spots.sort(key=lambda spot: (spot.address.version, int(spot.address), spot.protocol, spot.port))
        more = f" and {len(spots) - NAMED} places more" if len(spots) > NAMED else ""
        shared = f"{', '.join(map(str, spots[:NAMED]))}{more}"
        sharers = " and ".join(f"Service {name}" for name in others)
        yield found(
            "ATL764",
            origin=None,
            subject=f"Service {first}",
            reason=f"it shares {shared} with {sharers}; a client that may use either gets {first}, "
            "the first by name",
        )
