"""A cluster of any size as the compiler's inputs: a repository's files and what kubectl prints.

Deterministic. Every team has ten networks with the same IPv4 subnets as every other team's, so that
overlap is the rule; a mesh of three, a hub with three spokes, and three on their own. The pods of a
network are spread over as many nodes as it has pods, or nearly: the most blocks, routes and peers.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address

from compiler.allocations import Allocations
from compiler.inventory import Pod
from compiler.names import NodeName, ObjectName

NETWORKS_OF_A_TEAM = 10
SERVICES_OF_A_NETWORK = 2

CLUSTER = b"""\
apiVersion: atoll.dev/v1alpha1
kind: ClusterConfig
metadata: {name: cluster}
spec:
  podRanges: [172.20.0.0/14, "fd20::/48"]
  serviceRanges: [172.30.0.0/16, "fd30::/108"]
  nodeRanges: [192.168.0.0/16, "fd40::/64"]
"""

ROLES = {0: "mesh", 1: "mesh", 2: "mesh", 3: "hub", 4: "spoke", 5: "spoke", 6: "spoke"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    nodes: int = 1_000
    teams: int = 100
    pods_of_a_network: int = 50

    @property
    def networks(self) -> list[ObjectName]:
        return [
            ObjectName(namespace=f"team-{team:03}", name=f"net-{index}")
            for team in range(self.teams)
            for index in range(NETWORKS_OF_A_TEAM)
        ]


def network_file(name: ObjectName, labels: str = "") -> bytes:
    team, index = int(name.namespace[5:]), int(name.name[4:])
    return f"""\
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata:
  name: {name.name}
  namespace: {name.namespace}
  labels: {{role: {labels or ROLES.get(index, "alone")}}}
spec:
  subnets: [10.{index}.0.0/16, "fd00:{team:x}:{index:x}::/64"]
""".encode()


def router_file(team: int, kind: str, role: str, partner: str = "") -> bytes:
    imports = f"""\
  import:
    virtualNetworkRouters:
      - virtualNetworkRouterSelector: {{matchLabels: {{role: {partner}}}}}
