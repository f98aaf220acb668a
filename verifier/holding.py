"""One class of packets held against what is due: each piece of it, in both directions.

What is let through must be allowed, and what is allowed must be let through, to the right place, with the
right source. Of connections under way less is asked: replies and errors go where first packets may.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from verifier.certificate import Counts
from verifier.due import Claim, Due, Region
from verifier.entries import Entry, Sender, host_link_address
from verifier.fabric import Fabric
from verifier.intervals import Intervals, contains, intersect, point, subtract, within
from verifier.meaning import MOST_BACKENDS
from verifier.outcome import Fate, Flow
from verifier.packets import Packet, Tracking
from verifier.pieces import NOTHING, Piece, claims_of, lowest, targets_of
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What is wrong about a flow, before it is put into words."""

    kind: Kind
    flow: Flow
    packet: Packet
    claim: Claim | None
    remark: str = ""


@dataclass(slots=True)
class Holding:
    """All classes of packets of one entry and family, one after another."""

    fabric: Fabric
    entry: Entry
    local: list[int]
    """Addresses of the node's pods in this family, sorted."""
    findings: dict[tuple[object, ...], Finding] = field(default_factory=dict)
    zones: set[int | None] = field(default_factory=set)
    classes: int = 0
    regions: int = 0
    contested: int = 0
    _offered: dict[tuple[int, int, int], set[tuple[int, int]]] = field(default_factory=dict)
    _answering: dict[tuple[int, int, int], Flow] = field(default_factory=dict)

    @property
    def counts(self) -> Counts:
        services = len(self._offered)
        return Counts(
            entries=1,
            classes=self.classes,
            regions=self.regions,
            contested=self.contested,
            services=services,
        )

    def take(self, flow: Flow) -> None:
        self.classes += 1
        saddr = flow.packets.saddr
        if flow.outcome.fate not in ENDED:
            self.zones.add(flow.zone)
            forged = subtract(subtract(saddr, self.entry.own), self.entry.tolerated)
            if forged and flow.packets.tracking & FIRST:
                self._note(Kind.FORGED, flow, forged, Region(*flow.packets.daddr[0], NOTHING, {}), None)
        own = intersect(saddr, self.entry.own)
        if own:
            self._hold(flow, own, strict=True)
        if flow.outcome.fate not in ENDED:
            others = intersect(subtract(saddr, self.entry.own), self.entry.tolerated)
            if others:
                self._hold(flow, others, strict=False)

    def finish(self) -> None:
        """What was due to Services and never came is known only now."""
        for place in self._places():
            self._complete(*place)

    def _hold(self, flow: Flow, saddr: Intervals, *, strict: bool) -> None:
        piece = Piece(flow=flow, saddr=saddr, strict=strict)
        by_rule = is_refused_by_rule(flow) and self.entry.sender is not Sender.FOREIGN
        for region in self._regions(flow):
            for claim, port in claims_of(region, flow.packets.protocol, flow.packets.dport):
                self.regions += 1
                if claim.due is not Due.REFUSED or not by_rule:  # most are as they must be
                    self._judge(piece, region, claim, port)

    def _regions(self, flow: Flow) -> Iterator[Region]:
        for first, last in flow.packets.daddr:
            yield from self.entry.due.within(first, last)

    def _judge(self, piece: Piece, region: Region, claim: Claim, port: tuple[int, int]) -> None:
        if claim.due is Due.CONTESTED:
            self.contested += 1
            return
        overlay = self._is_overlay(port)
        if piece.strict and (overlay or not self._is_asked(claim)):
            piece = Piece(flow=piece.flow, saddr=piece.saddr, strict=False)
        tracking = piece.flow.packets.tracking
        if tracking & FIRST:
            wrong = self._first(piece, region, claim, port)
            self._conclude(wrong, tracking & FIRST, piece, region, claim, port)
        if tracking & UNDER_WAY and not overlay:
            wrong = self._under_way(piece, region, claim, tracking)
            self._conclude(wrong, tracking & UNDER_WAY, piece, region, claim, port)
        if tracking & INVALID:
            wrong = self._stray(piece, region, claim)
            self._conclude(wrong, INVALID, piece, region, claim, port)

    def _conclude(
        self,
        wrong: Kind | None,
        tracking: int,
        piece: Piece,
        region: Region,
        claim: Claim,
        port: tuple[int, int],
    ) -> None:
        if wrong is not None:
            packets = replace(piece.flow.packets, tracking=tracking)
            self._note(wrong, replace(piece.flow, packets=packets), piece.saddr, region, claim, port)

    def _first(self, piece: Piece, region: Region, claim: Claim, port: tuple[int, int]) -> Kind | None:
        flow, fate = piece.flow, piece.flow.outcome.fate
        if claim.due is Due.SERVICE and flow.translated_destination:
            return self._service(piece, region, claim, port)
        if fate in ENDED and not piece.strict:
            return None
        match claim.due:
            case Due.BLOCK:
                return self._block(piece, region, claim)
            case Due.SERVICE if self.entry.sender is Sender.HOST_LINK and region.claim.due is Due.EGRESS:
                # Nat has had its turn at the link, before the VRF: no Service is asked for from there.
                return self._egress(piece, region)
            case Due.SERVICE:
                return Kind.BLOCKED if fate in ENDED else Kind.MISDIRECTED
            case Due.EGRESS:
                return self._egress(piece, region)
            case Due.INFRASTRUCTURE:
                return self._outwards(flow)
            case Due.REFUSED:
                return self._refused(piece)
            case Due.UNREACHED | Due.UNSENT if fate in ENDED:
                return None
            case Due.UNSENT:
                return self._escaped(piece) if fate in INSIDE or fate is Fate.HOST_LINK else None
            case Due.UNREACHED:
                return None if fate in ENDED else self._escaped(piece)
            case _:
                return self._untouched(piece, region)

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

    def _block(self, piece: Piece, region: Region, claim: Claim) -> Kind | None:
        flow, fate = piece.flow, piece.flow.outcome.fate
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
        pods = self._pods(region)
        if fate is Fate.PORT:
            return self._at_port(flow, region, claim, pods)
        if pods:
            return self._not_there(piece)
        return self._refused(piece)

    def _at_port(self, flow: Flow, region: Region, claim: Claim, pods: list[int]) -> Kind | None:
        if len(pods) != region.last - region.first + 1:
            return Kind.LEAK
        for address in pods:
            port = self.fabric.local[self.entry.due.family, address]
            if (port.link, port.network) != (flow.outcome.link, claim.network):
                return Kind.MISDIRECTED
        return self._same_source(flow)

    def _not_there(self, piece: Piece) -> Kind | None:
        """To a pod that may be reached: by the process side and other senders it goes other ways."""
        if not piece.strict:
            return None if piece.flow.outcome.fate in ENDED else self._escaped(piece)
        return Kind.BLOCKED if piece.flow.outcome.fate in ENDED else Kind.MISDIRECTED

    def _pods(self, region: Region) -> list[int]:
        low = bisect_left(self.local, region.first)
        high = bisect_left(self.local, region.last + 1)
        return self.local[low:high]

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

    def _egress(self, piece: Piece, region: Region) -> Kind | None:
        """The node's own addresses are not outside, in whatever range they are."""
        family = self.entry.due.family
        own = {int(address) for address in self.fabric.here if address.version == family}
        here = [number for number in own if region.first <= number <= region.last]
        if len(here) == region.last - region.first + 1:
            return self._refused(piece)
        if here and piece.flow.outcome.fate is Fate.HOST_LINK:
            return Kind.LEAK
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

    def _untouched(self, piece: Piece, region: Region) -> Kind | None:
        flow, fate = piece.flow, piece.flow.outcome.fate
        if self.entry.sender is Sender.PROCESS and self._pods(region):
            return self._probe(flow, region)
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

    def _probe(self, flow: Flow, region: Region) -> Kind | None:
        """The node's own packets to its pods, at their real addresses: by their networks' host links."""
        pods = self._pods(region)
        if len(pods) != region.last - region.first + 1 or flow.outcome.fate is not Fate.HOST_LINK:
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

    def _is_overlay(self, port: tuple[int, int]) -> bool:
        """Whether these are packets of the overlay's port from outside, which is judged by itself."""
        foreign = self.entry.sender in (Sender.FOREIGN, Sender.LEAVING)
        return foreign and port == (UDP, self.fabric.meaning.config.vxlan_port)

    def _under_way(self, piece: Piece, region: Region, claim: Claim, tracking: int) -> Kind | None:
        """Stateless between networks; by host links, what belongs to a connection that was let through."""
        flow, fate = piece.flow, piece.flow.outcome.fate
        if self.entry.sender in (Sender.POD, Sender.OVERLAY, Sender.HOST_LINK):
            if claim.due is Due.BLOCK:
                return self._block(piece, region, claim) if piece.strict or fate not in ENDED else None
            if fate is Fate.HOST_LINK and self._is_own_link(flow):
                return None
            if self._is_probers(region) and piece.strict and self.entry.sender is Sender.POD:
                return Kind.BLOCKED if self._answers(flow, tracking) else None
            return None if fate in ENDED else Kind.LEAK
        if self.entry.sender is Sender.FOREIGN and self._is_inside_end(region):
            return Kind.BLOCKED if tracking & REPLY and fate is not Fate.HOST_LINK else None
        if self.entry.sender is Sender.PROCESS and fate is Fate.HOST_LINK:
            return None
        return Kind.LEAK if fate in INSIDE else None

    def _answers(self, flow: Flow, tracking: int) -> bool:
        """Replies, and the ICMP errors that answer in their place."""
        error = ICMP[self.entry.due.family]
        return bool(tracking & REPLY) or (bool(tracking & RELATED) and contains(flow.packets.protocol, error))

    def _is_probers(self, region: Region) -> bool:
        """The node's end of the network's own host link, from where its processes ask."""
        assert self.entry.network is not None
        inside = host_link_address(self.fabric.meaning, self.entry.due.family, self.entry.network)
        here = self.entry.network in self.fabric.host_links
        return here and region.first == region.last == inside - 1

    def _is_inside_end(self, region: Region) -> bool:
        links = self.fabric.meaning.host_links(self.entry.due.family)
        number, inside = divmod(region.first - int(links.network_address), 2)
        return region.first == region.last and bool(inside) and number in self.fabric.host_links

    def _stray(self, piece: Piece, region: Region, claim: Claim) -> Kind | None:
        """A packet of no connection that tracking knows may be lost, and may do no more than others."""
        fate = piece.flow.outcome.fate
        if fate in ENDED:
            return None
        if claim.due is Due.BLOCK:
            return self._block(piece, region, claim)
        if self.entry.sender in (Sender.POD, Sender.OVERLAY, Sender.HOST_LINK):
            if claim.due not in (Due.INFRASTRUCTURE, Due.EGRESS) or fate is not Fate.HOST_LINK:
                return Kind.LEAK
            return None if self._is_link_source(piece.flow) else Kind.EXPOSED
        if self.entry.sender is Sender.PROCESS and fate is Fate.HOST_LINK:
            return None
        return Kind.LEAK if fate in INSIDE or fate is Fate.HOST_LINK else None

    def _service(self, piece: Piece, region: Region, claim: Claim, port: tuple[int, int]) -> Kind | None:
        """Every place to which the Service may translate is one of its backends, and is reached like any."""
        place = (region.first, *port)
        offered = self._offered.setdefault(place, set())
        self._answering.setdefault(place, piece.flow)
        for address, number in targets_of(piece.flow):
            if (address, number) not in claim.backends:
                return Kind.MISDIRECTED
            offered.add((address, number))
            wrong = self._backend(piece, address, (port[0], number))
            if wrong is not None:
                return wrong
        return None

    def _backend(self, piece: Piece, address: int, port: tuple[int, int]) -> Kind | None:
        region = self.entry.due.at(address)
        claim = region.ports.get(port, region.claim)
        at = region._replace(first=address, last=address)
        match claim.due:
            case Due.BLOCK:
                return self._block(piece, at, claim)
            case Due.INFRASTRUCTURE | Due.EGRESS:
                return self._outwards(piece.flow)
            case Due.UNTOUCHED | Due.REFUSED if self.entry.sender is Sender.FOREIGN:
                left = piece.flow.outcome.fate in (Fate.OUTSIDE, Fate.LOCAL)
                same = not piece.flow.translated_source or self._is_of_links(piece.saddr)
                return None if left and same else Kind.MISDIRECTED
            case _:
                return None if piece.flow.outcome.fate in ENDED or claim.due is Due.CONTESTED else Kind.LEAK

    def _places(self) -> Iterator[tuple[Region, tuple[int, int], Claim]]:
        if self.entry.sender not in (Sender.POD, Sender.FOREIGN) or not self.entry.own:
            return
        for region in self.entry.due.regions:
            for port, claim in region.ports.items():
                if claim.due is Due.SERVICE:
                    yield region, port, claim

    def _complete(self, region: Region, port: tuple[int, int], claim: Claim) -> None:
        place = (region.first, *port)
        offered = self._offered.get(place, set())
        flow = self._answering.get(place)
        if len(offered) >= min(len(claim.backends), MOST_BACKENDS) or flow is None:
            return  # where nothing was offered at all, that has been said
        remark = f"{len(claim.backends - offered)} of {len(claim.backends)} backends get nothing"
        self._note(Kind.BLOCKED, flow, flow.packets.saddr, region, claim, port, remark)

    def _note(
        self,
        kind: Kind,
        flow: Flow,
        saddr: Intervals,
        region: Region,
        claim: Claim | None,
        port: tuple[int, int] | None = None,
        remark: str = "",
    ) -> None:
        """One example of each way to be wrong."""
        outcome = flow.outcome
        key = (kind, claim and claim.due, claim and claim.network, outcome.fate, outcome.link, outcome.reason)
        if key in self.findings:
            return
        protocol, dport = port or (flow.packets.protocol[0][0], flow.packets.dport[0][0])
        daddr = region.first
        if claim and claim.due is Due.BLOCK and claim.node == self.fabric.name:
            daddr = next(iter(self._pods(region)), daddr)
        packet = Packet(
            family=flow.packets.family,
            saddr=saddr[0][0],
            daddr=daddr,
            protocol=protocol,
            dport=dport,
            tracking=lowest(flow.packets.tracking),
        )
        self.findings[key] = Finding(kind=kind, flow=flow, packet=packet, claim=claim, remark=remark)


def is_refused_by_rule(flow: Flow) -> bool:
    """Of its own errors the kernel rations the answers, and of all ICMP errors: TCP gets a reset."""
    outcome = flow.outcome
    if outcome.fate is not Fate.REFUSED or outcome.reason.startswith("kernel:"):
        return False
    return not contains(flow.packets.protocol, TCP) or "tcp reset" in outcome.reason
