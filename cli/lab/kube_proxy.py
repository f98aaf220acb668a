"""What other software keeps in nftables on a node: a stand-in for kube-proxy, and a host firewall.

The tables work like kube-proxy's nftables mode: they translate every Service to every endpoint, know
nothing of networks, drop what connection tracking calls invalid, and masquerade by a mark. Atoll has to
be right beside them, and they have to be the same bytes after it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cli.lab.traffic import Address

MASQUERADE_MARK = 0x4000


@dataclass(frozen=True, kw_only=True, slots=True)
class Forwarding:
    """One port of one Service in one family."""

    name: str
    protocol: str
    address: Address
    port: int
    endpoints: tuple[tuple[Address, int], ...]
    node_port: int | None = None

    @property
    def chain(self) -> str:
        return f"service-{self.name.replace('/', '-')}-{self.protocol}-{self.port}"


def kube_proxy_table(version: int, forwardings: Iterable[Forwarding], pods: object) -> str:
    """The table of one family, replaced as a whole."""
    family, source = ("ip", "ip saddr") if version == 4 else ("ip6", "ip6 saddr")
    target = source.replace("saddr", "daddr")
    own = [f for f in forwardings if f.address.version == version]
    served = [f for f in own if f.endpoints]
    services = [f"{f.address} . {f.protocol} . {f.port} : goto {f.chain}" for f in served]
    rejects = [f"{f.address} . {f.protocol} . {f.port} : goto no-endpoints" for f in own if not f.endpoints]
    node_ports = [f"{f.protocol} . {f.node_port} : goto {f.chain}" for f in served if f.node_port]
    chains = "".join(_service_chain(f, source, pods) for f in served)
    return f"""\
add table {family} kube-proxy
delete table {family} kube-proxy
table {family} kube-proxy {{
	map service-ips {{ typeof {target} . meta l4proto . th dport : verdict; {_elements(services)} }}
	map no-endpoint-services {{ typeof {target} . meta l4proto . th dport : verdict; {_elements(rejects)} }}
	map service-nodeports {{ typeof meta l4proto . th dport : verdict; {_elements(node_ports)} }}
{chains}
	chain no-endpoints {{ reject; }}
	chain services {{
		{target} . meta l4proto . th dport vmap @service-ips
		fib daddr type local meta l4proto . th dport vmap @service-nodeports
	}}
	chain filter-prerouting {{
		type filter hook prerouting priority dstnat - 10; policy accept;
		ct state new {target} . meta l4proto . th dport vmap @no-endpoint-services
	}}
	chain filter-forward {{
		type filter hook forward priority filter - 1; policy accept;
		ct state invalid drop
	}}
	chain nat-prerouting {{ type nat hook prerouting priority dstnat; policy accept; jump services; }}
	chain nat-output {{ type nat hook output priority -100; policy accept; jump services; }}
	chain nat-postrouting {{
		type nat hook postrouting priority srcnat; policy accept;
		meta mark & {MASQUERADE_MARK:#x} == 0 return
		meta mark set meta mark xor {MASQUERADE_MARK:#x}
		masquerade fully-random
	}}
	chain pods-leaving {{
		type nat hook postrouting priority srcnat + 1; policy accept;
		{source} {pods} {target} != {pods} fib daddr type != local oifname "eth0" masquerade
	}}
}}
"""


def other_tables() -> str:
    """Chains like those that iptables-nft and a host firewall leave."""
    return """\
add table ip filter
delete table ip filter
table ip filter {
	chain KUBE-FORWARD { ct state invalid drop; meta mark & 0x4000 == 0x4000 accept; }
	chain FORWARD { type filter hook forward priority filter; policy accept; jump KUBE-FORWARD; }
	chain INPUT { type filter hook input priority filter; policy accept; }
}
add table inet firewall
delete table inet firewall
table inet firewall {
	set banned { type ipv4_addr; flags interval; elements = { 192.0.2.0/24 }; }
	chain input { type filter hook input priority filter + 5; policy accept; ip saddr @banned drop; }
}
"""


def _service_chain(forwarding: Forwarding, source: str, pods: object) -> str:
    family = source.split()[0]
    total = len(forwarding.endpoints)
    targets = ", ".join(f"{index} : goto {_endpoint_chain(forwarding, index)}" for index in range(total))
    endpoints = "".join(
        f"\tchain {_endpoint_chain(forwarding, index)} {{\n"
        f"\t\t{source} {address} meta mark set meta mark or {MASQUERADE_MARK:#x}\n"
        f"\t\tmeta l4proto {forwarding.protocol} dnat {family} to {_with_port(address, port)}\n"
        "\t}\n"
        for index, (address, port) in enumerate(forwarding.endpoints)
    )
    return (
        f"{endpoints}\tchain {forwarding.chain} {{\n"
        f"\t\t{source} != {pods} meta mark set meta mark or {MASQUERADE_MARK:#x}\n"
        f"\t\tnumgen random mod {total} vmap {{ {targets} }}\n"
        "\t}\n"
    )


def _endpoint_chain(forwarding: Forwarding, index: int) -> str:
    return f"{forwarding.chain}-{index}"


def _with_port(address: Address, port: int) -> str:
    return f"{address}:{port}" if address.version == 4 else f"[{address}]:{port}"


def _elements(elements: list[str]) -> str:
    return f"elements = {{ {', '.join(elements)} }};" if elements else ""
