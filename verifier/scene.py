"""Where a packet stands when a chain looks at it: hook, devices, and what the node knows of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from verifier.batch import DADDR, PROTOCOL, SADDR, Batch
from verifier.intervals import Intervals
from verifier.routing import Routing
from verifier.ruleset import PROTOCOLS, Field, Hook
from verifier.state import Link

NFPROTO: Final = {4: 2, 6: 10}
DEVICE_FIELDS: Final = frozenset(
    {
        Field.IIFGROUP,
        Field.OIFGROUP,
        Field.IIFKIND,
        Field.OIFKIND,
        Field.IIFNAME,
        Field.OIFNAME,
        Field.NFPROTO,
    }
)
"""One value for all packets at one place."""

KeyName = tuple[tuple[Field, ...], str]
"""How a set is asked: by which fields, and its name."""
DeviceValues = tuple[int | str | None, ...]


@dataclass(frozen=True, slots=True)
class Met:
    """A set was asked for a device, and this is what lay there."""

    name: KeyName
    values: DeviceValues
    found: object


@dataclass(frozen=True, slots=True)
class Typed:
    """Addresses were sorted by type, and these were of the wanted ones."""

    family: int
    wanted: Intervals
    daddr: Intervals
    found: Intervals


Asked = Met | Typed
"""A question to the node, with its answer."""

_ZERO_NETWORK: Final[Intervals] = ((0, 0x00FFFFFF),)
_BROADCAST: Final[Intervals] = ((0xE0000000, 0xE00000FF), (0xFFFFFFFF, 0xFFFFFFFF))
_UNSPECIFIED: Final[Intervals] = ((0, 0),)
_ICMPV6: Final[Intervals] = ((PROTOCOLS["ipv6-icmp"], PROTOCOLS["ipv6-icmp"]),)
_LINK_SCOPE: Final[Intervals] = (
    (0xFE80 << 112, (0xFEC0 << 112) - 1),
    (0xFF02 << 112, (0xFF03 << 112) - 1),
)


@dataclass(slots=True)
class Scene:
    """`iif` None: the node made the packet. `oif` None: not routed yet."""

    family: int
    hook: Hook
    routing: Routing
    iif: Link | None = None
    oif: Link | None = None
    tracked: bool = True
    """Connection tracking has seen the packet: earlier, its state is unknown and its zone can be set."""
    traced: bool = False
    back: bool | None = None
    """Whether the device is taken to lead back to every source, or to none; None: asked of the routes."""
    looked_back: bool = False
    """Set when a rule asked that: the answer is the device's own."""
    device_mattered: bool = False
    """Set when a rule took an address of the device itself."""
    asked: list[Asked] = field(default_factory=list)

    def value(self, asked: Field) -> int | str | None:
        """None: the packet has no such thing here, and a rule that asks for it does not match."""
        match asked:
            case Field.NFPROTO:
                return NFPROTO[self.family]
            case Field.IIFGROUP:
                return self.iif.group if self.iif else None
            case Field.OIFGROUP:
                return self.oif.group if self.oif else None
            case Field.IIFKIND:  # hardware has no kind: nft_meta_store_ifkind fails, the rule breaks
                return (self.iif.kind or None) if self.iif else None
            case Field.OIFKIND:
                return (self.oif.kind or None) if self.oif else None
            case Field.IIFNAME:
                return self.iif.name if self.iif else ""
            case Field.OIFNAME:
                return self.oif.name if self.oif else ""
            case _:
                raise ValueError(f"{asked} is no matter of the device")

    @property
    def link(self) -> str | None:
        """The device to show beside a step."""
        device = self.oif if self.hook in (Hook.OUTPUT, Hook.POSTROUTING) else self.iif
        return device.name if device else None

    def met(self, name: KeyName, values: DeviceValues, found: object) -> None:
        self.asked.append(Met(name, values, found))

    def led_back(self, batch: Batch) -> tuple[list[Batch], list[Batch]]:
        """Those whose source the device leads back to, and those whose it does not."""
        if self.iif is None:
            return [], [batch]
        self.looked_back = True
        if self.back is not None:
            return ([batch], []) if self.back else _spared(batch)
        good = self.routing.leads_back(self.family, self.iif.name)
        back, away = batch.meet(SADDR, good), batch.without(SADDR, good)
        if away is None:
            return [back] if back else [], []
        spared, judged = _spared(away)
        return [*([back] if back else []), *spared], judged

    def of_types(self, batch: Batch, wanted: Intervals) -> tuple[list[Batch], list[Batch]]:
        """Those whose destination has one of these types (FIB_TYPES)."""
        among = self.routing.types_among(self.family, wanted)
        inside, outside = batch.meet(DADDR, among), batch.without(DADDR, among)
        found = inside.now[DADDR] if inside else ()
        self.asked.append(Typed(self.family, wanted, batch.now[DADDR], found))
        return [inside] if inside else [], [outside] if outside else []


def _spared(batch: Batch) -> tuple[list[Batch], list[Batch]]:
    """Packets that the kernel lets pass a look back whatever the routes say, and the others.

    DHCP's (nft_fib4_eval: from 0.0.0.0/8 to a broadcast) and neighbour discovery's from no address
    (nft_fib_v6_skip_icmpv6).
    """
    if batch.family == 4:
        return _peel(batch, ((SADDR, _ZERO_NETWORK), (DADDR, _BROADCAST)))
    return _peel(batch, ((SADDR, _UNSPECIFIED), (DADDR, _LINK_SCOPE), (PROTOCOL, _ICMPV6)))


def _peel(batch: Batch, box: tuple[tuple[int, Intervals], ...]) -> tuple[list[Batch], list[Batch]]:
    """The batch inside the box, and what is left of it outside."""
    outside: list[Batch] = []
    inside: Batch = batch
    for column, values in box:
        within = inside.meet(column, values)
        if within is None:
            return [], [batch]
        left = inside.without(column, values)
        if left is not None:
            outside.append(left)
        inside = within
    return [inside], outside
