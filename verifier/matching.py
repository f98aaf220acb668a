"""What a rule asks of a packet, made ready once for each node: device first, then columns.

Each test divides batches into those that pass, with the element that let them, and those that do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from verifier.batch import DADDR, DPORT, MARK, PROTOCOL, SADDR, Batch
from verifier.element_index import Branch, Indexes, Rows, divide
from verifier.fault import Contradiction, NotModelled
from verifier.intervals import Intervals, contains, intersects, union
from verifier.packets import Tracking
from verifier.ruleset import (
    CT_DIRECTIONS,
    CT_STATES,
    FIB_MISSING,
    PROTOCOLS,
    Cell,
    Element,
    Field,
    Lookup,
    Match,
    NamedSet,
)
from verifier.scene import DEVICE_FIELDS, DeviceValues, KeyName, Scene

COLUMNS: Final[Mapping[Field, int]] = {
    Field.IP_SADDR: SADDR,
    Field.IP6_SADDR: SADDR,
    Field.IP_DADDR: DADDR,
    Field.IP6_DADDR: DADDR,
    Field.L4PROTO: PROTOCOL,
    Field.TH_DPORT: DPORT,
    Field.TCP_DPORT: DPORT,
    Field.UDP_DPORT: DPORT,
    Field.MARK: MARK,
}
FAMILIES: Final[Mapping[Field, int]] = {
    Field.IP_SADDR: 4,
    Field.IP_DADDR: 4,
    Field.IP6_SADDR: 6,
    Field.IP6_DADDR: 6,
}
"""nft puts `meta nfproto` before these."""
PORTS_OF: Final[Mapping[Field, int]] = {
    Field.TCP_DPORT: PROTOCOLS["tcp"],
    Field.UDP_DPORT: PROTOCOLS["udp"],
}
"""nft puts `meta l4proto` before these."""

Live = tuple[Batch, Element | None]
"""Packets still in the rule, and the element that last matched."""


class Test(Protocol):
    def divide(self, live: list[Live], scene: Scene) -> tuple[list[Live], list[Batch]]: ...


@dataclass(slots=True)
class Key:
    """A concatenation and the set that it is looked up in."""

    name: KeyName | None
    """None: the set stands in the rule."""
    device: tuple[Field, ...]
    columns: tuple[int, ...]
    families: frozenset[int]
    protocols: tuple[int, ...]
    root: Branch

    def look_up(self, live: list[Live], scene: Scene) -> tuple[list[Live], list[Batch], list[Batch]]:
        """Those that found an element, those that found none, and those that have no such key at all."""
        values = tuple(scene.value(field) for field in self.device)
        if None in values:
            return [], [], [batch for batch, _ in live]
        branch = self.descend(values)
        if self.name is not None:
            scene.met(self.name, values, branch)
        if self.families and scene.family not in self.families:
            return [], [], [batch for batch, _ in live]
        if branch is None:
            live, strange = self._of_protocol(live)
            return [], [batch for batch, _ in live], strange
        live, strange = self._of_protocol(live)
        if isinstance(branch, Element):
            return [(batch, branch) for batch, _ in live], [], strange
        found: list[Live] = []
        missed: list[Batch] = []
        column, covered = self.columns[0], branch.covered
        for batch, _ in live:
            if intersects(batch.now[column], covered):
                self._divide(branch, batch, found, missed)
            else:
                missed.append(batch)
        return found, missed, strange

    def descend(self, values: DeviceValues) -> Branch | Element | None:
        """What lies below these values of the device columns."""
        branch: Branch | Element | None = self.root
        for value in values:
            if not isinstance(branch, Branch) or value is None:
                return None
            branch = branch.child(value)
        return branch

    def _of_protocol(self, live: list[Live]) -> tuple[list[Live], list[Batch]]:
        strange: list[Batch] = []
        for number in self.protocols:
            kept: list[Live] = []
            for batch, element in live:
                inside = batch.meet(PROTOCOL, ((number, number),))
                outside = batch.without(PROTOCOL, ((number, number),))
                kept += [(inside, element)] if inside else []
                strange += [outside] if outside else []
            live = kept
        return live, strange

    def _divide(self, branch: Branch, batch: Batch, found: list[Live], missed: list[Batch]) -> None:
        division = divide(branch, tuple(batch.now[column] for column in self.columns))
        found += [(self._cut(batch, cells), element) for cells, element in division.matched]
        missed += [self._cut(batch, cells) for cells in division.missed]

    def _cut(self, batch: Batch, cells: tuple[Intervals, ...]) -> Batch:
        for column, values in zip(self.columns, cells, strict=True):
            if values != batch.now[column]:
                batch = batch.cut(column, values)
        return batch


class Keys:
    """A node's sets, each indexed once for each way of asking it."""

    def __init__(self, sets: Mapping[str, NamedSet], indexes: Indexes) -> None:
        self._sets = sets
        self._indexes = indexes
        self._known: dict[KeyName, Key] = {}

    def of(self, fields: tuple[Field, ...], lookup: Lookup, where: str) -> Key:
        if isinstance(lookup, NamedSet):
            return self.anonymous(fields, lookup.elements, where)
        name = (fields, lookup)
        if name not in self._known:
            elements = _rows(lookup, self._sets, fields, where)
            self._known[name] = self._key(name, fields, elements, where)
        return self._known[name]

    def anonymous(self, fields: tuple[Field, ...], rows: Rows, where: str) -> Key:
        return self._key(None, fields, rows, where)

    def known(self, name: KeyName) -> Key | None:
        """Of a set that another node was asked for; None: this one has none such."""
        if name not in self._known and name[1] in self._sets:
            self.of(*name, where=f"set {name[1]}")
        return self._known.get(name)

    def _key(self, name: KeyName | None, fields: tuple[Field, ...], rows: Rows, where: str) -> Key:
        """Device columns first, whatever their place: they have one value for all packets at one place."""
        for field in fields:
            if field not in COLUMNS and field not in DEVICE_FIELDS:
                raise NotModelled(f"{where}: {field} inside a key is not modelled; match it by itself")
        for row in rows:
            if len(row.key) != len(fields):
                what = row.text or row.key
                raise Contradiction(f"{where}: element {what} does not have {len(fields)} columns")
        order = sorted(range(len(fields)), key=lambda at: fields[at] not in DEVICE_FIELDS)
        device = tuple(fields[at] for at in order if fields[at] in DEVICE_FIELDS)
        symbolic = tuple(fields[at] for at in order if fields[at] not in DEVICE_FIELDS)
        return Key(
            name=name,
            device=device,
            columns=tuple(COLUMNS[field] for field in symbolic),
            families=frozenset(FAMILIES[field] for field in symbolic if field in FAMILIES),
            protocols=tuple(PORTS_OF[field] for field in symbolic if field in PORTS_OF),
            root=self._indexes.index(rows, tuple(order), len(device)),
        )


