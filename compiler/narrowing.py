"""What one node needs of a Service: its clients here and the backends that they may reach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from operator import itemgetter

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
    offers = dict(table.mixed)
    for network in sorted(visible):  # numbers mostly follow names, and sorting what is nearly sorted is cheap
        offers.update(table.in_network.get(network, ()))
    asked: dict[tuple[str, str], tuple[NetworkNumber, ...]] = {}
    for name, some in users.items():
        here = tuple(sorted(client for client in clients if client in some))  # `some` may be all networks
        if here and name in table.offers:
            offer = offers[name] = table.offers[name]
            asked[offer.order] = here
    seen: list[ServicePlan] = []
    for offer in sorted(offers.values(), key=itemgetter(0)):
        if offer.networks <= visible and not offer.always_cut and offer.order not in asked:
            seen += offer.plans  # nearly all: shared as they are
        else:
            seen += _narrowed(offer, asked.get(offer.order, ()), viewpoint)
    return tuple(seen)


def _narrowed(offer: Offer, users: tuple[NetworkNumber, ...], viewpoint: Viewpoint) -> Iterator[ServicePlan]:
    """The default network's own clients ask a mixed Service on every node."""
    visible = viewpoint.visible | {DEFAULT_NETWORK} if users or offer.mixed else viewpoint.visible
    for plan in offer.plans:
        backends = tuple(
            backend
            for backend in plan.backends
            if backend.network in visible and (backend.node == viewpoint.node or not plan.local_only)
        )
        if backends:
            yield replace(plan, backends=backends, infrastructure_of=users)
