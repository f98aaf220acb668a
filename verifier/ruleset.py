"""A table of nftables as inert values, whatever text or JSON it was read from.

Every value is a number or a name, every match a product of intervals: the readers bring nft's many
spellings into this one. A construct that has no place here is an error of the reader, never left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from verifier.intervals import Interval

Cell: TypeAlias = Interval | str
"""One column of a key: an interval of numbers, or a text (kinds and names of devices)."""


class Field(StrEnum):
    """What a match, a key or a target looks at, as nft spells it."""

    IIFGROUP = "iifgroup"
    OIFGROUP = "oifgroup"
    IIFKIND = "meta iifkind"
    OIFKIND = "meta oifkind"
    IIFNAME = "iifname"
    OIFNAME = "oifname"
    NFPROTO = "meta nfproto"
    """2 for IPv4, 10 for IPv6."""
    L4PROTO = "meta l4proto"
    MARK = "meta mark"
    IP_SADDR = "ip saddr"
    """This and the next three match packets of their own family only."""
    IP_DADDR = "ip daddr"
    IP6_SADDR = "ip6 saddr"
    IP6_DADDR = "ip6 daddr"
    TH_DPORT = "th dport"
    """Of whatever protocol; the next two of their own protocol only."""
    TCP_DPORT = "tcp dport"
    UDP_DPORT = "udp dport"
    CT_STATE = "ct state"
    """Values of CT_STATES."""
    CT_DIRECTION = "ct direction"
    """Values of CT_DIRECTIONS."""
    FIB_SADDR_IIF_OIF = "fib saddr . iif oif"
    """FIB_MISSING: the device that the packet came by does not lead back to its source."""
    FIB_DADDR_TYPE = "fib daddr type"
    """Values of FIB_TYPES."""
    CT_ZONE = "ct zone"
    """Only as the value of a map."""


class DataType(StrEnum):
    """Of a column of a set, as nft names it: its JSON, and now and then its text, tell no more."""

    GROUP = "devgroup"
    KIND = "ifkind"
    NAME = "ifname"
    FAMILY = "nf_proto"
    PROTOCOL = "inet_proto"
    MARK = "mark"
    IPV4 = "ipv4_addr"
    IPV6 = "ipv6_addr"
    PORT = "inet_service"
    CT_STATE = "ct_state"
    CT_DIRECTION = "ct_dir"
    DEVICE = "iface_index"
    """What a reverse-path check finds."""
    FIB_TYPE = "fib_addrtype"
    INTEGER = "integer"
    """A conntrack zone."""


CT_STATES: Mapping[str, int] = {"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64}
CT_DIRECTIONS: Mapping[str, int] = {"original": 0, "reply": 1}
FIB_TYPES: Mapping[str, int] = {
    "unspec": 0,
    "unicast": 1,
    "local": 2,
    "broadcast": 3,
    "anycast": 4,
    "multicast": 5,
    "blackhole": 6,
    "unreachable": 7,
    "prohibit": 8,
}
FIB_MISSING: Interval = (0, 0)
PROTOCOLS: Mapping[str, int] = {"icmp": 1, "tcp": 6, "udp": 17, "ipv6-icmp": 58, "sctp": 132}


class Hook(StrEnum):
    PREROUTING = "prerouting"
    INPUT = "input"
    FORWARD = "forward"
    OUTPUT = "output"
    POSTROUTING = "postrouting"


class ChainType(StrEnum):
    FILTER = "filter"
    NAT = "nat"
    ROUTE = "route"


# Verdicts: what ends a rule.


@dataclass(frozen=True, kw_only=True, slots=True)
class Accept:
    """Final for this base chain only."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Drop:
    pass


@dataclass(frozen=True, kw_only=True, slots=True)
class Return:
    pass


@dataclass(frozen=True, kw_only=True, slots=True)
class Continue:
    pass


@dataclass(frozen=True, kw_only=True, slots=True)
class Goto:
    chain: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Jump:
    chain: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Reject:
    """`answer` is what stands after `reject with`: `tcp reset` (of TCP only) or an ICMP code."""

    answer: str


