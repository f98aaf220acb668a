"""All classes of packets of one entry held against what is due to them, piece by piece; what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from verifier.certificate import Counts
from verifier.due import Claim, Due, Port
from verifier.entries import Entry, Sender
from verifier.fabric import Fabric
from verifier.intervals import Intervals, intersect, subtract
from verifier.meaning import MOST_BACKENDS
from verifier.outcome import Flow
from verifier.packets import Packet
from verifier.pieces import NOTHING, Part, Piece, lowest, parts_of, port_besides
from verifier.trial import ENDED, FIRST, Trial
from verifier.violation import Kind


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
    findings: dict[tuple[object, ...], Finding] = field(default_factory=dict)
    zones: set[int | None] = field(default_factory=set)
    classes: int = 0
    regions: int = 0
    contested: int = 0
    _trial: Trial = field(init=False)

    def __post_init__(self) -> None:
        self._trial = Trial(self.fabric, self.entry)

    @property
    def counts(self) -> Counts:
        return Counts(
            entries=1,
            classes=self.classes,
            regions=self.regions,
            contested=self.contested,
            services=len(self._trial.offered),
        )

    def take(self, flow: Flow) -> None:
        self.classes += 1
        saddr = flow.packets.saddr
        own = intersect(saddr, self.entry.own)
        if own:
            self._hold(flow, own, strict=True)
        if flow.outcome.fate in ENDED:
            return
        self.zones.add(flow.zone)
        others = subtract(saddr, self.entry.own)
        tolerated = intersect(others, self.entry.tolerated)
        if tolerated:
            self._hold(flow, tolerated, strict=False)
        forged = subtract(others, self.entry.tolerated)
        if forged and flow.packets.tracking & FIRST:
            part = Part(flow.packets.daddr, NOTHING, None, NOTHING)
            self._note(Kind.FORGED, Piece(flow, forged, part, strict=True))

    def finish(self) -> None:
        """What was due to Services and never came is known only now."""
        for place in self._places():
            self._complete(*place)

    def _hold(self, flow: Flow, saddr: Intervals, *, strict: bool) -> None:
        for part in parts_of(self.entry.due, flow.packets):
            for some in self._divided(part):
                self.regions += 1
                self._judge(Piece(flow, saddr, some, strict))

    def _judge(self, piece: Piece) -> None:
        if piece.part.claim.due is Due.CONTESTED:
            self.contested += 1
            return
        for kind, tracking in self._trial.wrongs(piece):
            packets = replace(piece.flow.packets, tracking=tracking)
            self._note(kind, piece._replace(flow=replace(piece.flow, packets=packets)))

    def _divided(self, part: Part) -> Iterator[Part]:
        """Something else is due to pods, and to the node itself, than to the addresses around them."""
        claim = part.claim
        if claim.due is Due.EGRESS:
            special = self.fabric.own_addresses[self.entry.due.family]
        elif self._is_of_pods(claim):
            special = self.fabric.pods[self.entry.due.family]
        else:
            yield part
            return
        for addresses in (intersect(part.addresses, special), subtract(part.addresses, special)):
            if addresses:
                yield part._replace(addresses=addresses)

    def _is_of_pods(self, claim: Claim) -> bool:
        """Whether it is another thing for the pods here than for other addresses."""
        if claim.due is Due.BLOCK:
            return claim.node == self.fabric.name
        return claim.due is Due.UNTOUCHED and self.entry.sender is Sender.PROCESS

    def _places(self) -> Iterator[tuple[int, Port, Claim]]:
        """Of Services."""
        if self.entry.sender not in (Sender.POD, Sender.FOREIGN) or not self.entry.own:
            return
        for address in self.entry.due.ported:
            for port, claim in self.entry.due.ports[address].items():
                if claim.due is Due.SERVICE:
                    yield address, port, claim

    def _complete(self, address: int, port: Port, claim: Claim) -> None:
        offered = self._trial.offered.get((address, port))
        if offered is None or len(offered.backends) >= min(len(claim.backends), MOST_BACKENDS):
            return  # where nothing was offered at all, that has been said
        missing = len(claim.backends - offered.backends)
        piece = offered.piece._replace(saddr=offered.piece.flow.packets.saddr)
        self._note(Kind.BLOCKED, piece, f"{missing} of {len(claim.backends)} backends get nothing")

    def _note(self, kind: Kind, piece: Piece, remark: str = "") -> None:
        """One example of each way to be wrong."""
        claim = piece.part.claim if kind is not Kind.FORGED else None
        packets, outcome = piece.flow.packets, piece.flow.outcome
        key = (kind, claim and claim.due, claim and claim.network, outcome.fate, outcome.link, outcome.reason)
        if key in self.findings:
            return
        daddr = piece.part.addresses[0][0]
        special = self.entry.due.ports.get(daddr, {})
        protocol, dport = piece.part.port or port_besides(special, packets.protocol, packets.dport)
        packet = Packet(
            family=packets.family,
            saddr=piece.saddr[0][0],
            daddr=daddr,
            protocol=protocol,
            dport=dport,
            tracking=lowest(packets.tracking),
        )
        self.findings[key] = Finding(kind=kind, flow=piece.flow, packet=packet, claim=claim, remark=remark)
