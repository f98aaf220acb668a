"""The declarations of one commit, parsed: networks, routers and the cluster configuration.

These classes, the JSON Schemas and the CRDs in `schemas/` say the same; `tests/compiler/test_schemas.py`
holds them equal. Nothing here refers to the cluster's state, which is the inventory's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from compiler.names import ObjectName
from compiler.problem import Origin

Address = IPv4Address | IPv6Address
Prefix = IPv4Network | IPv6Network


class Operator(StrEnum):
    """The operators of a Kubernetes label selector expression."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


@dataclass(frozen=True, kw_only=True, slots=True)
class Requirement:
    """One label selector expression."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        match self.operator:
            case Operator.IN:
                return labels.get(self.key) in self.values
            case Operator.NOT_IN:
                return labels.get(self.key) not in self.values
            case Operator.EXISTS:
                return self.key in labels
            case Operator.DOES_NOT_EXIST:
                return self.key not in labels


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelSelector:
    """A Kubernetes label selector: all requirements hold; the empty selector matches everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(requirement.matches(labels) for requirement in self.requirements)


class Egress(StrEnum):
    """How pods of a network leave the cluster."""

    NONE = "none"
    SNAT = "snat"


class InfrastructureKeyword(StrEnum):
    """The two pieces of infrastructure whose place ClusterConfig knows."""

    DNS = "dns"
    API = "api"


InfrastructureService = InfrastructureKeyword | ObjectName
DEFAULT_INFRASTRUCTURE: tuple[InfrastructureService, ...] = (
    InfrastructureKeyword.DNS,
    InfrastructureKeyword.API,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Subnet:
    """One subnet of a network, in the order declared; pods get addresses from its blocks."""

    prefix: Prefix
    origin: Origin


@dataclass(frozen=True, kw_only=True, slots=True)
class VirtualNetwork:
    """An isolated address space, as declared."""

    name: ObjectName
    labels: Mapping[str, str]
    subnets: tuple[Subnet, ...]
    allowed_namespaces: LabelSelector | None = None
    """Other namespaces whose pods may join. None: no other namespace."""
    infrastructure: tuple[InfrastructureService, ...] = DEFAULT_INFRASTRUCTURE
    egress: Egress = Egress.NONE
    origin: Origin


class RouterType(StrEnum):
    MESH = "mesh"
    HUB = "hub"
    SPOKE = "spoke"


@dataclass(frozen=True, kw_only=True, slots=True)
class RouterImport:
    """One entry of `spec.import.virtualNetworkRouters`: consent to the routers that it selects."""

    router_selector: LabelSelector
    namespace_selector: LabelSelector | None = None
    """None: the router's own namespace."""
    origin: Origin


@dataclass(frozen=True, kw_only=True, slots=True)
class VirtualNetworkRouter:
    """Declares that networks may talk, as declared."""

    name: ObjectName
    labels: Mapping[str, str]
    type: RouterType
    network_selector: LabelSelector
    """Selects networks of the router's own namespace."""
    imports: tuple[RouterImport, ...] = ()
    origin: Origin


@dataclass(frozen=True, kw_only=True, slots=True)
class InfrastructurePlace:
    """Where a piece of infrastructure is: a Service of the default network, or plain addresses."""

    service: ObjectName | None
    addresses: tuple[Address, ...] = ()
    """Reached directly, beside the Service's endpoints: a node-local DNS cache, an external API server."""
    ports: tuple[tuple[str, int], ...] = ()
    """Protocol ("TCP", "UDP", "SCTP") and port for `addresses`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Bounds whose crossing is refused or reported at review time."""

    max_deleted_share: float = 0.3
    """A commit that deletes more than this share of the networks needs an override."""
    max_networks_per_node: int = 500
    address_warning_share: float = 0.8
    """Warn when a network's subnets are allocated to blocks beyond this share."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterConfig:
    """The cluster's facts that a declaration author may know and the compiler needs."""

    pod_ranges: tuple[Prefix, ...]
    service_ranges: tuple[Prefix, ...]
    node_ranges: tuple[Prefix, ...]
    dns: InfrastructurePlace
    api: InfrastructurePlace
    block_size_v4: int = 28
    """Prefix length of the IPv4 blocks that go to nodes."""
    block_size_v6: int = 122
    number_base: int = 1_000_000
    """VRF table and VNI of network N are base + N; base + 0 is the host table. VNIs have 24 bits."""
    vxlan_port: int = 14789
    mtu: int = 1500
    """Of the underlay, in bytes."""
    host_links_v4: IPv4Network = IPv4Network("100.64.0.0/15")
    """A /31 for each network number: 2 * 65536 addresses."""
    host_links_v6: IPv6Network = IPv6Network("fd41:746f:6c6c::/111")
    limits: Limits = field(default_factory=Limits)
    confirm_deletion_of: tuple[ObjectName, ...] = ()
    """The override: networks whose deletion this commit means, pods in use and shares notwithstanding."""
    origin: Origin
    deletions_origin: Origin | None = None
    """Where `confirmDeletionOf` is written, if it is."""
    limits_origin: Origin | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Declarations:
    """All objects of one commit, each tuple sorted by name."""

    revision: str
    """Git commit, or "" for a plain directory."""
    config: ClusterConfig
    networks: tuple[VirtualNetwork, ...]
    routers: tuple[VirtualNetworkRouter, ...]