Verdict: TypeAlias = Accept | Drop | Return | Continue | Goto | Jump | Reject


# Sets and maps.


@dataclass(frozen=True, kw_only=True, slots=True)
class Element:
    """`key` has one cell a column; `value` is None in a set, a verdict or columns in a map."""

    key: tuple[Cell, ...]
    value: Verdict | tuple[Cell, ...] | None = None
    text: str = field(default="", compare=False)
    """As it stood in the input, for people."""
    comment: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedSet:
    """A set or a map; an anonymous one (`{ ... }` in a rule) has the name ""."""

    name: str
    types: tuple[DataType, ...]
    """Of the columns of the key."""
    value_types: tuple[DataType, ...] | None = None
    """None: a set, or a map of verdicts (`verdicts`)."""
    verdicts: bool = False
    elements: tuple[Element, ...] = ()


Lookup: TypeAlias = str | NamedSet
"""A set or map by its name, or an anonymous one itself."""


# Statements of a rule, in order; a match that fails ends the rule.


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """`fields` (one or a concatenation) is one of `values`, or is not (`negated`).

    A comparison (`>= 0`, `< 5`) arrives as intervals; a literal as a tuple of intervals or texts, for one
    field only.
    """

    fields: tuple[Field, ...]
    values: tuple[Cell, ...] | Lookup
    negated: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class VerdictMap:
    """`fields vmap @map`: no element, no verdict, and the rule ends."""

    fields: tuple[Field, ...]
    map: Lookup


@dataclass(frozen=True, kw_only=True, slots=True)
class MapLookup:
    """`fields map @map`: no element, and the rule ends."""

    fields: tuple[Field, ...]
    map: Lookup


@dataclass(frozen=True, kw_only=True, slots=True)
class RandomChoice:
    """`numgen random mod M offset O`, or `numgen inc`: any of O to O + M - 1."""

    modulus: int
    offset: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class HashChoice:
    """`jhash FIELDS mod M seed S offset O`: one of O to O + M - 1; packets without the field do not match."""

    fields: tuple[Field, ...]
    modulus: int
    offset: int = 0
    seed: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class SetMark:
    value: int | RandomChoice | HashChoice | MapLookup


@dataclass(frozen=True, kw_only=True, slots=True)
class SetZone:
    value: int | MapLookup


class NatKind(StrEnum):
    DNAT = "dnat"
    SNAT = "snat"
    MASQUERADE = "masquerade"


@dataclass(frozen=True, kw_only=True, slots=True)
class Literal:
    """A fixed address, with a port or without."""

    address: Interval
    port: Interval | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Nat:
    """`family` 4 or 6 (`dnat ip to`), None: both. `to` is None for masquerade only.

    To a Field: the packet's own (`dnat ip to ip daddr`). A map's value has one column (address) or two
    (address and port).
    """

    kind: NatKind
    family: int | None = None
    to: Field | Literal | MapLookup | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Notrack:
    pass


@dataclass(frozen=True, kw_only=True, slots=True)
class Counter:
    """Counts, logs, comments: bears on nothing."""


Statement: TypeAlias = Match | VerdictMap | Verdict | SetMark | SetZone | Nat | Notrack | Counter


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    statements: tuple[Statement, ...]
    text: str = field(compare=False)
    """The rule in nft's own words, one line without indentation."""
    line: int = field(default=0, compare=False)
    """In the text it was read from; 0: not from a text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chain:
    """A base chain where `hook` is set."""

    name: str
    rules: tuple[Rule, ...] = ()
    type: ChainType = ChainType.FILTER
    hook: Hook | None = None
    priority: int = 0
    policy: Accept | Drop = field(default_factory=Accept)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ruleset:
    """One table `inet atoll`; without chains it is a kernel without the table: everything passes."""

    chains: Mapping[str, Chain] = field(default_factory=dict)
    sets: Mapping[str, NamedSet] = field(default_factory=dict)
