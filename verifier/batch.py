"""Packets on their way through a node that have fared alike so far.

`entry` is what they were as they came in, `now` what they are. A column that nobody translated is the
same in both, packet by packet, so cutting one cuts the other; of a translated column `now` holds what the
packet may have become (a Service's backends), and cutting it says nothing about the entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from verifier.intervals import Intervals, intersect, subtract, union
from verifier.outcome import Trail
from verifier.packets import Box, Tracking
from verifier.routing import Way

SADDR: Final = 0
DADDR: Final = 1
PROTOCOL: Final = 2
DPORT: Final = 3
MARK: Final = 4

Values = tuple[Intervals, Intervals, Intervals, Intervals, Intervals]
"""By the columns above."""

FIRST_OF_CONNECTION: Final = int(Tracking.NEW | Tracking.ORIGINAL)
"""Nat chains see new connections; what they decided holds for the packets that follow."""


@dataclass(slots=True)
class Batch:
    """Not frozen because hundreds of thousands are made: nobody changes one."""

    family: int
    entry: Values
    now: Values
    tracking: int
    now_tracking: int
    """As matches see it: `notrack` makes it UNTRACKED."""
    translated: int = 0
    """A bit for each column."""
    zone: int | None = None
    trail: Trail | None = None
    way: Way | None = None
    """Where routing sent it."""

    def cut(self, column: int, values: Intervals) -> Batch:
        """Only those packets whose column is among `values`, which must lie within `now`."""
        if values is self.now[column]:
            return self
        now = _with(self.now, column, values)
        entry = self.entry if self.translated >> column & 1 else _with(self.entry, column, values)
        return self._copy(entry, now)

    def meet(self, column: int, values: Intervals) -> Batch | None:
        """Those whose column is among any values; None: there are none."""
        common = intersect(self.now[column], values)
        return self.cut(column, common) if common else None

    def without(self, column: int, values: Intervals) -> Batch | None:
        left = subtract(self.now[column], values)
        return self.cut(column, left) if left else None

    def tracked(self, mask: int) -> Batch | None:
        """Those in one of these states of connection tracking."""
        if not self.now_tracking & ~mask:
            return self
        if not self.now_tracking & mask:
            return None
        copy = self._copy(self.entry, self.now)
        copy.tracking, copy.now_tracking = self.tracking & mask, self.now_tracking & mask
        return copy

    def become(self, column: int, values: Intervals) -> Batch:
        """Translated: each packet now has one of the values."""
        copy = self._copy(self.entry, _with(self.now, column, values))
        copy.translated = self.translated | 1 << column
        return copy

    def with_trail(self, trail: Trail) -> Batch:
        copy = self._copy(self.entry, self.now)
        copy.trail = trail
        return copy

    def with_zone(self, zone: int) -> Batch:
        copy = self._copy(self.entry, self.now)
        copy.zone = zone
        return copy

    def on_way(self, way: Way | None) -> Batch:
        if self.way is way:
            return self
        copy = self._copy(self.entry, self.now)
        copy.way = way
        return copy

    @property
    def likeness(self) -> tuple[object, ...]:
        """All that rules can see of it, and what it was."""
        return self.now, self.entry, self.translated, self.tracking, self.now_tracking, self.zone

    def untracked(self) -> Batch:
        copy = self._copy(self.entry, self.now)
        copy.now_tracking = int(Tracking.UNTRACKED)
        return copy

    def _copy(self, entry: Values, now: Values) -> Batch:
        return Batch(
            self.family,
            entry,
            now,
            self.tracking,
            self.now_tracking,
            self.translated,
            self.zone,
            self.trail,
            self.way,
        )

    @property
    def came_as(self) -> Box:
        return _box(self.family, self.entry, self.tracking)

    @property
    def leaves_as(self) -> Box:
        return _box(self.family, self.now, self.tracking)


NO_MARK: Final[Intervals] = ((0, 0),)


def batch_of(box: Box, mark: Intervals = NO_MARK) -> Batch:
    values = (box.saddr, box.daddr, box.protocol, box.dport, mark)
    return Batch(box.family, values, values, box.tracking, box.tracking)


def _with(values: Values, column: int, new: Intervals) -> Values:
    return (*values[:column], new, *values[column + 1 :])  # type: ignore[return-value]  # as long as before


def _box(family: int, values: Values, tracking: int) -> Box:
    saddr, daddr, protocol, dport, _ = values
    return Box(family=family, saddr=saddr, daddr=daddr, protocol=protocol, dport=dport, tracking=tracking)


def coalesce(batches: list[Batch]) -> list[Batch]:
    """Fewer batches for the same packets: those that differ in one column only become one.

    First in tracking, then, where nothing is translated, in destination and in protocol.
    """
    if len(batches) < 2:
        return batches
    merged = _joined_tracking(batches)
    for column in (DADDR, PROTOCOL):
        merged = _joined(merged, column)
    return merged


def _joined_tracking(batches: list[Batch]) -> list[Batch]:
    alike: dict[tuple[object, ...], Batch] = {}
    for batch in batches:
        untracked = batch.now_tracking == Tracking.UNTRACKED
        key = (batch.now, batch.entry, batch.translated, batch.zone, untracked, batch.way)
        held = alike.get(key)
        if held is None:
            alike[key] = batch
            continue
        copy = held._copy(held.entry, held.now)
        copy.tracking = held.tracking | batch.tracking
        copy.now_tracking = held.now_tracking | batch.now_tracking
        alike[key] = copy
    return list(alike.values())


def _joined(batches: list[Batch], column: int) -> list[Batch]:
    apart: list[Batch] = []
    alike: dict[tuple[object, ...], list[Batch]] = {}
    for batch in batches:
        if batch.translated & ~(1 << MARK):
            apart.append(batch)
            continue
        now = batch.now
        rest = now[:column] + now[column + 1 :]
        key = (rest, batch.tracking, batch.now_tracking, batch.translated, batch.zone, batch.way)
        alike.setdefault(key, []).append(batch)
    for members in alike.values():
        first = members[0]
        if len(members) > 1:
            values = union(interval for member in members for interval in member.now[column])
            first = first._copy(_with(first.entry, column, values), _with(first.now, column, values))
        apart.append(first)
    return apart
