"""What a rule does to a packet beside deciding: marks, zones, translations, exemption from tracking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from verifier.batch import DADDR, DPORT, MARK, SADDR, Batch
from verifier.fault import Contradiction, NotModelled
from verifier.intervals import Interval, Intervals, point, union
from verifier.matching import COLUMNS, FAMILIES, Key, Keys, Live
from verifier.packets import Tracking
from verifier.ruleset import (
    Element,
    Field,
    HashChoice,
    Literal,
    MapLookup,
    Nat,
    NatKind,
    RandomChoice,
    SetMark,
    SetZone,
)
from verifier.scene import Scene


class Effect(Protocol):
    def apply(self, live: list[Live], scene: Scene) -> tuple[list[Live], list[Batch]]:
        """Those it was done to, and those for which the rule ends here."""


@dataclass(slots=True)
class MarkEffect:
    """Any of the values: what a random choice or a hash may come to."""

    values: Intervals
    fields: tuple[Field, ...]
    """Of a hash: a packet without them ends the rule."""

    def apply(self, live: list[Live], scene: Scene) -> tuple[list[Live], list[Batch]]:
        if any(FAMILIES.get(field, scene.family) != scene.family for field in self.fields):
            return [], [batch for batch, _ in live]
        return [(batch.become(MARK, self.values), element) for batch, element in live], []


@dataclass(slots=True)
class MappedMark:
    key: Key

    def apply(self, live: list[Live], scene: Scene) -> tuple[list[Live], list[Batch]]:
        found, missed, strange = self.key.look_up(live, scene)
        marked: list[Live] = [(b.become(MARK, (_numbers(e)[0],)), e) for b, e in found if e]
        return marked, missed + strange


@dataclass(slots=True)
class ZoneEffect:
    """Too late once connection tracking has seen the packet, and where another has had his say
    (nft_ct_set_zone_eval): the first zone counts."""

    zone: int | Key

    def apply(self, live: list[Live], scene: Scene) -> tuple[list[Live], list[Batch]]:
        if isinstance(self.zone, int):
            return [(self._into(batch, self.zone, scene), element) for batch, element in live], []
        found, missed, strange = self.zone.look_up(live, scene)
        zoned: list[Live] = [(self._into(b, _numbers(e)[0][0], scene), e) for b, e in found if e]
        return zoned, missed + strange

    @staticmethod
    def _into(batch: Batch, zone: int, scene: Scene) -> Batch:
        return batch if scene.tracked or _is_settled(batch) else batch.with_zone(zone)


@dataclass(slots=True)
class NotrackEffect:
    """Too late once connection tracking has seen the packet, or it has a zone (nft_notrack_eval)."""

    def apply(self, live: list[Live], scene: Scene) -> tuple[list[Live], list[Batch]]:
        if scene.tracked:
            return live, []
        return [(b if _is_settled(b) else b.untracked(), element) for b, element in live], []


def _is_settled(batch: Batch) -> bool:
    """Whether a rule has decided how the packet is tracked; the next ones change nothing of it."""
    return batch.zone is not None or batch.now_tracking == Tracking.UNTRACKED


@dataclass(slots=True)
class NatEffect:
    """What it was done to is translated for good: no later nat chain of the hook sees it."""

    kind: NatKind
    family: int | None
    to: Field | Literal | Key | None

    def apply(self, live: list[Live], scene: Scene) -> tuple[list[Live], list[Batch]]:
        if self.family is not None and self.family != scene.family:
            return [], [batch for batch, _ in live]
        column = DADDR if self.kind is NatKind.DNAT else SADDR
        match self.to:
            case None:
                own = _own_addresses(scene)
                return [(batch.become(SADDR, own), element) for batch, element in live], []
            case Literal(address=address, port=port):
                return [(_to(b, column, (address,), port), element) for b, element in live], []
            case Key():
                found, missed, strange = self.to.look_up(live, scene)
                return _to_mapped(found, column), missed + strange
            case field:
                return _to_field(live, column, field, scene)


def _own_addresses(scene: Scene) -> Intervals:
    """Masquerade: an address of the device, or of the node where it has none; () is lost."""
    scene.device_mattered = True
    own = scene.oif.addresses if scene.oif else ()
    numbers = [entry.address[1] for entry in own if entry.address[0] == scene.family]
    if not numbers:
        numbers = [
            entry.address[1]
            for link in scene.routing.links.values()
            for entry in link.addresses
            if entry.address[0] == scene.family and link.name != "lo" and link.master is None
        ]
    return union((number, number) for number in numbers)


def _to(batch: Batch, column: int, addresses: Intervals, port: Interval | None) -> Batch:
    batch = batch.become(column, addresses)
    return batch.become(DPORT, (port,)) if port is not None and column == DADDR else batch


def _to_field(live: list[Live], column: int, field: Field, scene: Scene) -> tuple[list[Live], list[Batch]]:
    """`dnat ip to ip daddr`: a translation that changes nothing."""
    if FAMILIES.get(field) != scene.family:
        return [], [batch for batch, _ in live]
    source = COLUMNS[field]
    if source == column:
        return live, []
    return [(batch.become(column, batch.now[source]), element) for batch, element in live], []


def _to_mapped(found: list[Live], column: int) -> list[Live]:
    """The targets of one packet become one choice, so that a Service is one batch, not one a backend."""
    choices: dict[tuple[object, ...], list[tuple[Batch, Element]]] = {}
    for batch, element in found:
        assert element is not None
        _, *port = _numbers(element)
        key = (batch.entry, batch.now[:MARK], batch.tracking, batch.now_tracking, batch.zone, *port)
        choices.setdefault(key, []).append((batch, element))
    translated: list[Live] = []
    for members in choices.values():
        batch, element = members[0]
        addresses = union(_numbers(e)[0] for _, e in members)
        marks = union(interval for b, _ in members for interval in b.now[MARK])
        _, *port = _numbers(element)
        merged = _to(batch.become(MARK, marks), column, addresses, port[0] if port else None)
        translated.append((merged, element if len(members) == 1 else _one_of(members)))
    return translated


def _one_of(members: list[tuple[Batch, Element]]) -> Element:
    first = members[0][1]
    return Element(key=(), value=None, text=f"one of {len(members)} backends, such as {first.text}")


def _numbers(element: Element) -> list[Interval]:
    value = element.value
    if not isinstance(value, tuple):
        raise NotModelled(f"element {element.text}: a number or an address must stand here")
    return [cell for cell in value if not isinstance(cell, str)]


_SOURCES: Final = (NatKind.SNAT, NatKind.MASQUERADE)


def effect_of(statement: SetMark | SetZone | Nat, keys: Keys, where: str) -> Effect:
    match statement:
        case SetMark(value=int(value)):
            return MarkEffect(point(value), ())
        case SetMark(value=RandomChoice(modulus=modulus, offset=offset)):
            return MarkEffect(((offset, offset + modulus - 1),), ())
        case SetMark(value=HashChoice(fields=fields, modulus=modulus, offset=offset)):
            return MarkEffect(((offset, offset + modulus - 1),), fields)
        case SetMark(value=MapLookup() as lookup):
            return MappedMark(keys.of(lookup.fields, lookup.map, where))
        case SetZone(value=int(zone)):
            return ZoneEffect(zone)
        case SetZone(value=MapLookup() as lookup):
            return ZoneEffect(keys.of(lookup.fields, lookup.map, where))
        case Nat():
            return _nat(statement, keys, where)
    raise NotModelled(f"{where}: {statement} is not modelled")


def _nat(nat: Nat, keys: Keys, where: str) -> NatEffect:
    to = keys.of(nat.to.fields, nat.to.map, where) if isinstance(nat.to, MapLookup) else nat.to
    if to is None and nat.kind is not NatKind.MASQUERADE:
        raise Contradiction(f"{where}: {nat.kind} without an address")
    return NatEffect(nat.kind, nat.family, to)
