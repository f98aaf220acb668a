"""One Service and its slices become shared plans, one for each port and address family.

A backend carries the network of its pod, so that each client network's view of the Service is a
choice among the backends, made later. Ready backends are kept, and so are those that still serve
while they terminate, which kube-proxy uses only when none is ready.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from compiler.inventory import EndpointSlice, Service
from compiler.membership import Refusal
from compiler.model import Address
from compiler.names import NetworkNumber, NodeName, NodeNumber, ObjectName
from compiler.plan import Access, IsolatedService, ServicePlan


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What the endpoints of a Service refer to."""

    network_of: Callable[[ObjectName], NetworkNumber | Refusal | None]
    """Of a pod; DEFAULT_NETWORK outside networks, None for a pod that the inventory does not hold."""
    node_numbers: Mapping[NodeName, NodeNumber]
    node_addresses: Collection[Address]
    """A pod that the inventory does not hold, at one of these, is on its host's network: default."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Excluded:
    """A pod behind a Service that gets none of its traffic."""

    pod: ObjectName
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CompiledService:
    name: ObjectName
    plans: tuple[ServicePlan, ...] = ()
    """By port name, protocol and family; none for a headless Service or a port without backends."""
    isolated: IsolatedService | None = None
    """None without endpoints in networks. Readiness does not matter here: it must not open anything."""
    access: tuple[Access, ...] = ()
    """Endpoints in the default network, those of headless Services included."""
    excluded: tuple[Excluded, ...] = ()


def compile_service(
    service: Service,
    slices: Iterable[EndpointSlice],
    surroundings: Surroundings,
    infrastructure_of: tuple[NetworkNumber, ...] = (),
) -> CompiledService:
    """Everything that plans say of the Service; `slices` are its own, in any order."""
    raise NotImplementedError


def restrict(
    service: ServicePlan, *, clients: Collection[NetworkNumber], visible: Collection[NetworkNumber]
) -> ServicePlan | None:
    """The part of a plan that matters where only `clients` ask; the same object where that is all.

    `visible` are the clients and the networks they may talk to. Backends in the default network stay
    where a client may use them. None: no backend stays.
    """
    raise NotImplementedError
