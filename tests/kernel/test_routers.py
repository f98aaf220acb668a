"""Every cell of the router table, by packets: meshes, hubs and spokes, consent of both sides or of one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cli.lab.lab import LabNamespace
from tests.kernel.world import World

NETWORK = """\
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {{name: {name}, namespace: {namespace}, labels: {{is: {name}}}}}
spec: {{subnets: [10.{octet}.0.0/16, "fd00:{octet}::/64"]}}
---
"""
ROUTER = """\
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetworkRouter
metadata: {{name: {name}, namespace: {namespace}, labels: {{router: {name}}}}}
spec:
  type: {type}
  virtualNetworkSelector: {{matchExpressions: [{{key: is, operator: In, values: [{networks}]}}]}}
  import:
    virtualNetworkRouters: [{imports}]
---
"""
IMPORT = """{{virtualNetworkRouterSelector: {{matchLabels: {{router: {name}}}}}, namespaceSelector: {{}}}}"""

NETWORKS = {
    # name: (namespace, second octet); every network has a pod on one node, named like it
    "hub-a": ("core", 10),
    "hub-b": ("core", 11),
    "spoke-a": ("shop", 20),
    "spoke-b": ("shop", 21),
    "spoke-c": ("pay", 22),
    "mesh-a": ("core", 30),
    "mesh-b": ("core", 31),
    "mesh-c": ("shop", 32),
    "asking": ("pay", 40),
    "left": ("pay", 50),
    "middle": ("pay", 51),
    "right": ("pay", 52),
    "alone": ("pay", 60),
}
ROUTERS = (
    # name, namespace, type, networks, imports
    ("hub", "core", "hub", "hub-a, hub-b", ("shop-spoke", "pay-spoke")),
    ("shop-spoke", "shop", "spoke", "spoke-a, spoke-b", ("hub", "pay-spoke")),
    ("pay-spoke", "pay", "spoke", "spoke-c", ("hub", "shop-spoke")),
    ("mesh", "core", "mesh", "mesh-a, mesh-b", ("other-mesh",)),
    ("other-mesh", "shop", "mesh", "mesh-c", ("mesh", "asking-mesh-is-not-imported")),
    ("asking-mesh", "pay", "mesh", "asking", ("mesh", "hub")),
    ("left-mesh", "pay", "mesh", "left, middle", ()),
    ("right-mesh", "pay", "mesh", "middle, right", ()),
)
TABLE = """\
         hub-a hub-b spoke-a spoke-b spoke-c mesh-a mesh-b mesh-c asking left middle right alone
hub-a    yes   -     yes     yes     yes     -      -      -      -      -    -      -     -
hub-b    -     yes   yes     yes     yes     -      -      -      -      -    -      -     -
spoke-a  yes   yes   yes     -       -       -      -      -      -      -    -      -     -
spoke-b  yes   yes   -       yes     -       -      -      -      -      -    -      -     -
spoke-c  yes   yes   -       -       yes     -      -      -      -      -    -      -     -
mesh-a   -     -     -       -       -       yes    yes    yes    -      -    -      -     -
mesh-b   -     -     -       -       -       yes    yes    yes    -      -    -      -     -
mesh-c   -     -     -       -       -       yes    yes    yes    -      -    -      -     -
asking   -     -     -       -       -       -      -      -      yes    -    -      -     -
left     -     -     -       -       -       -      -      -      -      yes  yes    -     -
middle   -     -     -       -       -       -      -      -      -      yes  yes    yes   -
right    -     -     -       -       -       -      -      -      -      -    yes    yes   -
alone    -     -     -       -       -       -      -      -      -      -    -      -     yes
"""


def declarations() -> str:
    networks = (
        NETWORK.format(name=name, namespace=namespace, octet=octet)
        for name, (namespace, octet) in NETWORKS.items()
    )
    routers = (
        ROUTER.format(
            name=name,
            namespace=namespace,
            type=kind,
            networks=selected,
            imports=", ".join(IMPORT.format(name=imported) for imported in imports),
        )
        for name, namespace, kind, selected, imports in ROUTERS
    )
    return "".join((*networks, *routers))


def table(text: str) -> dict[tuple[str, str], bool]:
    head, *rows = text.splitlines()
    columns = head.split()
    return {
        (row.split()[0], column): cell == "yes"
        for row in rows
        for column, cell in zip(columns, row.split()[1:], strict=True)
    }


@pytest.fixture(scope="module")
def world(make_world: Callable[..., World]) -> World:
    world = make_world()
    world.lab.namespaces.update({name: LabNamespace() for name in ("core", "shop", "pay")})
    world.declare(declarations())
    for name, (namespace, _octet) in NETWORKS.items():
        for node in (1, 2):
            world.pod(f"{namespace}/{name}-{node}", node, network=name)
    world.settle()
    return world


def test_packets_go_where_the_table_says(world: World) -> None:
    """From node 1 to both nodes, and to node 1 from both: each cell on one node and across two."""
    allowed = table(TABLE)
    first = [pod for pod in world.network_pods() if pod.node.number == 1]
    checks = [
        *world.pair_checks(first, world.network_pods(), protocols=("TCP",)),
        *world.pair_checks(world.network_pods(), first, protocols=("UDP",)),
    ]
    for check in checks:
        source, target = (end.partition("/")[2].rpartition("-")[0] for end in check.title.split(" -> "))
        assert (check.expected == "reached") == allowed[source, target], check.title
    world.check(checks)
