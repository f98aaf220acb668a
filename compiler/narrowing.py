"""What one node needs of a Service: its clients here and the backends that they may reach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from compiler.names import DEFAULT_NETWORK, NetworkNumber, NodeNumber, ObjectName
from compiler.plan import ServicePlan
from compiler.service_table import Offer, ServiceTable

Users = Mapping[ObjectName, Mapping[NetworkNumber, None]]
"""For each Service on any network's infrastructure list, those networks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Viewpoint:
    """From where Services are seen."""

    node: NodeNumber
    clients: frozenset[NetworkNumber]
    """Networks with pods here."""
    visible: frozenset[NetworkNumber]
    """The clients and the networks they may talk to."""


def services_seen(table: ServiceTable, users: Users, viewpoint: Viewpoint) -> tuple[ServicePlan, ...]:
    """By name, port and family."""
    names: set[ObjectName] = {*table.mixed}
    for network in viewpoint.visible:
        names.update(table.in_network.get(network, ()))
    clients = viewpoint.clients
    named = {name: some for name, some in users.items() if not clients.isdisjoint(some)}
    names.update(named.keys() & table.offers.keys())
    return tuple(
        plan
        for name in sorted(names, key=_name_order)
        for plan in _narrowed(table, name, tuple(sorted(clients & named.get(name, {}).keys())), viewpoint)
    )


def _name_order(name: ObjectName) -> tuple[str, str]:
    return name.namespace, name.name


def _narrowed(
    table: ServiceTable, name: ObjectName, users: tuple[NetworkNumber, ...], viewpoint: Viewpoint
) -> Iterator[ServicePlan]:
    """The default network's own clients ask a mixed Service on every node."""
    visible = viewpoint.visible | {DEFAULT_NETWORK} if users or name in table.mixed else viewpoint.visible
    for offer in table.offers[name]:
        plan = narrow(offer, users, visible, viewpoint.node)
        if plan is not None:
            yield plan


def narrow(
    offer: Offer, users: tuple[NetworkNumber, ...], visible: frozenset[NetworkNumber], node: NodeNumber
) -> ServicePlan | None:
    """The offer's own plan where that is all; None where no backend remains."""
    plan = offer.plan
    if offer.networks <= visible and not plan.local_only:
        return replace(plan, infrastructure_of=users) if users else plan
    backends = tuple(
        backend
        for backend in plan.backends
        if backend.network in visible and (backend.node == node or not plan.local_only)
    )
    return replace(plan, backends=backends, infrastructure_of=users) if backends else None
