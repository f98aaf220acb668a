"""What a node's kernel holds beside the ruleset: links, addresses, routes, neighbours, rules.

Plain facts, in numbers, as a layout text or `ip -j` tells them; `verifier.routing` looks things up.
An address is a pair of family and number, (4, 0x0A000001), since a million of them are compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

from verifier.ruleset import Ruleset

Address: TypeAlias = tuple[int, int]
"""Family (4 or 6) and number."""

MAIN_TABLE: Final = 254
LOCAL_TABLE: Final = 255
DEFAULT_TABLE: Final = 253


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkAddress:
    address: Address
    length: int
    """Of the prefix that is on the link."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """A device. A pod port is a veth without `peer`: its other end is in another namespace."""

    name: str
    kind: str
    """`vrf`, `vxlan`, `veth`, "" for hardware, as `ip -d link` names it."""
    group: int = 0
    master: str | None = None
    lower: str | None = None
    """The device that it is built on, as VLANs and macvlans are."""
    table: int | None = None
    """VRF only."""
    vni: int | None = None
    """VXLAN only, as are `local` and `port`."""
    local: Address | None = None
    port: int | None = None
    mac: str = ""
    peer: str | None = None
    addresses: tuple[LinkAddress, ...] = ()
    up: bool = True


class RouteKind(StrEnum):
    UNICAST = "unicast"
    LOCAL = "local"
    BROADCAST = "broadcast"
    MULTICAST = "multicast"
    ANYCAST = "anycast"
    UNREACHABLE = "unreachable"
    BLACKHOLE = "blackhole"
    PROHIBIT = "prohibit"
    THROW = "throw"


TO_THE_NODE: Final = (
    RouteKind.LOCAL,
    RouteKind.BROADCAST,
    RouteKind.ANYCAST,
    RouteKind.MULTICAST,
)
"""What is routed so is for the node itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """`network` is the first address of the prefix, as a number; `via` may be of the other family."""

    family: int
    table: int
    network: int
    length: int
    link: str | None
    via: Address | None = None
    source: Address | None = None
    metric: int = 0
    kind: RouteKind = RouteKind.UNICAST


@dataclass(frozen=True, kw_only=True, slots=True)
class Neighbour:
    link: str
    address: Address
    mac: str
    lasting: bool = True
    """Set for good (NUD_PERMANENT); others the kernel has learned, and forgets."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ForwardingEntry:
    """VXLAN: frames for `mac` go to the node at `remote`."""

    link: str
    mac: str
    remote: Address
    lasting: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """A policy routing rule. `table` None: l3mdev, the table of the packet's VRF."""

    family: int
    priority: int
    table: int | None
    input_link: str | None = None
    chooses: str = ""
    """Selectors and actions that are not modelled: for which packets it decides is not known."""


def kernel_rules() -> tuple[Rule, ...]:
    """What a kernel has before anyone adds or deletes a rule."""
    return tuple(
        Rule(family=family, priority=priority, table=table)
        for family in (4, 6)
        for priority, table in ((0, LOCAL_TABLE), (32766, MAIN_TABLE), (32767, DEFAULT_TABLE))
        if family == 4 or table != DEFAULT_TABLE
    )


def vrf_rules() -> tuple[Rule, ...]:
    """What a kernel adds by itself with its first VRF (drivers/net/vrf.c)."""
    return tuple(Rule(family=family, priority=1000, table=None) for family in (4, 6))


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """A layout text gives only what Atoll puts there; routes of addresses on links are implied.

    `rules` is the complete list: a reader of a layout text starts from `kernel_rules`, adds `vrf_rules` if
    there is a VRF, then does what the lines say.
    """

    links: Mapping[str, Link] = field(default_factory=dict)
    routes: tuple[Route, ...] = ()
    rules: tuple[Rule, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    forwarding: tuple[ForwardingEntry, ...] = ()
    complete: bool = False
    """The routes are all that a kernel has, those of addresses on links among them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    name: str
    address: Address
    """On the underlay: where other nodes' forwarding entries lead."""
    state: State
    ruleset: Ruleset