"""
    return f"""\
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetworkRouter
metadata: {{name: {role}, namespace: team-{team:03}, labels: {{role: {role}}}}}
spec:
  type: {kind}
  virtualNetworkSelector: {{matchLabels: {{role: {role}}}}}
{imports if partner else ""}""".encode()


def repository(size: Size) -> dict[str, bytes]:
    """One file for each object."""
    files = {"cluster.yaml": CLUSTER}
    for name in size.networks:
        files[f"{name.namespace}/{name.name}.yaml"] = network_file(name)
    for team in range(size.teams):
        files[f"team-{team:03}/mesh.yaml"] = router_file(team, "mesh", "mesh")
        files[f"team-{team:03}/hub.yaml"] = router_file(team, "hub", "hub", "spoke")
        files[f"team-{team:03}/spoke.yaml"] = router_file(team, "spoke", "spoke", "hub")
    return files


def pods(size: Size) -> list[Pod]:
    """Without addresses, as they are before the first compilation."""
    seats = [node % size.nodes for node in range(len(size.networks) * size.pods_of_a_network)]
    random.Random(1).shuffle(seats)
    return [
        Pod(
            name=ObjectName(namespace=network.namespace, name=f"{network.name}-{index:02}"),
            uid=f"uid-{network}-{index}",
            node=NodeName(f"node-{seats.pop():04}"),
            network=network.name,
        )
        for network in size.networks
        for index in range(size.pods_of_a_network)
    ]


def with_addresses(some: list[Pod], allocations: Allocations) -> list[Pod]:
    """Running: each pod has an address of a block of its network on its node, in each family."""
    free: dict[tuple[ObjectName, NodeName, int], int] = {}
    for name, entry in allocations.networks.items():
        for prefix, node in entry.blocks.items():
            free.setdefault((name, node, prefix.version), int(prefix.network_address) + 1)
    running = []
    for pod in some:
        addresses = []
        for version in (4, 6):
            assert pod.node is not None
            network = ObjectName(namespace=pod.name.namespace, name=pod.network or "")
            key = (network, pod.node, version)
            addresses.append(ip_address(free[key]))
            free[key] += 1
        running.append(replace(pod, addresses=tuple(addresses)))
    return running


def inventory_text(size: Size, some: list[Pod]) -> bytes:
    """As `kubectl get nodes,namespaces,pods,services,endpointslices -A -o json` prints it, or nearly."""
    items = [
        *(_node(index) for index in range(size.nodes)),
        *(_namespace(f"team-{team:03}") for team in range(size.teams)),
        _namespace("default"),
        _namespace("kube-system"),
        *(_pod(pod) for pod in some),
        *_services(size, some),
    ]
    return f'{{"apiVersion":"v1","kind":"List","items":[{",".join(items)}]}}'.encode()


def _node(index: int) -> str:
    v4, v6 = f"192.168.{index // 250}.{index % 250 + 1}", f"fd40::{index + 1:x}"
    addresses = ",".join(f'{{"type":"InternalIP","address":"{address}"}}' for address in (v4, v6))
    return (
        f'{{"apiVersion":"v1","kind":"Node","metadata":{{"name":"node-{index:04}","uid":"n{index}"}},'
        f'"spec":{{}},"status":{{"addresses":[{addresses}]}}}}'
    )


def _namespace(name: str) -> str:
    return (
        f'{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"{name}",'
        f'"labels":{{"kubernetes.io/metadata.name":"{name}"}}}}}}'
    )


_FILLING = (
    '"containers":[{"name":"main","image":"registry.example/shop/checkout:1.2.3","ports":[{"containerPort":8080}],'
    '"resources":{"requests":{"cpu":"100m","memory":"128Mi"}},"env":['
    + ",".join(f'{{"name":"SETTING_{n}","value":"some value of ordinary length {n}"}}' for n in range(12))
    + ']}],"tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute"}]'
)


def _pod(pod: Pod) -> str:
    addresses = ",".join(f'{{"ip":"{address}"}}' for address in pod.addresses)
    return (
        f'{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"{pod.name.name}",'
        f'"namespace":"{pod.name.namespace}","uid":"{pod.uid}",'
        f'"annotations":{{"atoll.dev/network":"{pod.network}"}},"labels":{{"app":"{pod.network}"}}}},'
        f'"spec":{{"nodeName":"{pod.node}",{_FILLING}}},'
        f'"status":{{"phase":"Running","podIPs":[{addresses}]}}}}'
    )


def _services(size: Size, some: list[Pod]) -> Iterator[str]:
    by_network: dict[ObjectName, list[Pod]] = {}
    for pod in some:
        by_network.setdefault(ObjectName(namespace=pod.name.namespace, name=pod.network or ""), []).append(
            pod
        )
    number = 256
    for network in size.networks:
        for index in range(SERVICES_OF_A_NETWORK):
            number += 1
            yield from _service(network, index, number, by_network[network][index::SERVICES_OF_A_NETWORK])
    yield from _infrastructure()


def _service(network: ObjectName, index: int, number: int, behind: list[Pod]) -> Iterator[str]:
    name = f"{network.name}-web-{index}"
    v4, v6 = ip_address(0xAC1E0000 + number), ip_address((0xFD30 << 112) + number)
    yield (
        f'{{"apiVersion":"v1","kind":"Service","metadata":{{"name":"{name}","namespace":"{network.namespace}"}},'
        f'"spec":{{"type":"ClusterIP","clusterIP":"{v4}","clusterIPs":["{v4}","{v6}"],'
        f'"ports":[{{"name":"http","protocol":"TCP","port":80}},{{"name":"https","protocol":"TCP","port":443}}]}}}}'
    )
    for family, position in (("IPv4", 0), ("IPv6", 1)):
        endpoints = ",".join(
            f'{{"addresses":["{pod.addresses[position]}"],"nodeName":"{pod.node}",'
            f'"conditions":{{"ready":true,"serving":true,"terminating":false}},'
            f'"targetRef":{{"kind":"Pod","name":"{pod.name.name}","namespace":"{pod.name.namespace}"}}}}'
            for pod in behind
            if pod.addresses
        )
        yield (
            f'{{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","addressType":"{family}",'
            f'"metadata":{{"name":"{name}-{family.lower()}","namespace":"{network.namespace}",'
            f'"labels":{{"kubernetes.io/service-name":"{name}"}}}},"endpoints":[{endpoints}],'
            '"ports":[{"name":"http","protocol":"TCP","port":8080},{"name":"https","protocol":"TCP","port":8443}]}'
        )


def _infrastructure() -> Iterator[str]:
    """DNS with two pods of the default network, an API server at three addresses."""
    for namespace, name, address, ports in (
        ("kube-system", "kube-dns", 10, (("dns", "UDP", 53), ("dns-tcp", "TCP", 53))),
        ("default", "kubernetes", 1, (("https", "TCP", 6443),)),
    ):
        listed = ",".join(f'{{"name":"{n}","protocol":"{p}","port":{number}}}' for n, p, number in ports)
        ips = ",".join(f'{{"addresses":["172.20.0.{address + n}"]}}' for n in range(3))
        yield (
            f'{{"apiVersion":"v1","kind":"Service","metadata":{{"name":"{name}","namespace":"{namespace}"}},'
            f'"spec":{{"clusterIP":"172.30.0.{address}","clusterIPs":["172.30.0.{address}"],"ports":[{listed}]}}}}'
        )
        yield (
            f'{{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","addressType":"IPv4",'
            f'"metadata":{{"name":"{name}-1","namespace":"{namespace}",'
            f'"labels":{{"kubernetes.io/service-name":"{name}"}}}},'
            f'"endpoints":[{ips}],"ports":[{listed}]}}'
        )
