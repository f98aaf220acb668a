"""What is wrong about one piece of a class of packets, if anything: what came of it against what is due.

What is let through must be allowed, and what is allowed must be let through, to the right place, with the
right source. Of connections under way less is asked: replies and errors go where first packets may.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from verifier.due import Claim, Due, Port
from verifier.entries import Entry, Sender, host_link_address
from verifier.fabric import Fabric
from verifier.intervals import Intervals, contains, intersect, intersects, only, point, within
from verifier.outcome import Fate, Flow
from verifier.packets import Tracking
from verifier.pieces import Part, Piece, targets_of
from verifier.violation import Kind

FIRST: Final = int(Tracking.NEW | Tracking.ORIGINAL)
UNDER_WAY: Final = int(Tracking.REPLY | Tracking.RELATED)
ENDED: Final = frozenset({Fate.REFUSED, Fate.DROPPED})
INSIDE: Final = frozenset({Fate.PORT, Fate.OVERLAY})
INVALID: Final = int(Tracking.INVALID)
REPLY: Final = int(Tracking.REPLY)
RELATED: Final = int(Tracking.RELATED)
ICMP: Final = {4: 1, 6: 58}
TCP: Final = 6
UDP: Final = 17


@dataclass(slots=True)
class Offered:
    """The backends to which packets of a Service's port were translated, and one piece that was."""

    piece: Piece
    backends: set[tuple[int, int]] = field(default_factory=set)


