"""A small cluster that has one of everything: the ground for faults.

Three nodes, two families. Red and blue talk by a mesh; green has red's subnets and leaves the cluster;
centre is a hub for two spokes; old has IPv4 only. Services of one network, of two, of a network and the
default one, local ones, with affinity, with a node port and an external address; DNS and the API server.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from ipaddress import ip_address

from compiler.allocations import Allocations
from compiler.compilation import Compilation, compile
from compiler.inventory import Endpoint, EndpointSlice, Inventory, Namespace, Node, Pod, Service, ServicePort
from compiler.model import Declarations, Egress
from compiler.names import NodeName, ObjectName
from tests.compiler.declared import cluster_config, name, network, place, router, where

NODES = tuple(NodeName(f"node-{index}") for index in (1, 2, 3))


def declared() -> Declarations:
    dns_cache = place("kube-system/kube-dns", "169.254.20.10", ports=(("UDP", 53), ("TCP", 53)))
    return Declarations(
        revision="",
        config=cluster_config(dns=dns_cache),
        networks=(
            network("red", "10.1.0.0/24", "fd00:1::/64", line=1, side="left"),
            network("blue", "10.2.0.0/24", "fd00:2::/64", line=11, side="left"),
            network("green", "10.1.0.0/24", "fd00:1::/64", line=21, egress=Egress.SNAT),
            network("centre", "10.5.0.0/24", "fd00:5::/64", line=31, role="hub"),
            network("north", "10.6.0.0/24", "fd00:6::/64", line=41, role="spoke"),
            network("south", "10.7.0.0/24", line=51, role="spoke", infrastructure=()),
            network("old", "10.8.0.0/24", line=61, infrastructure=(name("monitoring/metrics"),)),
        ),
        routers=(
            router("hub", "hub", where(role="hub"), imports=[(where(of="spokes"), None)], line=71, of="hub"),
            router("mesh", "mesh", where(side="left"), line=81),
            router(
                "spokes",
                "spoke",
                where(role="spoke"),
                imports=[(where(of="hub"), None)],
                line=91,
                of="spokes",
            ),
        ),
    )


PODS = (
    ("red-1", "red", 1), ("red-2", "red", 2), ("red-3", "red", 3),
    ("blue-1", "blue", 1), ("blue-2", "blue", 2),
    ("green-1", "green", 1), ("green-2", "green", 2), ("centre-1", "centre", 1), ("north-1", "north", 1),
    ("north-3", "north", 3), ("south-2", "south", 2), ("old-1", "old", 1), ("old-3", "old", 3),
)  # fmt: skip
PLAIN = (("plain-1", 1, "10.244.1.7", "fd00:244:0:1::7"), ("dns", 2, "10.244.2.53", "fd00:244:0:2::53"))


def _pods(allocations: Allocations | None) -> Iterable[Pod]:
    """Running once there are blocks."""
    for text, on, node in PODS:
        addresses = []
        if allocations is not None:
            blocks = allocations.networks[name(on)].blocks
            own = sorted(
                (b for b, owner in blocks.items() if owner == NODES[node - 1]), key=lambda b: b.version
            )
            addresses = [block[1] for block in own]
        yield Pod(name=name(text), uid=text, node=NODES[node - 1], network=on, addresses=tuple(addresses))
    for text, node, *plain in PLAIN:
        yield Pod(name=name(text), uid=text, node=NODES[node - 1], addresses=tuple(map(ip_address, plain)))


def _service(
    text: str,
    index: int,
    ports: tuple[ServicePort, ...] = (ServicePort(name="", protocol="TCP", port=80),),
    **more: object,
) -> Service:
    return Service(
        name=name(text),
        cluster_addresses=(ip_address(f"10.96.0.{index}"), ip_address(f"fd00:96::{index}")),
        ports=ports,
        **more,  # type: ignore[arg-type]  # the callers' keywords are Service's own
    )


def _slices(
    service: Service, target: int, pods: Iterable[Pod], *, draining: tuple[str, ...] = ()
) -> Iterable[EndpointSlice]:
    listed = tuple(pods)
    for version in (4, 6):
        endpoints = tuple(
            Endpoint(
                addresses=tuple(a for a in pod.addresses if a.version == version),
                node=pod.node,
                pod=pod.name,
                ready=pod.name.name not in draining,
                serving=True,
                terminating=pod.name.name in draining,
            )
            for pod in listed
        )
        yield EndpointSlice(
            name=ObjectName(namespace=service.name.namespace, name=f"{service.name.name}-{version}"),
            service=service.name,
            ports=tuple((port.name, port.protocol, target) for port in service.ports),
            endpoints=endpoints,
        )


def _services(pods: dict[str, Pod]) -> Iterable[tuple[Service, tuple[EndpointSlice, ...]]]:
    def offered(
        service: Service, target: int, *behind: str, draining: tuple[str, ...] = ()
    ) -> tuple[Service, tuple[EndpointSlice, ...]]:
        return service, tuple(_slices(service, target, [pods[one] for one in behind], draining=draining))

    yield offered(
        _service(
            "web",
            20,
            (
                ServicePort(name="http", protocol="TCP", port=80, node_port=30080),
                ServicePort(name="voice", protocol="UDP", port=81),
            ),
            external_addresses=(ip_address("203.0.113.9"), ip_address("2001:db8:9::9")),
        ),
        8080, "red-1", "red-2", "blue-2",
    )  # fmt: skip
    yield offered(_service("shop", 21, client_affinity=True), 8081, "green-1", "green-2")
    yield offered(_service("mixed", 22), 8082, "red-2", "plain-1")
    yield offered(_service("near", 23, internal_local=True), 8083, "red-1", "red-2")
    yield offered(_service("draining", 24), 8084, "centre-1", "north-1", draining=("centre-1",))
    both = tuple(ServicePort(name=p.lower(), protocol=p, port=53) for p in ("TCP", "UDP"))
    yield offered(_service("kube-system/kube-dns", 10, both), 53, "dns")
    yield offered(_service("monitoring/metrics", 11), 9100, "plain-1")
    api = replace(_service("default/kubernetes", 1), cluster_addresses=(ip_address("10.96.0.1"),))
    slice_ = EndpointSlice(
        name=name("default/kubernetes"),
        service=api.name,
        ports=(("", "TCP", 6443),),
        endpoints=(
            Endpoint(
                addresses=(ip_address("192.0.2.1"),),
                node=None,
                pod=None,
                ready=True,
                serving=True,
                terminating=False,
            ),
        ),
    )
    yield api, (slice_,)


def _inventory(allocations: Allocations | None) -> Inventory:
    pods = {pod.name: pod for pod in _pods(allocations)}
    offered = list(_services({pod.name.name: pod for pod in pods.values()}))
    return Inventory(
        nodes={
            node: Node(
                name=node,
                addresses=tuple(
                    map(ip_address, (f"192.0.2.{index}", f"2001:db8::{index}", f"198.51.100.{index}"))
                ),
                external=frozenset((ip_address(f"198.51.100.{index}"),)),
            )
            for index, node in enumerate(NODES, start=1)
        },
        namespaces={"team-a": Namespace(name="team-a", labels={})},
        pods=pods,
        services={service.name: service for service, _ in offered},
        slices={one.name: one for _, slices in offered for one in slices},
    )


@cache
def compiled() -> Compilation:
    """Twice: first the pods get addresses, then Services find them."""
    first = compile(declared(), _inventory(None), Allocations())
    assert not first.refused, first.problems
    again = compile(declared(), _inventory(first.allocations), first.allocations)
    assert not again.refused, again.problems
    return again
