"""What one node must do, complete: from a NodePlan alone its layout and its ruleset follow.

A plan depends on networks, not on pods, but for `pods`: the bindings that let the agent answer a
CNI request. Parts that are equal on many nodes (a present network, a service) are one shared value,
which is what makes thousand-node compilations cheap. Plans carry names, not origins: a line that
moves in a file changes no plan.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network

from compiler.model import Address, Egress, Prefix
from compiler.names import NetworkNumber, NodeName, NodeNumber, ObjectName


class Presence(StrEnum):
    """Why a network is on a node."""

    PRESENT = "present"
    """A pod of the network runs here."""
    CARRIED = "carried"
    """It may talk to a present one, so its packets arrive here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """A prefix of a network's subnet that belongs to one node."""

    prefix: Prefix
    node: NodeNumber


def is_single(block: Prefix, subnets: Collection[Prefix]) -> bool:
    """Whether a block is one address out of a larger subnet: for the pod that asks for it, and no other."""
    return block.prefixlen == block.max_prefixlen and block not in subnets


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """A transport endpoint in the default network that a network may reach through its host link."""

    address: Address
    protocol: str
    """"TCP", "UDP" or "SCTP"."""
    port: int


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkPlan:
    """One network on one node; the same value on every node where the network is present."""

    number: NetworkNumber
    name: ObjectName
    presence: Presence
    zone: int
    """Conntrack zone: the smallest network number of its routing domain."""
    egress: Egress
    """NONE where carried: only its own pods leave the cluster from here."""
    subnets: tuple[Prefix, ...]
    blocks: tuple[Block, ...]
    """Every block of the network, this node's own among them, by node then prefix."""
    peers: tuple[NetworkNumber, ...]
    """Networks that it may talk to, itself not among them; where carried, those present here."""
    infrastructure: tuple[Access, ...]
    """Empty where carried: only its own pods ask for infrastructure."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteNode:
    number: NodeNumber
    name: NodeName
    address: Address
    """Underlay address: the far end of the VXLAN."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Backend:
    """One endpoint of a service port: where a translated connection may go."""

    network: NetworkNumber
    """DEFAULT_NETWORK for endpoints outside all networks."""
    node: NodeNumber | None
    address: Address
    port: int
    ready: bool = True
    """False: serving but terminating; used only while no visible backend is ready."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServicePlan:
    """One port of one Service in one address family."""

    name: ObjectName
    port_name: str
    addresses: tuple[Address, ...]
    """Cluster, external and load balancer addresses of the family."""
    protocol: str
    port: int
    client_affinity: bool
    local_only: bool
    """internalTrafficPolicy: Local: only backends of the client's own node."""
    backends: tuple[Backend, ...]
    infrastructure_of: tuple[NetworkNumber, ...] = ()
    """Networks of this plan that may use its default-network backends."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IsolatedService:
    """A Service with backends in networks, as everyone outside those networks meets it."""

    name: ObjectName
    addresses: tuple[Address, ...]
    node_ports: tuple[tuple[str, int], ...]
    """Protocol and port, closed on every node."""
    mixed: bool
    """It has backends in the default network too: those answer the default network's clients."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PodBinding:
    """A pod bound to this node, and its network: what the agent needs to answer ADD."""

    name: ObjectName
    uid: str
    network: NetworkNumber | None
    """None: the pod must wait; `refusal` says why. DEFAULT_NETWORK: not ours."""
    refusal: str = ""
    addresses: tuple[Address, ...] = ()
    """That it asks for by its annotation, at most one of each family; no other pod of the node gets them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Datapath:
    """Facts of the cluster that shape every node's datapath alike."""

    number_base: int
    vxlan_port: int
    mtu: int
    """Of the underlay, in bytes."""
    host_links_v4: IPv4Network
    host_links_v6: IPv6Network
    service_ranges: tuple[Prefix, ...]
    cluster_ranges: tuple[Prefix, ...]
    """Pod, service, node and host-link ranges: never reached by egress."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NodePlan:
    name: NodeName
    number: NodeNumber
    address: Address
    """The node's own underlay address."""
    datapath: Datapath
    remotes: tuple[RemoteNode, ...]
    """Nodes with which it exchanges packets of some network here, by number."""
    networks: tuple[NetworkPlan, ...]
    """By number."""
    services: tuple[ServicePlan, ...]
    """Those that some network present here may use, by name, port and family; backends likewise.

    On every node, too, mixed ones with their backends in the default network, for its clients.
    """
    isolated: tuple[IsolatedService, ...]
    """Every Service of the cluster with backends in networks, by name."""
    pods: tuple[PodBinding, ...]
    """The node's own pods, by name."""
