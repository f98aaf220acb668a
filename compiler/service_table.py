"""All Services compiled, with the indexes that say which of them a change concerns.

A Service is compiled once for the whole cluster; `compiler.narrowing` takes from it what one node
needs. `infrastructure_of` is left to that as well, for it would tie every network to every DNS plan.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from rpds import HashTrieMap

from compiler.draft import Draft
from compiler.inventory import EndpointSlice, Inventory
from compiler.names import DEFAULT_NETWORK, NetworkNumber, NodeName, ObjectName
from compiler.plan import IsolatedService, ServicePlan
from compiler.services import CompiledService, Surroundings, compile_service

Names = Mapping[ObjectName, None]
"""A set of names as a mapping, for drafts."""


class Offer(NamedTuple):
    """The plans of one Service, and what of them matters for narrowing."""

    order: tuple[str, str]
    """Namespace and name."""
    plans: tuple[ServicePlan, ...]
    networks: frozenset[NetworkNumber]
    """Of all backends."""
    mixed: bool
    """The default network's own clients may ask it on every node."""
    always_cut: bool
    """Different on every node: only the node's own backends."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceTable:
    compiled: Mapping[ObjectName, CompiledService] = field(default_factory=dict)
    offers: Mapping[ObjectName, Offer] = field(default_factory=dict)
    """Of the Services that answer on any address."""
    slices: Mapping[ObjectName, Names] = field(default_factory=dict)
    """The slices of each Service."""
    behind: HashTrieMap[ObjectName, frozenset[ObjectName]] = field(default_factory=HashTrieMap)
    """The slices that name each pod."""
    in_network: Mapping[NetworkNumber, Mapping[ObjectName, Offer]] = field(default_factory=dict)
    """The Services with backends in each network."""
    mixed: Mapping[ObjectName, Offer] = field(default_factory=dict)
    isolated: tuple[IsolatedService, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Concerned:
    """What may have changed a Service."""

    services: Collection[ObjectName] = ()
    slices: Collection[ObjectName] = ()
    pods: Collection[ObjectName] = ()
    """Whose network is another."""
    nodes: Collection[NodeName] = ()
    """Come, gone, or with another number or address."""
    claims: bool = False
    """Whether an external address may belong to something else than before."""


def update_services(
    previous: ServiceTable,
    before: Inventory,
    after: Inventory,
    surroundings: Surroundings,
    concerned: Concerned,
) -> tuple[ServiceTable, frozenset[ObjectName]]:
    """The table after a change, and the Services whose compiled form is another."""
    slices, behind = _reindexed(previous, before, after, concerned.slices)
    names = {*concerned.services}
    for inventory in (before, after):
        names.update(inventory.slices[name].service for name in concerned.slices if name in inventory.slices)
    for pod in concerned.pods:
        names.update(after.slices[name].service for name in behind.get(pod, ()) if name in after.slices)
    if concerned.nodes:
        names.update(_with_endpoints_on(after.slices.values(), frozenset(concerned.nodes), before, after))
    if concerned.nodes or concerned.claims:
        names.update(name for name, service in after.services.items() if service.external_addresses)
    fresh = {
        name: compile_service(
            after.services[name],
            [after.slices[some] for some in slices.get(name, ())],
            surroundings,
        )
        for name in names
        if name in after.services
    }
    changed = frozenset(name for name in names if fresh.get(name) != previous.compiled.get(name))
    table = replace(previous, slices=slices, behind=behind)
    return (_recompiled(table, fresh, changed) if changed else table), changed


def _reindexed(
    previous: ServiceTable, before: Inventory, after: Inventory, changed: Iterable[ObjectName]
) -> tuple[Mapping[ObjectName, Names], HashTrieMap[ObjectName, frozenset[ObjectName]]]:
    slices = Draft(previous.slices)
    behind = previous.behind
    for name in changed:
        old, new = before.slices.get(name), after.slices.get(name)
        if old is not None:
            slices.open(old.service).pop(name, None)
        if new is not None:
            slices.open(new.service)[name] = None
        old_pods, new_pods = _pods(old), _pods(new)
        for pod in old_pods - new_pods:
            left = behind.get(pod, frozenset()) - {name}
            behind = behind.insert(pod, left) if left else behind.discard(pod)
        for pod in new_pods - old_pods:
            behind = behind.insert(pod, behind.get(pod, frozenset()) | {name})
    return slices.finished(), behind


def _pods(some: EndpointSlice | None) -> frozenset[ObjectName]:
    endpoints = some.endpoints if some else ()
    return frozenset(endpoint.pod for endpoint in endpoints if endpoint.pod is not None)


def _with_endpoints_on(
    slices: Iterable[EndpointSlice], nodes: frozenset[NodeName], before: Inventory, after: Inventory
) -> Iterable[ObjectName]:
    """Nodes change rarely, so all slices are looked at. An endpoint may have a node's own address."""
    known = [
        inventory.nodes[node] for inventory in (before, after) for node in nodes & inventory.nodes.keys()
    ]
    addresses = {address for node in known for address in node.addresses}
    for some in slices:
        for endpoint in some.endpoints:
            if endpoint.node in nodes or not addresses.isdisjoint(endpoint.addresses):
                yield some.service
                break


def _recompiled(
    previous: ServiceTable, fresh: Mapping[ObjectName, CompiledService], changed: frozenset[ObjectName]
) -> ServiceTable:
    compiled, offers, mixed = {**previous.compiled}, {**previous.offers}, {**previous.mixed}
    in_network = Draft(previous.in_network)
    for name in changed:
        old = offers.pop(name, None)
        for network in old.networks if old else ():
            in_network.open(network).pop(name, None)
        compiled.pop(name, None)
        mixed.pop(name, None)
        if name in fresh:
            compiled[name] = fresh[name]
        if name in fresh and fresh[name].plans:
            offer = offers[name] = _offer(fresh[name])
            for network in offer.networks - {DEFAULT_NETWORK}:
                in_network.open(network)[name] = offer
            if offer.mixed:
                mixed[name] = offer
    return replace(
        previous,
        compiled=compiled,
        offers=offers,
        in_network=in_network.finished(),
        mixed=mixed,
        isolated=_isolated(previous, compiled, changed),
    )


def _offer(service: CompiledService) -> Offer:
    return Offer(
        order=(service.name.namespace, service.name.name),
        plans=service.plans,
        networks=frozenset(backend.network for plan in service.plans for backend in plan.backends),
        mixed=service.isolated is not None and service.isolated.mixed,
        always_cut=any(plan.local_only for plan in service.plans),
    )


def _isolated(
    previous: ServiceTable, compiled: Mapping[ObjectName, CompiledService], changed: frozenset[ObjectName]
) -> tuple[IsolatedService, ...]:
    def of(table: Mapping[ObjectName, CompiledService], name: ObjectName) -> IsolatedService | None:
        return table[name].isolated if name in table else None

    if all(of(previous.compiled, name) == of(compiled, name) for name in changed):
        return previous.isolated
    found = (service.isolated for service in compiled.values())
    return tuple(sorted((one for one in found if one), key=lambda one: (one.name.namespace, one.name.name)))
