"""Sets of integers as ascending runs: addresses taken in a network, addresses taken on a node.

Blocks are handed out from the low end, so neighbours coalesce and a set of thousands of blocks is a
handful of runs. Plain integers, for `ipaddress` is too slow for an inner loop.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable


class Ranges:
    """Disjoint runs `[start, end]`, both ends included; runs that touch are one."""

    __slots__ = ("_ends", "_starts")

    def __init__(self, runs: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in runs:
            self.add(start, end)

    def add(self, start: int, end: int) -> None:
        first = bisect_left(self._ends, start - 1)
        last = bisect_right(self._starts, end + 1)
        if first < last:
            start = min(start, self._starts[first])
            end = max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]

    def end_of_overlap(self, start: int, end: int) -> int | None:
        """Where the last run that meets `[start, end]` ends; None where none does."""
        last = bisect_right(self._starts, end) - 1
        if last < 0 or self._ends[last] < start:
            return None
        return self._ends[last]


def lowest_free(start: int, end: int, size: int, *taken: Ranges) -> int | None:
    """The lowest `start + k * size` whose `size` integers are all free and not beyond `end`."""
    position = start
    while position + size - 1 <= end:
        for ranges in taken:
            blocked = ranges.end_of_overlap(position, position + size - 1)
            if blocked is not None:
                position += ((blocked - position) // size + 1) * size
                break
        else:
            return position
    return None
