"""What a rule asks of a packet, made ready once for each node: device first, then columns.

Each test divides batches into those that pass, with the element that let them, and those that do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from verifier.batch import DADDR, DPORT, MARK, PROTOCOL, SADDR, Batch
from verifier.element_index import Branch, divide, index
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
from verifier.scene import DEVICE_FIELDS, Scene

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

    device: tuple[Field, ...]
    columns: tuple[int, ...]
    families: frozenset[int]
    protocols: tuple[int, ...]
    root: Branch

    def look_up(self, live: list[Live], scene: Scene) -> tuple[list[Live], list[Batch], list[Batch]]:
        """Those that found an element, those that found none, and those that have no such key at all."""
        branch: Branch | Element | None = self.root
        for field in self.device:
            value = scene.value(field)
            if value is None:
                return [], [], [batch for batch, _ in live]
            branch = branch.child(value) if isinstance(branch, Branch) else None
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


def key_of(fields: tuple[Field, ...], rows: tuple[Element, ...], where: str) -> Key:
    """Device columns first, whatever their place: they have one value for all packets at one place."""
    for field in fields:
        if field not in COLUMNS and field not in DEVICE_FIELDS:
            raise NotModelled(f"{where}: {field} inside a key is not modelled; match it in a rule of its own")
    for row in rows:
        if len(row.key) != len(fields):
            raise Contradiction(f"{where}: element {row.text or row.key} does not have {len(fields)} columns")
    order = sorted(range(len(fields)), key=lambda at: fields[at] not in DEVICE_FIELDS)
    device = tuple(fields[at] for at in order if fields[at] in DEVICE_FIELDS)
    symbolic = tuple(fields[at] for at in order if fields[at] not in DEVICE_FIELDS)
    return Key(
        device=device,
        columns=tuple(COLUMNS[field] for field in symbolic),
        families=frozenset(FAMILIES[field] for field in symbolic if field in FAMILIES),
        protocols=tuple(PORTS_OF[field] for field in symbolic if field in PORTS_OF),
        root=index((tuple(row.key[at] for at in order), row) for row in rows),
    )


@dataclass(slots=True)
class KeyTest:
    key: Key
    negated: bool

    def divide(self, live: list[Live], scene: Scene) -> tuple[list[Live], list[Batch]]:
        found, missed, strange = self.key.look_up(live, scene)
        if not self.negated:
            return found, missed + strange
        return [(batch, None) for batch in missed], [batch for batch, _ in found] + strange


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


def rows_of(lookup: Lookup, sets: Mapping[str, NamedSet], fields: tuple[Field, ...], where: str) -> NamedSet:
    """The set that a rule names, whose columns must be the rule's."""
    if isinstance(lookup, NamedSet):
        return lookup
    found = sets.get(lookup)
    if found is None:
        raise Contradiction(f"{where}: there is no set or map {lookup}; a kernel refuses such a rule")
    if len(found.types) != len(fields):
        raise Contradiction(f"{where}: {lookup} has {len(found.types)} columns, the rule asks {len(fields)}")
    return found


def test_of(match: Match, sets: Mapping[str, NamedSet], where: str) -> Test:
    """The test that a match makes."""
    first = match.fields[0]
    if len(match.fields) == 1 and first in _SPECIAL:
        return _special(first, _numbers(match, where), match.negated, where)
    if isinstance(match.values, tuple):
        rows = tuple(Element(key=(cell,)) for cell in match.values)
    else:
        rows = rows_of(match.values, sets, match.fields, where).elements
    return KeyTest(key_of(match.fields, rows, where), match.negated)


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
