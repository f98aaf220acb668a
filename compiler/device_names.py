"""Names, groups and hardware addresses of the devices on a node: all follow from two numbers.

Interface groups carry the network's number, so that nftables can match it on any device: N on a
network's VRF, VXLAN and pod ports, HOST_LINK_GROUP + N on the VRF's end of its host link.
"""

from __future__ import annotations

import hashlib
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

from compiler.names import MAX_NUMBER, NetworkNumber, NodeNumber, ObjectName

FIRST_GROUP: Final = 1
LAST_GROUP: Final = MAX_NUMBER
HOST_LINK_GROUP: Final = 65536
"""Added to a network's number: the group of `ah<N>`."""
OUTSIDE_GROUP: Final = 2 * 65536
"""The group of every `hh<N>`, the host links' ends outside the VRFs."""

ROUTE_PROTOCOL: Final = 65
"""Marks routes and rules as ours (rtnetlink's `proto`; the registry leaves 65 to 185 unassigned)."""
VRF_MTU: Final = 65575
"""A VRF device's default; it is never the bottleneck."""

POD_GATEWAY_V4: Final = IPv4Address("169.254.1.1")
POD_GATEWAY_V6: Final = IPv6Address("fe80::1")
PORT_MAC: Final = "0a:44:00:00:00:01"
"""Every pod port's: each is alone with its pod, so they may be equal."""


def vrf_name(network: NetworkNumber) -> str:
    return f"vn{network}"


def alt_name(network: ObjectName) -> str | None:
    """`namespace.name`: what `ip link show` takes beside the number; it refuses a slash.

    Namespaces hold no dot, so the first one parts the two. None where it is too long (ALTIFNAMSIZ).
    """
    name = f"{network.namespace}.{network.name}"
    return name if len(name) < 128 else None


def vxlan_name(network: NetworkNumber) -> str:
    return f"vx{network}"


def host_link_name(network: NetworkNumber) -> str:
    """The end inside the VRF."""
    return f"ah{network}"


def outside_name(network: NetworkNumber) -> str:
    """The end outside the VRF."""
    return f"hh{network}"


def port_name(container: str, interface: str) -> str:
    """The host end of a pod's link: within the 15 characters of IFNAMSIZ, distinct for 2^48 pods."""
    return "at" + hashlib.sha256(f"{container}/{interface}".encode()).hexdigest()[:12]


def pod_mac(container: str, interface: str) -> str:
    """Of the pod's end of its link: steady for as long as the container lives."""
    digest = hashlib.sha256(f"{container}/{interface}".encode()).digest()
    return ":".join(f"{octet:02x}" for octet in (0x0A, 0x50, *digest[:4]))


def _mac(kind: int, node: int, network: int) -> str:
    octets = (0x0A, kind, node >> 8, node & 0xFF, network >> 8, network & 0xFF)
    return ":".join(f"{octet:02x}" for octet in octets)


def vxlan_mac(node: NodeNumber, network: NetworkNumber) -> str:
    """Known to every node without asking: locally administered, from the two numbers."""
    return _mac(0x41, node, network)


def host_link_mac(network: NetworkNumber) -> str:
    return _mac(0x42, 0, network)


def outside_mac(network: NetworkNumber) -> str:
    return _mac(0x43, 0, network)


def next_hop(node: NodeNumber) -> IPv6Address:
    """A node's link-local address on every VXLAN: no route of a VRF can cover it (docs/datapath)."""
    return IPv6Address((0xFE80 << 112) | node)


def outside_address(links: IPv4Network | IPv6Network, network: NetworkNumber) -> IPv4Address | IPv6Address:
    """The even address of the network's /31 or /127: the node's side of the host link."""
    return links.network_address + 2 * network


def host_link_address(links: IPv4Network | IPv6Network, network: NetworkNumber) -> IPv4Address | IPv6Address:
    """The odd address: the VRF's side."""
    return links.network_address + 2 * network + 1
