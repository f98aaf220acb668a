"""A routing table, cut once into disjoint intervals: a box is split where the table says, nowhere else."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from verifier.fault import Contradiction
from verifier.intervals import Interval, Intervals, intersect, prefix_interval, union
from verifier.packets import any_address
from verifier.state import Route, RouteKind

_V6_DEFAULT_METRIC: Final = 1024


@dataclass(slots=True)
class Table:
    """One table of one family as sorted, disjoint pieces; `targets` joins those of one kind and device."""

    starts: list[int] = field(default_factory=list)
    pieces: list[tuple[Interval, Route]] = field(default_factory=list)
    covered: Intervals = ()
    covers: bool = False
    """It has a way, and no exception from it, for every address."""
    targets: dict[tuple[RouteKind, str | None], Intervals] = field(default_factory=dict)

    def find(self, destination: int) -> Route | None:
        at = bisect_right(self.starts, destination) - 1
        if at < 0 or self.pieces[at][0][1] < destination:
            return None
        return self.pieces[at][1]

    def routes(self, destinations: Intervals) -> Iterator[tuple[Intervals, Route]]:
        """The routes of these destinations, in order; destinations without one are left out."""
        for first, last in destinations:
            at = max(bisect_right(self.starts, first) - 1, 0)
            while at < len(self.pieces) and self.pieces[at][0][0] <= last:
                (low, high), route = self.pieces[at]
                if high >= first:
                    yield ((max(first, low), min(last, high)),), route
                at += 1

    def divide(self, destinations: Intervals) -> Iterator[tuple[Intervals, RouteKind, str | None]]:
        """The destinations by kind of route and device."""
        if len(destinations) <= 2 and all(first == last for first, last in destinations):
            found: dict[tuple[RouteKind, str | None], list[Interval]] = {}
            for first, last in destinations:
                route = self.find(first)
                if route is not None:
                    found.setdefault((route.kind, route.link), []).append((first, last))
            for (kind, link), intervals in found.items():
                yield union(intervals), kind, link
            return
        for (kind, link), covered in self.targets.items():
            common = intersect(destinations, covered)
            if common:
                yield common, kind, link


def table_of(routes: Iterable[Route]) -> Table:
    """The longest prefix wins, within one prefix the lowest metric."""
    best: dict[tuple[int, int], Route] = {}
    for route in routes:
        key = (route.network, route.length)
        held = best.get(key)
        if held is None or _metric(route) < _metric(held):
            best[key] = route
        elif _metric(route) == _metric(held) and _differs(route, held):
            raise Contradiction(f"two routes to one prefix with one metric: {held} and {route}; keep one")
    table = Table()
    _sweep(sorted(best.values(), key=lambda route: (route.network, route.length)), table)
    table.starts = [interval[0] for interval, _ in table.pieces]
    table.covered = union(interval for interval, _ in table.pieces)
    kinds = {route.kind for _, route in table.pieces}
    family = table.pieces[0][1].family if table.pieces else 4
    table.covers = table.covered == any_address(family) and RouteKind.THROW not in kinds
    joined: dict[tuple[RouteKind, str | None], list[Interval]] = {}
    for interval, route in table.pieces:
        joined.setdefault((route.kind, route.link), []).append(interval)
    table.targets = {target: union(intervals) for target, intervals in joined.items()}
    return table


def _differs(one: Route, other: Route) -> bool:
    """Link-local and multicast prefixes lie on every device, and the packet's device chooses."""
    if one.family == 6 and (one.kind is RouteKind.MULTICAST or one.network >> 118 == 0xFE80 >> 6):
        return False
    return (one.kind, one.link, one.via) != (other.kind, other.link, other.via)


def _metric(route: Route) -> int:
    return route.metric or (_V6_DEFAULT_METRIC if route.family == 6 else 0)


def _sweep(routes: list[Route], table: Table) -> None:
    """Prefixes nest or are apart, so a stack of those that are open suffices."""
    open_: list[tuple[int, Route]] = []
    at = 0
    for route in routes:
        first, last = prefix_interval(route.family, route.network, route.length)
        while open_ and open_[-1][0] < first:
            at = _close(open_, at, table)
        if open_ and at < first:
            table.pieces.append(((at, first - 1), open_[-1][1]))
        at = first
        open_.append((last, route))
    while open_:
        at = _close(open_, at, table)


def _close(open_: list[tuple[int, Route]], at: int, table: Table) -> int:
    end, route = open_.pop()
    if at <= end:
        table.pieces.append(((at, end), route))
    return max(at, end + 1)
