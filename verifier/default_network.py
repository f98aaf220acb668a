"""What a layout text leaves out because it is not Atoll's: the devices of the default network.

Assumed of every node: its addresses are on a device that its default routes lead to, and the default
network's pods there are behind a second device. Both are in interface group 0, as devices are that nobody
put elsewhere; so one of each stands for all. A state read from a kernel has its own and needs none of this.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from verifier.routing import LOOPBACK
from verifier.state import MAIN_TABLE, Address, Link, LinkAddress, Route, State

UNDERLAY: Final = "underlay"
"""To other nodes and the world."""
DEFAULT_PODS: Final = "default-pods"
"""To the node's pods of the default network."""

_BITS: Final = {4: 32, 6: 128}
_LOOPBACK: Final = Link(
    name=LOOPBACK,
    kind="",
    addresses=(
        LinkAddress(address=(4, 0x7F000001), length=8),
        LinkAddress(address=(6, 1), length=128),
    ),
)


def with_default_network(
    state: State, addresses: Iterable[Address], pods: Iterable[tuple[int, int, int]] = ()
) -> State:
    """`addresses` are the node's; `pods` are prefixes of the default network there: family, first, length.

    Every node must have addresses of its own, or what is sent to one would count as the node's.
    """
    own = tuple(LinkAddress(address=address, length=_BITS[address[0]]) for address in addresses)
    underlay = Link(name=UNDERLAY, kind="", addresses=own)
    bridge = Link(name=DEFAULT_PODS, kind="bridge")
    outward = [_main(family, 0, 0, UNDERLAY) for family in _BITS]
    inward = [_main(family, first, length, DEFAULT_PODS) for family, first, length in pods]
    links = {link.name: link for link in (_LOOPBACK, underlay, bridge)}
    return replace(state, links={**links, **state.links}, routes=(*state.routes, *outward, *inward))


def _main(family: int, network: int, length: int, link: str) -> Route:
    return Route(family=family, table=MAIN_TABLE, network=network, length=length, link=link)


def outside_links(state: State) -> tuple[str, ...]:
    """All devices by which packets of the default network come in: in no VRF, nor paired with one."""
    ours = {link.name for link in state.links.values() if _in_vrf(state, link)}
    ours |= {peer for name in ours if (peer := state.links[name].peer)}
    return tuple(
        link.name
        for link in state.links.values()
        if link.name not in ours and link.kind not in ("vrf", "vxlan") and link.name != LOOPBACK
    )


def _in_vrf(state: State, link: Link) -> bool:
    master = state.links.get(link.master or "")
    return master is not None and master.kind == "vrf"
