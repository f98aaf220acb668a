"""A node's links, rules, routes, neighbours and forwarding entries, as inert values.

The desired layout follows from the plan and the attachments; the agent reads the same values back
from the kernel, and the difference is what it does. The text form is input for `ip -batch` and
`bridge -batch`, so that an engineer can read it and try it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from compiler.model import Address, Prefix
from compiler.names import NetworkNumber


class LinkKind(StrEnum):
    VRF = "vrf"
    VXLAN = "vxlan"
    HOST_LINK = "host link"
    """A veth pair; `name` is the end inside the VRF, `peer` the end outside."""
    POD_PORT = "pod port"
    """A veth; its peer is in the pod's network namespace, so a layout never creates it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    name: str
    kind: LinkKind
    group: int
    mac: str
    mtu: int
    master: str | None = None
    alt_name: str | None = None
    """`namespace.name` of the network, for the eyes."""
    table: int | None = None
    """VRF only."""
    vni: int | None = None
    """VXLAN only, as are `local` and `port`."""
    local: Address | None = None
    port: int | None = None
    peer: str | None = None
    """Host link only, as are `peer_mac` and `peer_group`."""
    peer_mac: str | None = None
    peer_group: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkAddress:
    link: str
    address: Address
    prefix_length: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """`via` may be of the other family (RFC 5549); None: the destination is on the link."""

    table: int
    prefix: Prefix
    link: str | None
    """None: an unreachable route (read from a kernel; a plan has none)."""
    via: Address | None = None
    source: Address | None = None
    metric: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Neighbour:
    """A permanent neighbour entry."""

    link: str
    address: Address
    mac: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ForwardingEntry:
    """A permanent VXLAN forwarding entry: frames for `mac` go to `remote`."""

    link: str
    mac: str
    remote: Address


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """A policy routing rule of one family."""

    family: int
    """4 or 6."""
    priority: int
    table: int | None
    """None: l3mdev."""
    input_link: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    links: frozenset[Link]
    addresses: frozenset[LinkAddress]
    routes: frozenset[Route]
    neighbours: frozenset[Neighbour]
    forwarding: frozenset[ForwardingEntry]
    rules: frozenset[Rule]


@dataclass(frozen=True, kw_only=True, slots=True)
class Attachment:
    """One pod port on one node."""

    container: str
    """CNI container ID."""
    interface: str
    """Name inside the pod."""
    pod: str
    """`namespace/name`, for the eyes."""
    network: NetworkNumber
    addresses: tuple[Address, ...]
    port: str
    """Name of the host end, `at` and twelve hexadecimal digits."""
    mac: str
    """Of the pod's end."""
