"""Nodes joined by VXLAN: what one node sends, another receives, if both ends and the underlay agree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from verifier.default_network import outside_links
from verifier.evaluate import Kernel
from verifier.intervals import Intervals, contains, union
from verifier.outcome import Fate, Flow, Outcome
from verifier.packets import Box, Tracking
from verifier.passage import Shared
from verifier.ruleset import PROTOCOLS
from verifier.state import Address, Node


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where packets enter a node: by a device, or made by one of its processes (`link` None)."""

    node: str
    link: str | None


class Cluster:
    """The kernels of all nodes, and what lies between them."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        shared = Shared()
        self.kernels: Mapping[str, Kernel] = {node.name: Kernel(node, shared) for node in nodes}
        self._at: dict[Address, Kernel] = {}
        for kernel in self.kernels.values():
            for address in _underlay_addresses(kernel.node):
                self._at[address] = kernel
        self._receives: dict[tuple[str, int], Mapping[int, Intervals]] = {}
        self._sends: dict[tuple[str, int], Mapping[int, Intervals]] = {}

    def next(self, node: str, flow: Flow) -> Place | Outcome:
        """Where a flow that left a node comes in; an Outcome where it ends instead."""
        outcome = flow.outcome
        if outcome.fate is Fate.HOST_LINK:
            return Place(node=node, link=outcome.peer)
        if outcome.fate is Fate.OVERLAY:
            return self._received(self.kernels[node], outcome)
        return outcome

    def _received(self, sender: Kernel, outcome: Outcome) -> Place | Outcome:
        assert outcome.remote is not None
        kernel = self._at.get(outcome.remote)
        if kernel is None:
            return _lost(outcome, f"no node has the address that {outcome.link} sends to")
        port = sender.node.state.links[outcome.link or ""].port or 0
        for link in kernel.node.state.links.values():
            if link.kind != "vxlan" or link.vni != outcome.vni or link.port != port:
                continue
            if link.mac != outcome.mac:
                return _lost(outcome, f"frames for {outcome.mac} reach {link.name}, which is {link.mac}")
            refused = self._underlay(sender, kernel, outcome.remote, port)
            return _lost(outcome, refused) if refused else Place(node=kernel.node.name, link=link.name)
        return _lost(outcome, f"node {kernel.node.name} has no VXLAN {outcome.vni} on port {port}")

    def _underlay(self, sender: Kernel, receiver: Kernel, remote: Address, port: int) -> str:
        """Why the two nodes cannot send VXLAN to each other; "" if they can."""
        source = _source(sender.node, remote[0])
        if source is None:
            return f"node {sender.node.name} has no address to send VXLAN from"
        if not contains(self._sent(sender, remote[0], port), remote[1]):
            return f"node {sender.node.name} does not let its VXLAN out to node {receiver.node.name}"
        if not contains(self._taken(receiver, remote, port), source):
            return f"node {receiver.node.name} does not take VXLAN from node {sender.node.name}"
        return ""

    def _sent(self, sender: Kernel, family: int, port: int) -> Intervals:
        """To which nodes a node sends VXLAN."""
        key = (sender.node.name, family)
        if port not in self._sends.get(key, {}):
            source = _source(sender.node, family)
            flows = sender.make(_vxlan(family, ((source or 0, source or 0),), self._addresses(family), port))
            gone = union(i for flow in flows if flow.outcome.fate is Fate.OUTSIDE for i in flow.packets.daddr)
            self._sends[key] = {**self._sends.get(key, {}), port: gone}
        return self._sends[key][port]

    def _taken(self, receiver: Kernel, address: Address, port: int) -> Intervals:
        """From which nodes a node takes VXLAN: each on the device that leads back to it."""
        family, number = address
        key = (receiver.node.name, family)
        if port not in self._receives.get(key, {}):
            box = _vxlan(family, self._addresses(family), ((number, number),), port)
            flows = [
                flow for link in outside_links(receiver.node.state) for flow in receiver.arrive(link, box)
            ]
            taken = union(i for flow in flows if flow.outcome.fate is Fate.LOCAL for i in flow.packets.saddr)
            self._receives[key] = {**self._receives.get(key, {}), port: taken}
        return self._receives[key][port]

    def _addresses(self, family: int) -> Intervals:
        return union((number, number) for version, number in self._at if version == family)


def _underlay_addresses(node: Node) -> Iterable[Address]:
    yield node.address
    for link in node.state.links.values():
        if link.kind == "vxlan" and link.local is not None:
            yield link.local


def _source(node: Node, family: int) -> int | None:
    return next((number for version, number in _underlay_addresses(node) if version == family), None)


def _vxlan(family: int, saddr: Intervals, daddr: Intervals, port: int) -> Box:
    udp = PROTOCOLS["udp"]
    return Box(
        family=family,
        saddr=saddr,
        daddr=daddr,
        protocol=((udp, udp),),
        dport=((port, port),),
        tracking=int(Tracking.NEW),
    )


def _lost(outcome: Outcome, reason: str) -> Outcome:
    return Outcome(
        fate=Fate.DROPPED, link=outcome.link, remote=outcome.remote, vni=outcome.vni, reason=reason
    )
