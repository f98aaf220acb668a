"""Clusters of one address family: everything that works in two works in each alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cli.lab.check import Check, Expected
from cli.lab.lab import API_PORT, LabService
from tests.kernel.world import World, checks_to

SUBNETS = {4: ("10.1.0.0/16", "10.2.0.0/16", "10.4.0.0/16"), 6: ("fd01::/64", "fd02::/64", "fd04::/64")}
NETWORKS = """\
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {{name: red, namespace: team-a, labels: {{mesh: a}}}}
spec: {{subnets: ["{0}"]}}
---
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {{name: blue, namespace: team-a, labels: {{mesh: a}}}}
spec: {{subnets: ["{1}"]}}
---
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {{name: green, namespace: team-a}}
spec: {{subnets: ["{0}"]}}
---
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {{name: leaving, namespace: team-a}}
spec: {{subnets: ["{2}"], egress: snat}}
---
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetworkRouter
metadata: {{name: mesh, namespace: team-a}}
spec: {{type: mesh, virtualNetworkSelector: {{matchLabels: {{mesh: a}}}}}}
"""


@pytest.mark.parametrize("version", [6, 4])
def test_a_cluster_of_one_family_keeps_every_promise(make_world: Callable[..., World], version: int) -> None:
    world = make_world(versions=(version,))
    world.declare(NETWORKS.format(*SUBNETS[version]))
    for network in ("red", "blue", "green", "leaving"):
        for node in (1, 2):
            world.pod(f"team-a/{network}-{node}", node, network=network)
    pods = world.network_pods()
    web = LabService(
        name="team-a/web",
        addresses=world.lab.service_addresses(20),
        port=80,
        target_port=8080,
        pods=[pod for pod in pods if pod.network == "red"],
    )
    world.lab.add_service(web)
    world.settle()
    insiders = [pod for pod in pods if pod.network != "leaving"]
    world.check(world.pair_checks(insiders, pods))
    world.check(promises(world, web))


def promises(world: World, web: LabService) -> list[Check]:
    dns, api = (world.lab.services[name] for name in ("kube-system/kube-dns", "default/kubernetes"))
    reached, refused = Expected.REACHED, Expected.REFUSED
    checks: list[Check] = []
    for pod in world.network_pods():
        place, name = pod.place, pod.name
        asks = reached if pod.network in ("red", "blue") else refused
        leaves = reached if pod.network == "leaving" else refused
        outside = list(world.lab.outside.values())
        checks += checks_to(place, f"{name} -> web", web.addresses, port=80, expected=asks)
        checks += checks_to(place, f"{name} -> DNS", dns.addresses, port=53, expected=reached, by="dns")
        for addresses, port in ((api.addresses, 443), (world.nodes[0].addresses, API_PORT)):
            title = f"{name} -> API"
            checks += checks_to(
                place, title, addresses, port=port, expected=reached, by="api", protocols=("TCP",)
            )
        checks += checks_to(place, f"{name} -> outside", outside, port=8080, expected=leaves)
        for node in world.nodes:
            checks += checks_to(place, f"{name} -> node", node.addresses, port=8080, expected=refused)
        checks += checks_to(
            pod.node.place, f"node -> {name}", pod.addresses, port=8080, expected=reached, by=name
        )
    return checks
