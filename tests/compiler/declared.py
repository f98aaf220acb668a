"""Declarations in one line each, for tests of what they mean. Every object has a line of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_network

from compiler.inventory import Namespace
from compiler.model import (
    DEFAULT_INFRASTRUCTURE,
    ClusterConfig,
    Declarations,
    Egress,
    InfrastructurePlace,
    InfrastructureService,
    LabelSelector,
    Operator,
    Requirement,
    RouterImport,
    RouterType,
    Subnet,
    VirtualNetwork,
    VirtualNetworkRouter,
)
from compiler.names import ObjectName
from compiler.problem import Origin

EVERYTHING = LabelSelector()


def name(text: str) -> ObjectName:
    return ObjectName.parse(text, default_namespace="team-a")


def names(*texts: str) -> frozenset[ObjectName]:
    return frozenset(name(text) for text in texts)


def where(**labels: str) -> LabelSelector:
    """`matchLabels`."""
    return LabelSelector(
        requirements=tuple(
            Requirement(key=key, operator=Operator.IN, values=frozenset((value,)))
            for key, value in labels.items()
        )
    )


def network(
    text: str,
    *subnets: str,
    line: int = 1,
    allowed: LabelSelector | None = None,
    infrastructure: tuple[InfrastructureService, ...] = DEFAULT_INFRASTRUCTURE,
    egress: Egress = Egress.NONE,
    labels: Mapping[str, str] | None = None,
    **more_labels: str,
) -> VirtualNetwork:
    origin = Origin(path="networks.yaml", line=line)
    return VirtualNetwork(
        name=name(text),
        labels={**(labels or {}), **more_labels},
        subnets=tuple(Subnet(prefix=ip_network(subnet), origin=origin) for subnet in subnets),
        allowed_namespaces=allowed,
        infrastructure=infrastructure,
        egress=egress,
        origin=origin,
    )


def router(
    text: str,
    kind: str,
    selector: LabelSelector = EVERYTHING,
    *,
    imports: Iterable[tuple[LabelSelector, LabelSelector | None]] = (),
    line: int = 1,
    **labels: str,
) -> VirtualNetworkRouter:
    origin = Origin(path="routers.yaml", line=line)
    return VirtualNetworkRouter(
        name=name(text),
        labels=labels,
        type=RouterType(kind),
        network_selector=selector,
        imports=tuple(
            RouterImport(router_selector=routers, namespace_selector=namespaces, origin=origin)
            for routers, namespaces in imports
        ),
        origin=origin,
    )


def cluster_config(
    *,
    dns: InfrastructurePlace | None = None,
    api: InfrastructurePlace | None = None,
) -> ClusterConfig:
    return ClusterConfig(
        pod_ranges=(ip_network("10.244.0.0/16"), ip_network("fd00:244::/48")),
        service_ranges=(ip_network("10.96.0.0/16"), ip_network("fd00:96::/112")),
        node_ranges=(ip_network("192.0.2.0/24"), ip_network("2001:db8::/64")),
        dns=dns or InfrastructurePlace(service=name("kube-system/kube-dns")),
        api=api or InfrastructurePlace(service=name("default/kubernetes")),
        origin=Origin(path="cluster.yaml", line=1),
    )


def place(
    service: str | None, *addresses: str, ports: tuple[tuple[str, int], ...] = ()
) -> InfrastructurePlace:
    return InfrastructurePlace(
        service=name(service) if service else None,
        addresses=tuple(map(ip_address, addresses)),
        ports=ports,
    )


def declarations(*objects: VirtualNetwork | VirtualNetworkRouter) -> Declarations:
    return Declarations(
        revision="",
        config=cluster_config(),
        networks=tuple(one for one in objects if isinstance(one, VirtualNetwork)),
        routers=tuple(one for one in objects if isinstance(one, VirtualNetworkRouter)),
    )


def namespaces(**labels: Mapping[str, str]) -> dict[str, Namespace]:
    """Namespaces by name, an underscore standing for a hyphen."""
    return {
        (text := key.replace("_", "-")): Namespace(name=text, labels=value) for key, value in labels.items()
    }
