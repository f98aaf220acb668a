"""Nodes of golden cases as the verifier sees them, with pods at addresses that a test names."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from compiler.ruleset import set_text
from compiler.sets import SETS
from verifier.default_network import with_default_network
from verifier.layout_text import read_layout
from verifier.nft_text import Reader
from verifier.packets import Packet, Tracking
from verifier.state import Address, Node

GOLDEN = Path(__file__).parents[2] / "golden"
TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
_READER = Reader()
"""One for all: what kernels take over from each other is told by identity."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pod:
    """`tables` are those that reach it: its network's, and those of networks that it may talk to."""

    port: str
    network: int
    address: str
    tables: tuple[int, ...] = ()

    def lines(self) -> tuple[str, str]:
        """Of its link, and of its routes."""
        address = ip_address(self.address)
        family, length = address.version, address.max_prefixlen
        link = (
            f"# {self.port} is made by the agent: its other end is inside the pod\n"
            f"ip link set {self.port} group {self.network} address 0a:44:00:00:00:01 mtu 1450"
            f" master vn{self.network} up\n"
        )
        routes = "".join(
            f"ip -{family} route add {self.address}/{length} dev {self.port}"
            f" table {1000000 + table} proto 65\n"
            for table in self.tables or (self.network,)
        )
        inside = (
            f"100.64.0.{2 * self.network + 1}" if family == 4 else f"fd41:746f:6c6c::{2 * self.network + 1:x}"
        )
        probed = (
            f"ip -{family} route add {self.address}/{length} via {inside} dev hh{self.network}"
            " table 1000000 proto 65 onlink\n"
        )
        return link, routes + probed


def number(address: str) -> int:
    return int(ip_address(address))


def addressed(address: str) -> Address:
    parsed: IPv4Address | IPv6Address = ip_address(address)
    return parsed.version, int(parsed)


def layout(case: str, node: str, *pods: Pod) -> str:
    text = (GOLDEN / case / "expected" / node / "layout.txt").read_text()
    for pod in pods:
        link, routes = pod.lines()
        text = text.replace("# addresses\n", f"{link}# addresses\n", 1)
        text = text.replace("# rules\n", f"{routes}# rules\n", 1)
    return text


def ruleset(case: str, node: str) -> str:
    """The table of one node: goldens leave out empty sets."""
    sets = (GOLDEN / case / "expected" / node / "sets.nft").read_text()
    own = GOLDEN / case / "expected" / "chains.nft"
    chains = (own if own.exists() else GOLDEN / "chains.nft").read_text()
    there = {line.split()[1] for line in (sets + chains).splitlines() if line.startswith(("set ", "map "))}
    empty = "".join(set_text(spec, {}) for spec in SETS if spec.name not in there)
    return f"table inet atoll {{\n{sets}{empty}{chains}}}\n"


def node(
    case: str, name: str, *pods: Pod, layout_text: str | None = None, ruleset_text: str | None = None
) -> Node:
    """192.0.2.<n>, with default pods in 10.244.<n>.0/24."""
    at = int(name.removeprefix("node-"))
    addresses = (addressed(f"192.0.2.{at}"), addressed(f"2001:db8::{at}"))
    state = read_layout(layout_text or layout(case, name, *pods))
    return Node(
        name=name,
        address=addresses[0],
        state=with_default_network(state, addresses, ((4, number(f"10.244.{at}.0"), 24),)),
        ruleset=_READER.read(ruleset_text or ruleset(case, name)),
    )


def packet(
    source: str,
    destination: str,
    protocol: int = TCP,
    port: int = 80,
    tracking: Tracking = Tracking.NEW,
) -> Packet:
    family, saddr = addressed(source)
    return Packet(
        family=family,
        saddr=saddr,
        daddr=number(destination),
        protocol=protocol,
        dport=port,
        tracking=tracking,
    )