@dataclass(slots=True)
class Trial:
    """Of the pieces of one entry. Each has pods here for all its destinations or none, likewise the node."""

    fabric: Fabric
    entry: Entry
    offered: dict[tuple[int, Port], Offered] = field(default_factory=dict)
    """By address and port of the Service."""

    def wrongs(self, piece: Piece) -> Iterator[tuple[Kind, int]]:
        """What is wrong, and of which packets by their tracking."""
        claim = piece.part.claim
        overlay = self._is_overlay(piece)
        if piece.strict and (overlay or not self._is_asked(claim)):
            piece = piece._replace(strict=False)
        tracking = piece.flow.packets.tracking
        if tracking & FIRST and (wrong := self._first(piece)):
            yield wrong, tracking & FIRST
        if tracking & UNDER_WAY and not overlay and (wrong := self._under_way(piece, tracking)):
            yield wrong, tracking & UNDER_WAY
        if tracking & INVALID and (wrong := self._stray(piece)):
            yield wrong, INVALID

    def _first(self, piece: Piece) -> Kind | None:
        flow, claim, fate = piece.flow, piece.part.claim, piece.flow.outcome.fate
        if claim.due is Due.SERVICE and flow.translated_destination:
            return self._service(piece)
        if fate in ENDED and not piece.strict:
            return None
        match claim.due:
            case Due.BLOCK:
                return self._block(piece)
            case Due.SERVICE if self.entry.sender is Sender.HOST_LINK and piece.part.ground.due is Due.EGRESS:
                # Nat has had its turn at the link, before the VRF: no Service is asked for from there.
                return self._egress(piece)
            case Due.SERVICE:
                return Kind.BLOCKED if fate in ENDED else Kind.MISDIRECTED
            case Due.EGRESS:
                return self._egress(piece)
            case Due.INFRASTRUCTURE:
                return self._outwards(flow)
            case Due.REFUSED | Due.INSIDE_END:
                return self._refused(piece)
            case Due.UNREACHED | Due.NODES_END | Due.UNSENT if fate in ENDED:
                return None
            case Due.UNSENT:
                return self._escaped(piece) if fate in INSIDE or fate is Fate.HOST_LINK else None
            case Due.UNREACHED | Due.NODES_END:
                return self._escaped(piece)
            case _:
                return self._untouched(piece)

    def _is_asked(self, claim: Claim) -> bool:
        """Whether such packets really come here: from other nodes, and by host links, only to pods here."""
        if self.entry.sender is Sender.OVERLAY:
            return claim.due is Due.BLOCK and claim.node == self.fabric.name
        if self.entry.sender is Sender.HOST_LINK:
            return claim.due is Due.BLOCK and claim.network == self.entry.network
        return claim.due is not Due.UNSENT

    def _refused(self, piece: Piece) -> Kind | None:
        """At once, so by a rule (net.ipv4.route.error_cost)."""
        if piece.flow.outcome.fate not in ENDED:
            return self._escaped(piece)
        return None if is_refused_by_rule(piece.flow) or not piece.strict else Kind.SILENT

    def _block(self, piece: Piece) -> Kind | None:
        flow, claim, fate = piece.flow, piece.part.claim, piece.flow.outcome.fate
        assert claim.node is not None
        if claim.node != self.fabric.name:
            if fate is not Fate.OVERLAY:
                return self._not_there(piece)
            there = self.fabric.meaning.nodes[claim.node].underlay
            base = self.fabric.meaning.config.number_base
            right = (there.version, int(there)), base + (self.entry.network or 0)
            if (flow.outcome.remote, flow.outcome.vni) != right:
                return Kind.MISDIRECTED
            return self._same_source(flow)
        pods = self._pods_of(piece)
        if fate is Fate.PORT:
            return self._at_port(piece, pods)
        return self._not_there(piece) if pods else self._refused(piece)

    def _at_port(self, piece: Piece, pods: list[int]) -> Kind | None:
        if not pods:
            return Kind.LEAK
        for address in pods:
            port = self.fabric.local[self.entry.due.family, address]
            if (port.link, port.network) != (piece.flow.outcome.link, piece.part.claim.network):
                return Kind.MISDIRECTED
        return self._same_source(piece.flow)

    def _not_there(self, piece: Piece) -> Kind | None:
        """To a pod that may be reached: by the process side and other senders it goes other ways."""
        if not piece.strict:
            return None if piece.flow.outcome.fate in ENDED else self._escaped(piece)
        return Kind.BLOCKED if piece.flow.outcome.fate in ENDED else Kind.MISDIRECTED

    def _pods_of(self, piece: Piece) -> list[int]:
        """All of its destinations, or none (_divided)."""
        found = intersect(piece.part.addresses, self.fabric.pods[self.entry.due.family])
        return [address for first, last in found for address in range(first, last + 1)]

    def _same_source(self, flow: Flow) -> Kind | None:
        """Only who meets himself through a Service is given another source: the reply must come back here."""
        if flow.packets.saddr == flow.sent.daddr:
            from_link = flow.translated_source and self._is_link_source(flow)
            meeting = self.entry.sender is Sender.POD and flow.translated_destination
            serving = (self.entry.due.family, flow.sent.daddr[0][0]) in self.fabric.serving
            return Kind.BLOCKED if meeting and serving and not from_link else None
        return Kind.EXPOSED if flow.translated_source else None

    def _is_link_source(self, flow: Flow) -> bool:
        assert self.entry.network is not None
        inside = host_link_address(self.fabric.meaning, self.entry.due.family, self.entry.network)
        return flow.sent.saddr == point(inside)

    def _outwards(self, flow: Flow) -> Kind | None:
        fate = flow.outcome.fate
        if fate is not Fate.HOST_LINK:
            return Kind.BLOCKED if fate in ENDED else Kind.MISDIRECTED
        if self.entry.network is None or not self._is_own_link(flow):
            return Kind.MISDIRECTED
        return None if self._is_link_source(flow) else Kind.EXPOSED

    def _egress(self, piece: Piece) -> Kind | None:
        """The node's own addresses are not outside, in whatever range they are."""
        if intersects(piece.part.addresses, self.fabric.own_addresses[self.entry.due.family]):
            return self._refused(piece)
        return self._outwards(piece.flow)

    def _is_own_link(self, flow: Flow) -> bool:
        own = self.fabric.host_links.get(self.entry.network) if self.entry.network else None
        return own is not None and flow.outcome.link == own.name

    def _escaped(self, piece: Piece) -> Kind | None:
        """Something came through that nothing is due to; what has no source of its own may be sent on."""
        flow = piece.flow
        if self.entry.sender is Sender.PROCESS and flow.outcome.fate is Fate.HOST_LINK:
            return None  # what comes of it is judged where it comes in
        return Kind.LEAK

    def _untouched(self, piece: Piece) -> Kind | None:
        flow, fate = piece.flow, piece.flow.outcome.fate
        if self.entry.sender is Sender.PROCESS and (pods := self._pods_of(piece)):
            return self._probe(flow, pods)
        if fate in INSIDE or fate is Fate.HOST_LINK:
            return Kind.LEAK
        if self.entry.sender is Sender.LEAVING:
            return self._left(piece)
        changed = flow.translated_destination or flow.translated_source or fate in ENDED
        return Kind.TOUCHED if changed and not self._is_of_links(piece.saddr) else None

    def _is_of_links(self, sources: Intervals) -> bool:
        """Whether they are host links', which are masqueraded wherever they leave the node."""
        links = self.fabric.meaning.host_links(self.entry.due.family)
        return within(sources, ((int(links.network_address), int(links.broadcast_address)),))

    def _probe(self, flow: Flow, pods: list[int]) -> Kind | None:
        """The node's own packets to its pods, at their real addresses: by their networks' host links."""
        if flow.outcome.fate is not Fate.HOST_LINK:
            return Kind.BLOCKED if flow.outcome.fate in ENDED else Kind.MISDIRECTED
        for address in pods:
            link = self.fabric.host_links.get(self.fabric.local[self.entry.due.family, address].network)
            if link is None or flow.outcome.link != link.peer:
                return Kind.MISDIRECTED
        return None

    def _left(self, piece: Piece) -> Kind | None:
        """Once outside, a packet is the node's; where it leaves the node it has the node's address."""
        flow = piece.flow
        if not piece.strict:
            return None
        if flow.outcome.fate in ENDED:
            return Kind.BLOCKED if self._has_address() else None
        if flow.translated_destination:
            return Kind.TOUCHED
        if flow.outcome.fate is Fate.OUTSIDE and not flow.translated_source:
            return Kind.EXPOSED
        return None

    def _has_address(self) -> bool:
        """A node without an address of the family has nothing to send such packets from."""
        addresses = self.fabric.meaning.nodes[self.fabric.name].addresses
        return any(address.version == self.entry.due.family for address in addresses)

    def _is_overlay(self, piece: Piece) -> bool:
        """Whether these are packets of the overlay's port from outside, which is judged by itself."""
        if self.entry.sender not in (Sender.FOREIGN, Sender.LEAVING):
            return False
        packets = piece.flow.packets
        port = piece.part.port or (only(packets.protocol), only(packets.dport))
        return port == (UDP, self.fabric.meaning.config.vxlan_port)

    def _under_way(self, piece: Piece, tracking: int) -> Kind | None:
        """Stateless between networks; by host links, what belongs to a connection that was let through."""
        flow, claim, fate = piece.flow, piece.part.claim, piece.flow.outcome.fate
        if self.entry.sender in (Sender.POD, Sender.OVERLAY, Sender.HOST_LINK):
            if claim.due is Due.BLOCK:
                return self._block(piece) if piece.strict or fate not in ENDED else None
            if fate is Fate.HOST_LINK and self._is_own_link(flow):
                return None
            if self._is_probers(piece) and piece.strict and self.entry.sender is Sender.POD:
                return Kind.BLOCKED if self._answers(flow, tracking) else None
            return None if fate in ENDED else Kind.LEAK
        if self.entry.sender is Sender.FOREIGN and piece.part.ground.due is Due.INSIDE_END:
            return Kind.BLOCKED if tracking & REPLY and fate is not Fate.HOST_LINK else None
        if self.entry.sender is Sender.PROCESS and fate is Fate.HOST_LINK:
            return None
        return Kind.LEAK if fate in INSIDE else None

    def _answers(self, flow: Flow, tracking: int) -> bool:
        """Replies, and the ICMP errors that answer in their place."""
        error = ICMP[self.entry.due.family]
        return bool(tracking & REPLY) or (bool(tracking & RELATED) and contains(flow.packets.protocol, error))

    def _is_probers(self, piece: Piece) -> bool:
        return piece.part.ground.due is Due.NODES_END and self.entry.network in self.fabric.host_links

    def _stray(self, piece: Piece) -> Kind | None:
        """A packet of no connection that tracking knows may be lost, and may do no more than others."""
        claim, fate = piece.part.claim, piece.flow.outcome.fate
        if fate in ENDED:
            return None
        if claim.due is Due.BLOCK:
            return self._block(piece)
        if self.entry.sender in (Sender.POD, Sender.OVERLAY, Sender.HOST_LINK):
            if claim.due not in (Due.INFRASTRUCTURE, Due.EGRESS) or fate is not Fate.HOST_LINK:
                return Kind.LEAK
            return None if self._is_link_source(piece.flow) else Kind.EXPOSED
        if self.entry.sender is Sender.PROCESS and fate is Fate.HOST_LINK:
            return None
        return Kind.LEAK if fate in INSIDE or fate is Fate.HOST_LINK else None

    def _service(self, piece: Piece) -> Kind | None:
        """Every place to which the Service may translate is one of its backends, and is reached like any."""
        addresses, claim, port, _ = piece.part
        assert port is not None  # Services are due at ports alone
        offered = self.offered.setdefault((addresses[0][0], port), Offered(piece))
        for address, number in targets_of(piece.flow):
            if (address, number) not in claim.backends:
                return Kind.MISDIRECTED
            offered.backends.add((address, number))
            wrong = self._backend(piece, address, (port[0], number))
            if wrong is not None:
                return wrong
        return None

    def _backend(self, piece: Piece, address: int, port: Port) -> Kind | None:
        ground, claim = self.entry.due.at(address), self.entry.due.of(address, port)
        match claim.due:
            case Due.BLOCK:
                return self._block(piece._replace(part=Part(point(address), claim, port, ground)))
            case Due.INFRASTRUCTURE | Due.EGRESS:
                return self._outwards(piece.flow)
            case Due.UNTOUCHED | Due.REFUSED | Due.INSIDE_END if self.entry.sender is Sender.FOREIGN:
                left = piece.flow.outcome.fate in (Fate.OUTSIDE, Fate.LOCAL)
                same = not piece.flow.translated_source or self._is_of_links(piece.saddr)
                return None if left and same else Kind.MISDIRECTED
            case _:
                return None if piece.flow.outcome.fate in ENDED or claim.due is Due.CONTESTED else Kind.LEAK


def is_refused_by_rule(flow: Flow) -> bool:
    """Of its own errors the kernel rations the answers, and of all ICMP errors: TCP gets a reset."""
    outcome = flow.outcome
    if outcome.fate is not Fate.REFUSED or outcome.reason.startswith("kernel:"):
        return False
    return not contains(flow.packets.protocol, TCP) or "tcp reset" in outcome.reason
