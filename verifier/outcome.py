"""What became of packets on a node, and every step that led there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from verifier.intervals import Intervals
from verifier.packets import Box
from verifier.ruleset import Element
from verifier.state import Address


class Fate(StrEnum):
    PORT = "delivered to a pod port"
    HOST_LINK = "sent over a host link"
    """Into the same node, by the other end of the pair: `link` is the end it left by, `peer` the other."""
    OVERLAY = "sent by VXLAN"
    """`remote` is the node's underlay address, `vni` the network's.

    `remote` is None where a translated packet may go to any of several nodes, each address of `sent.daddr` to
    its own: Kernel.parted tells them apart.
    """
    OUTSIDE = "left to the default network"
    """By a device that is not Atoll's: another node, a pod of the default network, the world."""
    LOCAL = "delivered to the node"
    REFUSED = "refused"
    """With an answer to the sender."""
    DROPPED = "dropped"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    fate: Fate
    link: str | None = None
    """By which it left."""
    peer: str | None = None
    remote: Address | None = None
    vni: int | None = None
    mac: str = ""
    """To which the frame is addressed; "": found out by asking, which only veth pairs answer."""
    table: int | None = None
    """The routing table that led there; of OVERLAY only."""
    reason: str = ""
    """Of REFUSED and DROPPED: the rule, or what the kernel does by itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One thing that a packet met: a rule that decided or changed something, a route, a translation."""

    hook: str
    """Of netfilter, or `routing`."""
    chain: str = ""
    text: str
    """The rule, or the route."""
    element: str = ""
    """The element of a set or map that matched, as it stands in the ruleset."""
    link: str | None = None
    """The device that the packet was on."""


@dataclass(frozen=True, slots=True)
class Trail:
    """Steps shared between flows: each holds the one before it."""

    before: Trail | None
    hook: str
    chain: str
    text: str
    element: Element | None
    link: str | None

    @property
    def steps(self) -> tuple[Step, ...]:
        """From the first to the last."""
        found: list[Step] = []
        trail: Trail | None = self
        while trail is not None:
            element = trail.element.text if trail.element else ""
            found.append(
                Step(hook=trail.hook, chain=trail.chain, text=trail.text, element=element, link=trail.link)
            )
            trail = trail.before
        return tuple(reversed(found))


@dataclass(kw_only=True, slots=True)
class Flow:
    """Packets that came in at one place and fare alike. Nobody changes one (see Box).

    `sent` is how they leave. Where a translation took place, a packet of `packets` may leave with any value
    of that column of `sent` (a Service's backends); where none did, with its own.
    """

    packets: Box
    sent: Box
    outcome: Outcome
    trail: Trail | None = None
    zone: int | None = None
    """Of connection tracking; None: no rule set one, so zone 0, shared with everyone."""
    mark: Intervals = ((0, 0),)
    """Of the packet as it leaves: it stays on a packet that crosses a host link."""
    translated_source: bool = False
    translated_destination: bool = False

    @property
    def trace(self) -> tuple[Step, ...]:
        return self.trail.steps if self.trail else ()
