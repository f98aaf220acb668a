"""A network's packets are tracked whatever other tables exempt (NodeLocal DNSCache does, for its address)."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from ipaddress import ip_address

import pytest

from cli.lab.namespace import Namespace
from compiler.plan import Access
from compiler.rendering import ruleset_of
from tests.compiler.sample_plans import RED, node_plan

CACHE = "169.254.20.10"
ASKING = replace(RED, peers=(), infrastructure=(Access(address=ip_address(CACHE), protocol="UDP", port=53),))
OURS = ruleset_of(node_plan(ASKING)).text
OTHER = """\
table ip other {
	chain exempts {
		type filter hook prerouting priority raw; udp dport 53 notrack
	}
	chain sees {
		type filter hook prerouting priority mangle; udp dport 53 ct state untracked counter
	}
}
"""


@pytest.fixture
def places() -> Iterator[tuple[Namespace, Namespace]]:
    """A node and a pod of a network on it."""
    with ExitStack() as cleanup:
        node, pod = (Namespace(f"tracking-{os.getpid()}-{name}") for name in ("node", "pod"))
        cleanup.callback(node.close)
        cleanup.callback(pod.close)
        node.ip(
            f"link add at0 group {RED.number} type veth peer name eth0 netns {pod.name}\n"
            "link set at0 up\n"
            "link set lo up\n"
            "route add 10.1.0.1/32 dev at0\n"
            f"address add {CACHE}/32 dev lo\n"
        )
        pod.ip("link set eth0 up\naddress add 10.1.0.1/32 dev eth0\nroute add default dev eth0\n")
        yield node, pod


@pytest.mark.parametrize("tables", [(OURS, OTHER), (OTHER, OURS)], ids=["ours first", "ours last"])
def test_another_table_does_not_exempt_a_networks_packets(
    places: tuple[Namespace, Namespace], tables: tuple[str, str]
) -> None:
    node, pod = places
    for table in tables:
        node.nft(table)
    with pod.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.sendto(b"?", (CACHE, 53))
    assert "untracked counter packets 0 " in node.run("nft", "list", "chain", "ip", "other", "sees")
    assert "counter packets 0 " in node.run("nft", "list", "chain", "inet", "atoll", "classify")
