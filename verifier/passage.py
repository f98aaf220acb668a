"""What nodes have in common, computed once: indexes of sets, and a network's packets through prerouting.

What a passage through prerouting asked of a node is written down with its result. On another node with the
same chains, the same answers to the same questions mean the same result; one different answer, and it is
computed anew. The same network's devices on a hundred nodes thus cost little more than on one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from verifier.batch import Batch
from verifier.element_index import Indexes
from verifier.intervals import Intervals, intersect
from verifier.matching import Keys
from verifier.outcome import Flow, Outcome
from verifier.packets import Box
from verifier.routing import Routing
from verifier.ruleset import (
    Field,
    HashChoice,
    MapLookup,
    Match,
    NamedSet,
    Nat,
    Ruleset,
    SetMark,
    SetZone,
    Statement,
    VerdictMap,
)
from verifier.scene import Asked, Met, Typed
from verifier.state import Link

PassageKey = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Passage:
    """Through prerouting, of all packets, with every source."""

    through: tuple[Batch, ...]
    ended: tuple[Flow, ...]
    asked: tuple[Asked, ...]
    looked_back: bool
    looked_back_twice: bool
    """The VRF was asked as well as the device."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """Through one hook, of some batches."""

    through: tuple[Batch, ...]
    ended: tuple[tuple[Outcome, tuple[Batch, ...]], ...]
    asked: tuple[Asked, ...]


def holds(asked: tuple[Asked, ...], keys: Keys, routing: Routing) -> bool:
    """Whether a node gives the same answers to all that was asked."""
    for question in asked:
        match question:
            case Met(name=name, values=values, found=found):
                key = keys.known(name)
                if key is None or key.descend(values) is not found:
                    return False
            case Typed(family=family, wanted=wanted, daddr=daddr, found=inside):
                if intersect(daddr, routing.types_among(family, wanted)) != inside:
                    return False
    return True


@dataclass(frozen=True, slots=True)
class Shape:
    """A ruleset's chains, and which traits of devices they tell apart."""

    number: int
    names: bool
    kinds: frozenset[str]

    def place(self, device: Link | None) -> tuple[object, ...]:
        """Devices that are equal in this fare alike."""
        if device is None:
            return ()
        told_apart = self.names or device.kind in self.kinds or not device.kind
        kind = device.kind if told_apart else "another"
        return self.number, device.group, kind, device.name if self.names else ""

    def key(self, device: Link, vrf: Link, family: int, *, back: bool) -> PassageKey:
        return (*self.place(device), *self.place(vrf), family, back)


@dataclass(slots=True)
class Shared:
    indexes: Indexes = field(default_factory=Indexes)
    passages: dict[PassageKey, list[Passage]] = field(default_factory=dict)
    crossings: dict[PassageKey, list[Crossing]] = field(default_factory=dict)
    _shapes: dict[tuple[object, ...], tuple[Shape, Ruleset]] = field(default_factory=dict)

    def passage(self, key: PassageKey, keys: Keys, routing: Routing) -> Passage | None:
        """One that holds on a node with these sets and routes."""
        known = self.passages.get(key, ())
        return next((passage for passage in known if holds(passage.asked, keys, routing)), None)

    def crossing(self, key: PassageKey, keys: Keys, routing: Routing) -> Crossing | None:
        known = self.crossings.get(key, ())
        return next((crossing for crossing in known if holds(crossing.asked, keys, routing)), None)

    def shape(self, ruleset: Ruleset) -> Shape:
        """One for all rulesets with the same chains; rules that were read once are one value."""
        key = tuple(
            (c.name, c.type, c.hook, c.priority, c.policy, tuple(id(rule.statements) for rule in c.rules))
            for c in ruleset.chains.values()
        )
        if key not in self._shapes:
            self._shapes[key] = (_shape(len(self._shapes), ruleset), ruleset)
        return self._shapes[key][0]


def _shape(number: int, ruleset: Ruleset) -> Shape:
    statements = [s for chain in ruleset.chains.values() for rule in chain.rules for s in rule.statements]
    fields = {asked for statement in statements for asked in _fields(statement)}
    cells = (cell for statement in statements for cell in _texts(statement))
    named = (c for s in ruleset.sets.values() for e in s.elements[:1] for c in e.key if isinstance(c, str))
    kinds = frozenset(cells)
    names = bool(fields & {Field.IIFNAME, Field.OIFNAME}) or any(True for _ in named)
    return Shape(number, names, kinds)


def _fields(statement: Statement) -> tuple[Field, ...]:
    match statement:
        case Match(fields=fields) | VerdictMap(fields=fields):
            return fields
        case (
            SetMark(value=MapLookup(fields=fields) | HashChoice(fields=fields))
            | SetZone(value=MapLookup(fields=fields))
            | Nat(to=MapLookup(fields=fields))
        ):
            return fields
        case _:
            return ()


def _texts(statement: Statement) -> Iterator[str]:
    if not isinstance(statement, Match):
        return
    if isinstance(statement.values, tuple):
        yield from (cell for cell in statement.values if isinstance(cell, str))
    elif isinstance(statement.values, NamedSet):
        yield from (c for e in statement.values.elements for c in e.key if isinstance(c, str))


def with_sources(flows: Iterable[Flow], sources: Intervals) -> Iterator[Flow]:
    """The flows of packets with these sources only."""
    for flow in flows:
        packets = flow.packets
        saddr = intersect(packets.saddr, sources)
        if not saddr:
            continue
        came = _from(packets, saddr)
        if flow.sent is packets:
            sent = came
        else:
            sent = flow.sent if flow.translated_source else _from(flow.sent, saddr)
        yield Flow(
            packets=came,
            sent=sent,
            outcome=flow.outcome,
            trail=flow.trail,
            zone=flow.zone,
            mark=flow.mark,
            translated_source=flow.translated_source,
            translated_destination=flow.translated_destination,
        )


def _from(box: Box, saddr: Intervals) -> Box:
    return Box(
        family=box.family,
        saddr=saddr,
        daddr=box.daddr,
        protocol=box.protocol,
        dport=box.dport,
        tracking=box.tracking,
    )
