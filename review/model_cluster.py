"""A cluster that declarations alone can be tried on: what is proved of it needs nobody's inventory.

Two nodes, and on each a pod of every network: the fewest with which every pair that may talk, or may not,
meets on one node and across two. The Services that networks' infrastructure names have backends in the
default network. What only a cluster knows is not in it: labels of namespaces, Services of networks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice, product
from typing import Final

from compiler.inventory import Endpoint, EndpointSlice, Inventory, Namespace, Node, Pod, Service, ServicePort
from compiler.model import Address, Declarations, InfrastructureKeyword, Prefix, VirtualNetwork
from compiler.names import NodeName, ObjectName

NODES: Final = (NodeName("node-1"), NodeName("node-2"))
NOTE: Final = (
    "No inventory was given: this is of a model with two nodes, a pod of every network on each that has "
    "addresses for it, and namespaces without labels. Services of networks are not in it."
)
_API: Final = (ServicePort(name="https", protocol="TCP", port=443),)
_API_TARGET: Final = 6443
_DNS: Final = (
    ServicePort(name="dns", protocol="UDP", port=53),
    ServicePort(name="dns-tcp", protocol="TCP", port=53),
)
_OTHER: Final = (ServicePort(name="", protocol="TCP", port=80),)


def model_cluster(declarations: Declarations) -> Inventory:
    config = declarations.config
    nodes = {name: Node(name=name, addresses=_nth(config.node_ranges, n)) for n, name in enumerate(NODES)}
    pods = list(pods_of_model(declarations.networks, NODES))
    infrastructure = list(_infrastructure(declarations, nodes[NODES[0]].addresses))
    names = (*(pod.name for pod in pods), *(router.name for router in declarations.routers))
    spaces = {name.namespace for name in names} | {one.name.namespace for one, _ in infrastructure}
    return Inventory(
        nodes=nodes,
        namespaces={name: Namespace(name=name, labels={}) for name in sorted(spaces)},
        pods={pod.name: pod for pod in pods},
        services={service.name: service for service, _ in infrastructure},
        slices={slice_.name: slice_ for _, slices in infrastructure for slice_ in slices},
    )


def pods_of_model(networks: Iterable[VirtualNetwork], nodes: Iterable[NodeName]) -> Iterator[Pod]:
    """One of each network on each node, without an address."""
    for network, node in product(networks, nodes):
        name = f"{network.name.name}-on-{node}"
        yield Pod(
            name=ObjectName(namespace=network.name.namespace, name=name),
            uid=f"{network.name}-on-{node}",
            node=node,
            network=str(network.name),
        )


def _infrastructure(
    declarations: Declarations, nodes: tuple[Address, ...]
) -> Iterator[tuple[Service, tuple[EndpointSlice, ...]]]:
    config = declarations.config
    named = {entry for network in declarations.networks for entry in network.infrastructure}
    others = sorted(entry for entry in named if isinstance(entry, ObjectName))
    places = {
        InfrastructureKeyword.DNS: (config.dns.service, _DNS),
        InfrastructureKeyword.API: (config.api.service, _API),
    }
    wanted = {name: ports for name, ports in places.values() if name is not None}
    wanted |= {name: _OTHER for name in others if name not in wanted}
    for position, (name, ports) in enumerate(sorted(wanted.items())):
        is_api = name == config.api.service
        backends = nodes if is_api else _nth(config.pod_ranges, position)
        service = Service(name=name, cluster_addresses=_nth(config.service_ranges, position), ports=ports)
        yield service, tuple(_slices(service, backends, _API_TARGET if is_api else None))


def _slices(service: Service, backends: tuple[Address, ...], target: int | None) -> Iterator[EndpointSlice]:
    for address in backends:
        yield EndpointSlice(
            name=ObjectName(namespace=service.name.namespace, name=f"{service.name.name}-v{address.version}"),
            service=service.name,
            ports=tuple((port.name, port.protocol, target or port.port) for port in service.ports),
            endpoints=(
                Endpoint(
                    addresses=(address,),
                    node=NODES[0],
                    pod=None,
                    ready=True,
                    serving=True,
                    terminating=False,
                ),
            ),
        )


def _nth(ranges: Iterable[Prefix], position: int) -> tuple[Address, ...]:
    """One address of each family: another for each position, as far as the ranges go."""
    given = tuple(ranges)
    return tuple(
        address for version in (4, 6) for address in islice(_hosts(given, version), position, position + 1)
    )


def _hosts(ranges: Iterable[Prefix], version: int) -> Iterator[Address]:
    for one in ranges:
        if one.version == version:
            yield from one.hosts()
