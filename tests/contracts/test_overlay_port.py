"""What the real nft lets through to the overlay's port: packets of known nodes, from where those are."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from cli.lab.namespace import Namespace
from compiler.rendering import ruleset_of
from tests.compiler.sample_plans import node_plan

PLAN = node_plan()
NODE, POD = str(PLAN.address), "10.244.1.9"
KNOWN, UNKNOWN = str(PLAN.remotes[0].address), "192.168.0.77"


class Underlay:
    """The node of the sample plan, another machine beside it, and a pod of the default network on it."""

    def __init__(self, cleanup: ExitStack) -> None:
        self._name = f"overlay-{os.getpid()}"
        self._cleanup = cleanup
        self.node, self.pod, self.machine = (self._place(name) for name in ("node", "pod", "machine"))
        self.node.ip(
            f"link add pod0 type veth peer name eth0 netns {self.pod.name}\n"
            f"link add eth0 type veth peer name eth0 netns {self.machine.name}\n"
            "link set pod0 up\n"
            "link set eth0 up\n"
            f"address add {NODE}/24 dev eth0\n"
            "address add 10.244.1.1/32 dev pod0\n"
            f"route add {POD} dev pod0\n"
        )
        self.pod.ip(f"link set eth0 up\naddress add {POD}/32 dev eth0\nroute add default dev eth0\n")
        self.machine.ip(f"link set eth0 up\naddress add {KNOWN}/24 dev eth0\n")
        for setting in ("all", "eth0", "pod0"):
            self.node.run("sysctl", "-qw", f"net.ipv4.conf.{setting}.rp_filter=0")
        self.node.run("sysctl", "-qw", "net.ipv4.conf.pod0.proxy_arp=1", "net.ipv4.ip_forward=1")
        self.node.nft(ruleset_of(PLAN).text)
        with self.node.entered():
            self._port = cleanup.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            self._port.bind((NODE, PLAN.datapath.vxlan_port))
            self._port.settimeout(0.3)

    def _place(self, name: str) -> Namespace:
        place = Namespace(f"{self._name}-{name}")
        self._cleanup.callback(place.close)
        return place

    def is_taken(self, start: Namespace, source: str) -> bool:
        """Whether the node takes a packet of a sender that may call itself whatever it likes."""
        datagram = struct.pack(">HHHH", 5555, PLAN.datapath.vxlan_port, 8, 0)
        header = struct.pack(
            ">BBHHHBBH4s4s",
            *(0x45, 0, 20 + len(datagram), 0, 0, 64, socket.IPPROTO_UDP, 0),
            *(socket.inet_aton(source), socket.inet_aton(NODE)),
        )
        with start.entered(), socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            raw.sendto(header + datagram, (NODE, 0))
        try:
            self._port.recv(1)
        except TimeoutError:
            return False
        return True


@pytest.fixture(scope="module")
def underlay() -> Iterator[Underlay]:
    with ExitStack() as cleanup:
        yield Underlay(cleanup)


def test_a_known_nodes_packets_are_taken(underlay: Underlay) -> None:
    assert underlay.is_taken(underlay.machine, KNOWN)


def test_an_unknown_machines_packets_are_not(underlay: Underlay) -> None:
    assert not underlay.is_taken(underlay.machine, UNKNOWN)


def test_a_pod_of_the_default_network_is_not_taken_for_a_node_whatever_address_it_claims(
    underlay: Underlay,
) -> None:
    assert not underlay.is_taken(underlay.pod, POD)
    assert not underlay.is_taken(underlay.pod, KNOWN)