def _rows(name: str, sets: Mapping[str, NamedSet], fields: tuple[Field, ...], where: str) -> Rows:
    """Of the set that a rule names, whose columns must be the rule's."""
    found = sets.get(name)
    if found is None:
        raise Contradiction(f"{where}: there is no set or map {name}; a kernel refuses such a rule")
    if len(found.types) != len(fields):
        raise Contradiction(f"{where}: {name} has {len(found.types)} columns, the rule asks {len(fields)}")
    return found.elements


@dataclass(slots=True)
class KeyTest:
    key: Key
    negated: bool

    def divide(self, live: list[Live], scene: Scene) -> tuple[list[Live], list[Batch]]:
        found, missed, strange = self.key.look_up(live, scene)
        if not self.negated:
            return found, missed + strange
        return [(batch, None) for batch in missed], [batch for batch, _ in found] + strange

    def of_device(self, scene: Scene) -> bool:
        """The answer for all packets at one place; of a key without columns."""
        values = tuple(scene.value(field) for field in self.key.device)
        return None not in values and (self.key.descend(values) is None) is self.negated


@dataclass(slots=True)
class TrackingTest:
    """`ct state` or `ct direction`: a mask of tracking flags."""

    mask: int
    negated: bool
    direction: bool

    def divide(self, live: list[Live], scene: Scene) -> tuple[list[Live], list[Batch]]:
        passed: list[Live] = []
        failed: list[Batch] = []
        known = DIRECTED if self.direction else EVERY_STATE
        wanted = known & ~self.mask if self.negated else self.mask
        for batch, element in live:
            if not scene.tracked and batch.now_tracking != Tracking.UNTRACKED:
                # No connection yet: the state reads as invalid, the direction not at all.
                good = not self.direction and bool(wanted & Tracking.INVALID)
                (passed.append((batch, element)) if good else failed.append(batch))
                continue
            inside, outside = batch.tracked(wanted), batch.tracked(~wanted)
            passed += [(inside, element)] if inside else []
            failed += [outside] if outside else []
        return passed, failed


