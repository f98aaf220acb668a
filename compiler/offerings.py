"""What networks are offered: Services compiled, and the infrastructure that each network may reach."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cache

from compiler.draft import Draft
from compiler.infrastructure import access_of, infrastructure_services
from compiler.inputs import Delta, Inputs
from compiler.inventory import Inventory
from compiler.ledger import span
from compiler.membership import Refusal
from compiler.model import Address
from compiler.names import DEFAULT_NETWORK, NetworkNumber, ObjectName
from compiler.narrowing import Users
from compiler.placement import Placement
from compiler.plan import Access
from compiler.ranges import Ranges
from compiler.service_table import Concerned, ServiceTable, update_services
from compiler.services import Surroundings
from compiler.settlement import Resettled, Settlement


@dataclass(frozen=True, kw_only=True, slots=True)
class Offerings:
    services: ServiceTable = field(default_factory=ServiceTable)
    users: Users = field(default_factory=dict)
    access: Mapping[ObjectName, tuple[Access, ...]] = field(default_factory=dict)
    """By network."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reoffered:
    """What a change did to the offerings."""

    services: frozenset[ObjectName]
    """Whose compiled form is another."""
    access: frozenset[ObjectName]
    """Networks whose infrastructure is another."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Basis:
    """What offerings follow from."""

    inputs: Inputs
    settlement: Settlement


def reoffer(
    previous: Offerings, before: Basis, after: Basis, delta: Delta, resettled: Resettled
) -> tuple[Offerings, Reoffered]:
    """The offerings after a change."""
    numbers, networks = after.settlement.numbers, after.inputs.networks
    concerned = Concerned(
        services=delta.services,
        slices=delta.slices,
        pods=resettled.pods | delta.pods,
        nodes=resettled.remotes | delta.nodes,
        claims=bool(delta.networks),
    )
    table, services = update_services(
        previous.services, before.inputs.inventory, after.inputs.inventory, _surroundings(after), concerned
    )
    users = _users(previous.users, before, after, delta)
    opened = [name for name in services if _access_to(previous.services, name) != _access_to(table, name)]
    listing = {number for name in opened for number in users.get(name, ())}
    stale = delta.networks | {name for name in networks if listing and numbers[name] in listing}
    access = _access(previous.access, stale, after.inputs, table)
    changed = frozenset(name for name in stale if access.get(name) != previous.access.get(name))
    return Offerings(services=table, users=users, access=access), Reoffered(services=services, access=changed)


_NOT_BOUND = Refusal(reason="it is bound to no node", remedy="Wait until it is scheduled")


def _access_to(table: ServiceTable, name: ObjectName) -> tuple[Access, ...]:
    service = table.compiled.get(name)
    return service.access if service else ()


def _surroundings(basis: Basis) -> Surroundings:
    inventory, settlement = basis.inputs.inventory, basis.settlement
    return Surroundings(
        network_of=_network_of(inventory, settlement.placement, settlement.numbers),
        node_numbers=settlement.node_numbers,
        node_addresses=settlement.node_addresses,
        is_claimed=_claimed(basis.inputs),
    )


def _claimed(inputs: Inputs) -> Callable[[Address], bool]:
    """Looks at the networks only if it is asked, which is rare."""
    config = inputs.declarations.config

    @cache
    def ranges(version: int) -> Ranges:
        subnets = (subnet.prefix for network in inputs.networks.values() for subnet in network.subnets)
        own = (*config.pod_ranges, *config.service_ranges, config.host_links_v4, config.host_links_v6)
        return Ranges(span(prefix) for prefix in (*own, *subnets) if prefix.version == version)

    def is_claimed(address: Address) -> bool:
        return ranges(address.version).end_of_overlap(int(address), int(address)) is not None

    return is_claimed


def _network_of(
    inventory: Inventory, placement: Placement, numbers: Mapping[ObjectName, NetworkNumber]
) -> Callable[[ObjectName], NetworkNumber | Refusal | None]:
    def network_of(name: ObjectName) -> NetworkNumber | Refusal | None:
        pod = inventory.pods.get(name)
        if pod is None:
            return None
        if pod.node is None:
            return _NOT_BOUND
        membership = placement.seats[pod.node][name].membership
        if membership.refusal is not None:
            return membership.refusal
        return numbers[membership.network] if membership.network else DEFAULT_NETWORK

    return network_of


def _users(previous: Users, before: Basis, after: Basis, delta: Delta) -> Users:
    draft = Draft(previous)
    for name in delta.networks:
        for service in _listed(before, name):
            draft.open(service).pop(before.settlement.numbers[name], None)
        for service in _listed(after, name):
            draft.open(service)[after.settlement.numbers[name]] = None
    return draft.finished()


def _listed(basis: Basis, name: ObjectName) -> tuple[ObjectName, ...]:
    network = basis.inputs.networks.get(name)
    return infrastructure_services(network, basis.inputs.declarations.config) if network else ()


def _access(
    previous: Mapping[ObjectName, tuple[Access, ...]],
    stale: Collection[ObjectName],
    inputs: Inputs,
    table: ServiceTable,
) -> Mapping[ObjectName, tuple[Access, ...]]:
    if not stale:
        return previous
    access, networks, config = dict(previous), inputs.networks, inputs.declarations.config
    for name in stale:
        if name in networks:
            access[name] = access_of(networks[name], config, table.compiled)
        else:
            access.pop(name, None)
    return access
