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
    clients, visible = viewpoint.clients, viewpoint.visible
    named = {name: some for name, some in users.items() if not clients.isdisjoint(some)}
    names = {*table.mixed, *(name for name in named if name in table.offers)}
    names.update(*(table.in_network[network] for network in visible if network in table.in_network))
    seen: list[ServicePlan] = []
    for name in sorted(names, key=_name_order):
        offer = table.offers[name]
        if offer.networks <= visible and name not in named and not offer.local_only:
            seen += offer.plans  # nearly all: shared as they are
        else:
            asking = tuple(sorted(clients.intersection(named.get(name, ()))))
            seen += _narrowed(offer, asking, viewpoint, mixed=name in table.mixed)
    return tuple(seen)


def _name_order(name: ObjectName) -> tuple[str, str]:
    return name.namespace, name.name


def _narrowed(
    offer: Offer, users: tuple[NetworkNumber, ...], viewpoint: Viewpoint, *, mixed: bool
) -> Iterator[ServicePlan]:
    """The default network's own clients ask a mixed Service on every node."""
    visible = viewpoint.visible | {DEFAULT_NETWORK} if users or mixed else viewpoint.visible
    for plan in offer.plans:
        backends = tuple(
            backend
            for backend in plan.backends
            if backend.network in visible and (backend.node == viewpoint.node or not plan.local_only)
        )
        if backends:
            yield replace(plan, backends=backends, infrastructure_of=users)
