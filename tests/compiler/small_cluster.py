"""A cluster of two nodes and a few networks, made in one line each; two of the networks overlap."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address

from compiler.allocations import Allocations
from compiler.change import change_between
from compiler.compilation import Compilation, compile, recompile
from compiler.inventory import (
    Endpoint,
    EndpointSlice,
    Inventory,
    Namespace,
    Node,
    Pod,
    Service,
    ServicePort,
)
from compiler.model import Declarations
from compiler.names import NodeName
from compiler.plan import NodePlan
from tests.compiler.declared import declarations, name, network, router

NODES = tuple(NodeName(f"node-{i}") for i in (1, 2, 3))
RED = network("red", "10.1.0.0/24", line=1, side="left")
BLUE = network("blue", "10.2.0.0/24", line=11, side="left")
GREEN = network("green", "10.1.0.0/24", line=21)
MESH = router("mesh", "mesh", line=31)
TWO = declarations(RED, BLUE)
THREE = declarations(RED, BLUE, GREEN)


def pod(text: str, network: str | None, node: int | None = 1, *addresses: str) -> Pod:
    return Pod(
        name=name(text),
        uid=f"uid-{text}",
        node=None if node is None else NODES[node - 1],
        network=network,
        addresses=tuple(map(ip_address, addresses)),
    )


def cluster(
    *pods: Pod, services: Iterable[Service] = (), slices: Iterable[EndpointSlice] = (), nodes: int = 2
) -> Inventory:
    return Inventory(
        nodes={
            NODES[i]: Node(name=NODES[i], addresses=(ip_address(f"192.0.2.{i + 1}"),)) for i in range(nodes)
        },
        namespaces={"team-a": Namespace(name="team-a", labels={})},
        pods={one.name: one for one in pods},
        services={one.name: one for one in services},
        slices={one.name: one for one in slices},
    )


def service(text: str, index: int, *behind: Pod, local: bool = False) -> tuple[Service, EndpointSlice]:
    """At 10.96.0.`index`, with the given pods behind it."""
    port = ServicePort(name="", protocol="TCP", port=80)
    endpoints = tuple(
        Endpoint(
            addresses=one.addresses, node=one.node, pod=one.name, ready=True, serving=True, terminating=False
        )
        for one in behind
    )
    return (
        Service(
            name=name(text),
            cluster_addresses=(ip_address(f"10.96.0.{index}"),),
            ports=(port,),
            internal_local=local,
        ),
        EndpointSlice(
            name=name(f"{text}-1"), service=name(text), ports=(("", "TCP", 8080),), endpoints=endpoints
        ),
    )


def compiled(declared: Declarations, inventory: Inventory) -> Compilation:
    compilation = compile(declared, inventory, Allocations())
    assert not compilation.refused, compilation.problems
    return compilation


def plan(compilation: Compilation, node: int) -> NodePlan:
    return compilation.plans[NODES[node - 1]]


def served(declared: Declarations, *pairs: tuple[Service, EndpointSlice], pods: Iterable[Pod]) -> Compilation:
    """Compiled twice, so that running pods find the blocks that their addresses are in."""
    inventory = cluster(*pods, services=[one for one, _ in pairs], slices=[one for _, one in pairs])
    waiting = {one.name: replace(one, addresses=()) for one in inventory.pods.values()}
    first = compiled(declared, replace(inventory, pods=waiting))
    return recompile(first, change_between(first.inputs.inventory, inventory))


RED_POD = pod("web", "red", 1, "10.1.0.1")
BLUE_POD = pod("db", "blue", 2, "10.2.0.1")
PLAIN_POD = pod("plain", None, 2, "10.244.0.7")
