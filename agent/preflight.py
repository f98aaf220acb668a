"""What the kernel must be able to do, tried in a scratch namespace; and what on this node is in the way.

A missing feature ends the start, with its remedy. A warning does not: the isolation holds, but
something that should work may not.
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, Final

import nftables

from agent import messages
from agent.actions import Put
from agent.messages import Indexes
from agent.netns import inside_new
from agent.nft import Libnftables, NftRefused
from agent.observe import Device, is_ours, read_devices
from agent.rtnetlink import Rtnetlink
from agent.sysctls import LINK_SETTINGS, read_global, write_settings
from compiler import device_names as names
from compiler.layout import Link, LinkKind, Route
from compiler.names import NetworkNumber
from compiler.ruleset import TABLE


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    subject: str
    reason: str
    remedy: str
    missing: bool
    """A feature without which nothing works; else a warning."""

    def __str__(self) -> str:
        return f"{self.subject}: {self.reason}. {self.remedy}."


MINIMUM_KERNEL: Final = (6, 1)
_KERNEL_REMEDY: Final = (
    "Use a distribution kernel of 6.1 or newer; cloud and minimal images often leave modules out"
    " (Debian: linux-image-amd64, Ubuntu: linux-modules-extra)"
)
_NFT_PROBES: Final = (
    ("nftables", "nf_tables", ""),
    ("nftables reverse-path lookup (fib)", "nft_fib_inet", "fib saddr . iif oif missing drop"),
    ("nftables interface groups", "nft_meta", "iifgroup 1-65534 oifgroup 7 accept"),
    ("nftables kind of interface", "nft_meta", 'meta iifkind != "vrf" accept'),
    ("nftables conntrack zones", "nft_ct", "ct zone set 7"),
    ("nftables notrack", "nft_ct", "udp dport 14789 notrack"),
    ("nftables numgen", "nft_numgen", "meta mark set numgen random mod 4 offset 16"),
    ("nftables jhash", "nft_hash", "meta mark set jhash ip saddr mod 4 seed 0x1 offset 16"),
    ("nftables reject", "nft_reject_inet", "reject with icmpx admin-prohibited"),
)
"""Feature, module, a rule of a prerouting or, for reject, input chain that needs it."""
_NAT_PROBES: Final = (
    ("nftables NAT", "nft_chain_nat", "postrouting", "snat ip to 192.0.2.1"),
    ("nftables masquerade", "nft_masq", "postrouting", "masquerade"),
)
_SCRATCH: Final = NetworkNumber(7)


def missing_features() -> tuple[Finding, ...]:
    """Probed in a namespace of its own, gone afterwards; loads modules as a side effect."""
    try:
        return (
            *version_findings(os.uname().release),
            *inside_new(lambda: (*_link_findings(), *_nft_findings())),
        )
    except OSError as error:
        reason = f"a scratch network namespace cannot be made: {error}"
        remedy = "Run the agent as root, or with CAP_SYS_ADMIN and CAP_NET_ADMIN"
        return (Finding(subject="privileges", reason=reason, remedy=remedy, missing=True),)


def _missing(subject: str, reason: str, module: str) -> Finding:
    remedy = f"Try `modprobe {module}`. {_KERNEL_REMEDY}"
    return Finding(subject=subject, reason=reason, remedy=remedy, missing=True)


def version_findings(release: str) -> Iterator[Finding]:
    version = tuple(int(part) for part in re.findall(r"\d+", release)[:2])
    if version < MINIMUM_KERNEL:
        yield Finding(
            subject=f"kernel {release}",
            reason="reverse-path lookups in VRFs are wrong before 6.1, so spoofed sources would pass",
            remedy=_KERNEL_REMEDY,
            missing=True,
        )


def _link_findings() -> Iterator[Finding]:
    netlink = Rtnetlink()
    try:
        for subject, module, link in _link_probes():
            refusals = netlink.batch([messages.create_link(link)])
            if refusals:
                lacking = refusals[0].errno in (errno.EOPNOTSUPP, errno.ENOENT)
                reason = "the kernel has no such devices" if lacking else str(refusals[0])
                yield _missing(subject, reason, module)
        devices = {device.name: device for device in read_devices(netlink)}
        host_link = devices.get(names.host_link_name(_SCRATCH))
        if host_link is not None and host_link.group != names.HOST_LINK_GROUP + _SCRATCH:
            yield _missing("interface groups", "a device does not keep its group", "veth")
        yield from _route_findings(netlink, devices)
        yield from _setting_findings(devices)
    finally:
        netlink.close()


def _link_probes() -> tuple[tuple[str, str, Link], ...]:
    def link(name: str, kind: LinkKind, **more: Any) -> Link:
        return Link(name=name, kind=kind, group=_SCRATCH, mac="0a:44:00:00:00:07", mtu=1400, **more)

    host_link = Link(
        name=names.host_link_name(_SCRATCH),
        kind=LinkKind.HOST_LINK,
        group=names.HOST_LINK_GROUP + _SCRATCH,
        mac=names.host_link_mac(_SCRATCH),
        mtu=1400,
        peer=names.outside_name(_SCRATCH),
        peer_mac=names.outside_mac(_SCRATCH),
        peer_group=names.OUTSIDE_GROUP,
    )
    overlay = {"vni": 1_000_007, "local": ip_address("192.0.2.1"), "port": 14789}
    return (
        ("VRF", "vrf", link(names.vrf_name(_SCRATCH), LinkKind.VRF, table=1_000_007)),
        ("VXLAN", "vxlan", link(names.vxlan_name(_SCRATCH), LinkKind.VXLAN, **overlay)),
        ("veth", "veth", host_link),
    )


def _route_findings(netlink: Rtnetlink, devices: dict[str, Device]) -> Iterator[Finding]:
    """IPv4 routes by IPv6 next hops, which need kernel 5.2 and IPv6 not disabled at boot."""
    name = names.host_link_name(_SCRATCH)
    if name not in devices:
        return
    route = Route(table=1_000_007, prefix=ip_network("192.0.2.0/24"), link=name, via=IPv6Address("fe80::7"))
    indexes = Indexes()
    up = messages.set_link(indexes[name])
    for refusal in netlink.batch([up, messages.put(route, indexes)]):
        remedy = "Boot without `ipv6.disable=1`: next hops between nodes are IPv6, whatever pods use"
        yield Finding(subject=f"{Put(entry=route)}", reason=str(refusal), remedy=remedy, missing=True)


def _setting_findings(devices: dict[str, Device]) -> Iterator[Finding]:
    name = names.host_link_name(_SCRATCH)
    if name not in devices:
        return
    try:
        write_settings(name, LINK_SETTINGS)
    except OSError as error:
        remedy = "Mount /proc/sys writable in the agent's container"
        yield Finding(subject="settings of interfaces", reason=str(error), remedy=remedy, missing=True)


def _nft_findings() -> Iterator[Finding]:
    nft = Libnftables()
    probes: list[tuple[str, str, str, str, str]] = [
        (subject, module, "filter", "input" if "reject" in rule else "prerouting", rule)
        for subject, module, rule in _NFT_PROBES
    ]
    probes += [(subject, module, "nat", hook, rule) for subject, module, hook, rule in _NAT_PROBES]
    for subject, module, kind, hook, rule in probes:
        chain = f"chain probe {{ type {kind} hook {hook} priority 0; {rule}\n }}\n"
        try:
            nft.run(f"table {TABLE} {{ {chain} }}\ndelete table {TABLE}\n")
        except NftRefused as error:
            yield _missing(subject, str(error).splitlines()[0], module)


def warnings() -> tuple[Finding, ...]:
    """About this node's own namespace, which is only read."""
    return (*_forwarding_warnings(), *_device_warnings(), *_chain_warnings())


