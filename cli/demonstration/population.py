"""The demo's cluster as an API server holds it: what administrators, users and kubelets would have written.

Nodes have the addresses that the lab gives them by their numbers. A pod's addresses come when it has some.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Final

from cli.demonstration.cluster import NAMESPACES, NODE_PORT, PODS, PORT, SERVICES
from cli.lab.kubelets import ClusterNode, ClusterPod
from cli.lab.lab import NODE_RANGES, POD_RANGES, SERVICE_RANGES
from kube.api import Json

NODES: Final = ("node-1", "node-2")
SYSTEM_NAMESPACES: Final = ("default", "kube-system")
"""The API server makes them itself."""
_LENGTHS: Final = {4: 24, 6: 64}
"""Prefix lengths of a node's pod ranges."""
_PLAIN: Final = {
    "default/plain-1": "node-1",
    "default/plain-2": "node-2",
    "kube-system/coredns": "node-1",
}
"""Pods of the default network, with their nodes."""
_DNS: Final = "kube-system/kube-dns"
_APP: Final = "app"


def nodes() -> Iterator[ClusterNode]:
    for number, name in enumerate(NODES, start=1):
        addresses = tuple(str(ip_network(text)[number]) for text in NODE_RANGES.values())
        ranges = tuple(_pod_range(version, number) for version in POD_RANGES)
        yield ClusterNode(name=name, addresses=addresses, pod_ranges=ranges)


def _pod_range(version: int, number: int) -> str:
    """10.244.<number>.0/24 and fd00:10:244:<number>::/64."""
    whole, length = ip_network(POD_RANGES[version]), _LENGTHS[version]
    address = int(whole.network_address) + (number << (whole.max_prefixlen - length))
    return f"{IPv4Address(address) if version == 4 else IPv6Address(address)}/{length}"


def namespaces() -> Mapping[str, Mapping[str, str]]:
    """With their annotations."""
    return {name: _annotations(namespace.network) for name, namespace in NAMESPACES.items()}


def pods() -> Iterator[ClusterPod]:
    """Scheduled, without addresses."""
    service_of = {pod: service for service, members in SERVICES.items() for pod in members}
    for name, number, network in PODS:
        yield _pod(name, NODES[number - 1], service_of[name], network)
    for name, node in _PLAIN.items():
        yield _pod(name, node, _DNS if name.startswith("kube-system/") else name)


def _pod(full: str, node: str, service: str, network: str | None = None) -> ClusterPod:
    namespace, _slash, name = full.partition("/")
    labels = {_APP: service.partition("/")[2]}
    annotations = _annotations(network)
    return ClusterPod(namespace=namespace, name=name, node=node, labels=labels, annotations=annotations)


def services() -> Iterator[Json]:
    yield _service(_DNS, 10, port=53, target=53)
    for index, name in enumerate(SERVICES, start=20):
        yield _service(name, index, port=PORT, target=8080, node_port=NODE_PORT if name == "shop/web" else 0)


def _service(full: str, index: int, *, port: int, target: int, node_port: int = 0) -> Json:
    """The one with the addresses number `index` of the Service ranges."""
    namespace, _slash, name = full.partition("/")
    addresses = [str(ip_network(text)[index]) for text in SERVICE_RANGES.values()]
    given = {"nodePort": node_port} if node_port else {}
    ports: Sequence[Json] = [
        {"name": protocol.lower(), "protocol": protocol, "port": port, "targetPort": target, **given}
        for protocol in ("TCP", "UDP")
    ]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {
            "type": "NodePort" if node_port else "ClusterIP",
            "clusterIP": addresses[0],
            "clusterIPs": addresses,
            "ipFamilyPolicy": "RequireDualStack",
            "ipFamilies": ["IPv4", "IPv6"],
            "selector": {_APP: name},
            "ports": ports,
        },
    }


def _annotations(network: str | None) -> Mapping[str, str]:
    return {"atoll.dev/network": network} if network else {}
