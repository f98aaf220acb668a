"""One thing that is not as declared: a packet that shows it, its way, and where to look."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from compiler.names import NodeName
from compiler.problem import Origin
from verifier.address_text import address_text
from verifier.outcome import Step
from verifier.packets import Packet
from verifier.ruleset import PROTOCOLS


class Kind(StrEnum):
    LEAK = "leak"
    """A packet reaches what it may not."""
    BLOCKED = "blocked"
    """A packet does not reach what it may."""
    SILENT = "silent"
    """A packet is dropped where a refusal is due at once."""
    MISDIRECTED = "misdirected"
    """A packet goes to another place than it should."""
    FORGED = "forged"
    """A source that is not the sender's own is taken for it."""
    EXPOSED = "exposed"
    """A source is seen where it means nothing, or somebody else."""
    TOUCHED = "touched"
    """Traffic of the default network, or of the node itself, is changed."""
    ZONE = "zone"
    """Connections of two routing domains can be taken for each other, or of one cannot meet."""
    ORDER = "order"
    """A chain is where other software has already spoken, or where it cannot do its work."""
    DEVICE = "device"
    """A device is not what its network's number says."""
    OVERLAY = "overlay"
    """A neighbour, a forwarding entry or a known sender is not a node's that should be."""
    ROUTING = "routing"
    """The rules that choose routing tables are others."""
    APART = "apart"
    """A rule asks for some pods of a network, or some devices: what was judged speaks for no others."""
    TRANSLATION = "translation"
    """A rule changes sources without saying where they leave."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """One packet, where it comes in."""

    link: str
    """The device it comes by; "" for the node's own."""
    sender: str
    """For people: `a pod of team-a/red`."""
    packet: Packet

    def __str__(self) -> str:
        packet = self.packet
        name = next((n.upper() for n, number in PROTOCOLS.items() if number == packet.protocol), "")
        port = f" port {packet.dport}" if name in ("TCP", "UDP", "SCTP") else ""
        source = address_text((packet.family, packet.saddr))
        target = address_text((packet.family, packet.daddr))
        by = f" by {self.link}" if self.link else ""
        protocol = name or f"protocol {packet.protocol}"
        return f"{protocol} from {source} to {target}{port}, of {self.sender}{by}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Violation:
    kind: Kind
    node: NodeName
    sentence: str
    """What is wrong, for people."""
    expected: str = ""
    found: str = ""
    example: Example | None = None
    """None where what is wrong is no matter of single packets."""
    way: tuple[Step, ...] = ()
    """Of the example, hook by hook."""
    origins: tuple[Origin, ...] = ()
    """Declarations of the networks, routers and Services that this is about."""

    def __str__(self) -> str:
        return "".join(f"{line}\n" for line in self.lines())

    def lines(self) -> Iterable[str]:
        yield f"{self.node}: {self.kind}: {self.sentence}"
        if self.example:
            yield f"  packet: {self.example}"
        for name, text in (("expected", self.expected), ("found", self.found)):
            if text:
                yield f"  {name}: {text}"
        for step in self.way:
            chain = f" {step.chain}" if step.chain else ""
            element = f" [{step.element}]" if step.element else ""
            yield f"    {step.hook}{chain}: {step.text}{element}"
        for origin in self.origins:
            yield f"  declared at {origin.place}"
