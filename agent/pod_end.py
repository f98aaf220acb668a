"""Inside a pod's network namespace: its interface, addresses, default routes, permanent gateway.

Nothing is discovered: the gateway is a link-local address with a permanent neighbour entry, and
IPv6 addresses skip duplicate detection, so that a pod can send the moment ADD returns.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Final

from agent import messages, observe
from agent.actions import Entry, describe
from agent.kernel import Failure, KernelRefused, PodEnd
from agent.rtnetlink import Rtnetlink
from agent.sysctls import write_settings
from compiler.device_names import POD_GATEWAY_V4, POD_GATEWAY_V6, PORT_MAC
from compiler.layout import LinkAddress, Neighbour, Route

_MAIN_TABLE: Final = 254
_SETTINGS: Final = (
    ("ipv4", "rp_filter", "0"),
    ("ipv6", "disable_ipv6", "0"),
    ("ipv6", "accept_dad", "0"),
    ("ipv6", "accept_ra", "0"),
    ("ipv6", "autoconf", "0"),
)


def configure(end: PodEnd) -> None:
    """Called inside the namespace. Raises KernelRefused, naming what failed."""
    write_settings(end.interface, _SETTINGS)
    netlink = Rtnetlink()
    try:
        indexes = messages.Indexes()
        entries = pod_entries(end)
        titles = [f"bring {end.interface} up", *(f"put {describe(entry)}" for entry in entries)]
        requests = [
            messages.set_link(indexes[end.interface]),
            *(messages.put(entry, indexes) for entry in entries),
        ]
        if refusals := netlink.batch(requests):
            raise KernelRefused(
                [Failure(action=f"in the pod: {titles[r.index]}", reason=str(r)) for r in refusals]
            )
    finally:
        netlink.close()


def pod_entries(end: PodEnd) -> tuple[Entry, ...]:
    """What a pod's interface holds, in an order that the kernel accepts."""
    entries: list[Entry] = [
        LinkAddress(link=end.interface, address=address, prefix_length=address.max_prefixlen)
        for address in end.addresses
    ]
    for version in sorted({address.version for address in end.addresses}):
        gateway = POD_GATEWAY_V4 if version == 4 else POD_GATEWAY_V6
        everything = IPv4Network("0.0.0.0/0") if version == 4 else IPv6Network("::/0")
        entries.append(Neighbour(link=end.interface, address=gateway, mac=PORT_MAC))
        entries.append(Route(table=_MAIN_TABLE, prefix=everything, link=end.interface, via=gateway))
    return tuple(entries)


def problem_of(end: PodEnd) -> str | None:
    """What is missing, or None. Called inside the namespace."""
    netlink = Rtnetlink()
    try:
        device = next((d for d in observe.read_devices(netlink) if d.name == end.interface), None)
        if device is None:
            return f"{end.interface} does not exist in {end.netns}"
        if not device.up or device.mac != end.mac:
            return f"{end.interface} is down, or is not the interface that ADD made"
        links = {device.index: device.name}
        held: set[Entry] = {
            *observe.read_addresses(netlink, links),
            *observe.read_neighbours(netlink, links),
            *observe.read_routes(netlink, links),
        }
        missing = [entry for entry in pod_entries(end) if entry not in held]
        return f"{end.interface} lacks {describe(missing[0])}" if missing else None
    finally:
        netlink.close()