def _warning(subject: str, reason: str, remedy: str) -> Finding:
    return Finding(subject=subject, reason=reason, remedy=remedy, missing=False)


def _forwarding_warnings() -> Iterator[Finding]:
    for family, name in (("ipv4", "ip_forward"), ("ipv6", "conf/all/forwarding")):
        if read_global(family, name) == "0":
            setting = f"net.{family}.{name.replace('/', '.')}"
            yield _warning(
                setting,
                f"it is 0, so no pod reaches anything by {family.replace('ipv', 'IPv')}",
                f"Set `sysctl -w {setting}=1`",
            )


def _device_warnings() -> Iterator[Finding]:
    netlink = Rtnetlink()
    try:
        devices = list(read_devices(netlink))
    finally:
        netlink.close()
    for device in devices:
        if 0 < device.group <= names.OUTSIDE_GROUP and not is_ours(device):
            yield _warning(
                f"device {device.name}",
                f"it is not Atoll's but in interface group {device.group}, which Atoll uses",
                f"Move it: `ip link set {device.name} group 0`",
            )
        if device.name == "cilium_host":
            yield _warning(
                "Cilium",
                "its socket load balancer rewrites addresses before a pod's packets exist",
                "Set socketLB.hostNamespaceOnly=true in Cilium's configuration",
            )


def _chain_warnings() -> Iterator[Finding]:
    """An accept is final only for its own table: another table's drop policy still drops."""
    for chain in _foreign_chains():
        if chain.get("hook") == "forward" and chain.get("policy") == "drop":
            place = f"{chain.get('family')} {chain.get('table')} {chain.get('name')}"
            yield _warning(
                f"nftables chain {place}",
                "it drops forwarded packets by policy, those between pods of a network too",
                f"Let it accept interface groups 1-{names.OUTSIDE_GROUP},"
                f" as by `nft add rule {place} iifgroup != 0 accept`",
            )


def _foreign_chains(make: Callable[[], Any] = nftables.Nftables) -> Iterator[dict[str, Any]]:
    context = make()
    context.set_json_output(True)
    code, output, _ = context.cmd("list chains")
    entries = json.loads(output).get("nftables", []) if code == 0 and output else []
    for entry in entries:
        chain = entry.get("chain")
        if chain is not None and f"{chain.get('family')} {chain.get('table')}" != TABLE:
            yield chain