EVERY_STATE: Final = 127
DIRECTED: Final = int(
    Tracking.NEW | Tracking.ORIGINAL | Tracking.REPLY | Tracking.RELATED | Tracking.RELATED_REPLY
)
STATE_MASKS: Final[Mapping[int, int]] = {
    CT_STATES["invalid"]: int(Tracking.INVALID),
    CT_STATES["established"]: int(Tracking.ORIGINAL | Tracking.REPLY),
    CT_STATES["related"]: int(Tracking.RELATED | Tracking.RELATED_REPLY),
    CT_STATES["new"]: int(Tracking.NEW),
    CT_STATES["untracked"]: int(Tracking.UNTRACKED),
}
DIRECTION_MASKS: Final[Mapping[int, int]] = {
    CT_DIRECTIONS["original"]: int(Tracking.NEW | Tracking.ORIGINAL | Tracking.RELATED),
    CT_DIRECTIONS["reply"]: int(Tracking.REPLY | Tracking.RELATED_REPLY),
}


@dataclass(slots=True)
class BackTest:
    """`fib saddr . iif oif`: missing, or there."""

    missing: bool

    def divide(self, live: list[Live], scene: Scene) -> tuple[list[Live], list[Batch]]:
        passed: list[Live] = []
        failed: list[Batch] = []
        for batch, element in live:
            back, away = scene.led_back(batch)
            good, bad = (away, back) if self.missing else (back, away)
            passed += [(batch, element) for batch in good]
            failed += bad
        return passed, failed


@dataclass(slots=True)
class TypeTest:
    """`fib daddr type`."""

    wanted: Intervals
    negated: bool

    def divide(self, live: list[Live], scene: Scene) -> tuple[list[Live], list[Batch]]:
        passed: list[Live] = []
        failed: list[Batch] = []
        for batch, element in live:
            inside, outside = scene.of_types(batch, self.wanted)
            good, bad = (outside, inside) if self.negated else (inside, outside)
            passed += [(batch, element) for batch in good]
            failed += bad
        return passed, failed


def test_of(match: Match, keys: Keys, where: str) -> Test:
    """The test that a match makes."""
    first = match.fields[0]
    if len(match.fields) == 1 and first in _SPECIAL:
        return _special(first, _numbers(match, where), match.negated, where)
    if isinstance(match.values, tuple):
        rows = tuple(Element(key=(cell,)) for cell in match.values)
        return KeyTest(keys.anonymous(match.fields, rows, where), match.negated)
    return KeyTest(keys.of(match.fields, match.values, where), match.negated)


test_of.__test__ = False  # type: ignore[attr-defined]  # no test of pytest's

_SPECIAL: Final = frozenset(
    {Field.CT_STATE, Field.CT_DIRECTION, Field.FIB_SADDR_IIF_OIF, Field.FIB_DADDR_TYPE}
)


def _numbers(match: Match, where: str) -> Intervals:
    cells: tuple[Cell, ...] = ()
    if isinstance(match.values, tuple):
        cells = match.values
    elif isinstance(match.values, NamedSet):
        cells = tuple(element.key[0] for element in match.values.elements)
    numbers = [cell for cell in cells if not isinstance(cell, str)]
    if not numbers or len(numbers) != len(cells):
        raise NotModelled(f"{where}: only literal values of {match.fields[0]} are modelled")
    return union(numbers)


def _special(field: Field, values: Intervals, negated: bool, where: str) -> Test:
    match field:
        case Field.CT_STATE | Field.CT_DIRECTION:
            masks = STATE_MASKS if field is Field.CT_STATE else DIRECTION_MASKS
            mask = sum(flags for number, flags in masks.items() if contains(values, number))
            return TrackingTest(mask, negated, field is Field.CT_DIRECTION)
        case Field.FIB_DADDR_TYPE:
            return TypeTest(values, negated)
        case _ if values == (FIB_MISSING,):
            return BackTest(not negated)
        case _:
            raise NotModelled(f"{where}: of {field} only `missing` and `exists` are modelled")
