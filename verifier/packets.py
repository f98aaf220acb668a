"""Packets by the box: a product of intervals over everything that a ruleset can look at.

A box stands for each of its packets; cutting one never loses or invents any.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from typing import Final

from verifier.intervals import Intervals

ANY_PROTOCOL: Final[Intervals] = ((0, 255),)
ANY_PORT: Final[Intervals] = ((0, 65535),)


class Tracking(IntFlag):
    """What connection tracking says of a packet as it comes in: no more of it is modelled."""

    NEW = 1
    ORIGINAL = 2
    """Of an established connection, in the direction of its first packet."""
    REPLY = 4
    RELATED = 8
    """An ICMP error about a connection, in the direction of its first packet."""
    RELATED_REPLY = 16
    INVALID = 32
    UNTRACKED = 64
    """Never as a packet comes in: by `notrack` only."""


ANY_TRACKING: Final = 63


def any_address(family: int) -> Intervals:
    return ((0, 2**32 - 1),) if family == 4 else ((0, 2**128 - 1),)


@dataclass(kw_only=True, slots=True, unsafe_hash=True)
class Box:
    """All packets of one family whose every column is in its intervals. `tracking` is a union of flags.

    Nobody changes one; not frozen because a million are made, and freezing doubles what that costs.
    """

    family: int
    saddr: Intervals
    daddr: Intervals
    protocol: Intervals = ANY_PROTOCOL
    dport: Intervals = ANY_PORT
    tracking: int = ANY_TRACKING


def every_packet(family: int) -> Box:
    return Box(family=family, saddr=any_address(family), daddr=any_address(family))


@dataclass(frozen=True, kw_only=True, slots=True)
class Packet:
    """One packet."""

    family: int
    saddr: int
    daddr: int
    protocol: int
    dport: int = 0
    tracking: Tracking = Tracking.NEW

    @property
    def box(self) -> Box:
        return Box(
            family=self.family,
            saddr=((self.saddr, self.saddr),),
            daddr=((self.daddr, self.daddr),),
            protocol=((self.protocol, self.protocol),),
            dport=((self.dport, self.dport),),
            tracking=int(self.tracking),
        )
