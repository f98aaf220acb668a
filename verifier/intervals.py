"""Sets of numbers as sorted, disjoint, inclusive intervals that do not touch: one set, one spelling.

Addresses, ports, protocols, marks and groups are all numbers, so one algebra serves them all. What is
small is laid on what is large by bisection, so that a set of thousands costs little to ask.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import Final, TypeAlias

Interval: TypeAlias = tuple[int, int]
"""First and last number, both included."""
Intervals: TypeAlias = tuple[Interval, ...]
EMPTY: Final[Intervals] = ()


def point(number: int) -> Intervals:
    return ((number, number),)


def union(parts: Iterable[Interval]) -> Intervals:
    """Of intervals in any order, overlapping or not."""
    found = sorted(parts)
    if len(found) < 2:
        return tuple(found)
    merged: list[Interval] = []
    for first, last in found:
        if merged and first <= merged[-1][1] + 1:
            if last > merged[-1][1]:
                merged[-1] = (merged[-1][0], last)
        else:
            merged.append((first, last))
    return tuple(merged)


def intersect(left: Intervals, right: Intervals) -> Intervals:
    if left is right or left == right:
        return left
    if len(left) > len(right):
        left, right = right, left
    if len(left) == 1:
        return _within(left[0], right)
    if len(left) * 8 < len(right):
        return tuple(piece for interval in left for piece in _within(interval, right))
    return _walk(left, right)


def _within(interval: Interval, many: Intervals) -> Intervals:
    """The part of `many` inside one interval."""
    first, last = interval
    if not many or last < many[0][0] or first > many[-1][1]:
        return EMPTY
    if len(many) == 1:
        low, high = many[0]
        if first <= low and high <= last:
            return many
        return ((max(low, first), min(high, last)),)
    if first <= many[0][0] and many[-1][1] <= last:
        return many
    at = bisect_left(many, (first, first))
    if at and many[at - 1][1] >= first:
        at -= 1
    found: list[Interval] = []
    while at < len(many) and many[at][0] <= last:
        low, high = many[at]
        found.append((max(low, first), min(high, last)))
        at += 1
    return tuple(found)


def _walk(left: Intervals, right: Intervals) -> Intervals:
    found: list[Interval] = []
    at, end = 0, len(right)
    for first, last in left:
        while at < end and right[at][1] < first:
            at += 1
        while at < end and right[at][0] <= last:
            low, high = right[at]
            found.append((max(first, low), min(last, high)))
            if high > last:
                break
            at += 1
    return tuple(found)


def subtract(left: Intervals, right: Intervals) -> Intervals:
    """What of `left` is not in `right`."""
    if not left or not right or left[-1][1] < right[0][0] or right[-1][1] < left[0][0]:
        return left
    if left is right:
        return EMPTY
    return tuple(piece for interval in left for piece in _without(interval, right))


def _without(interval: Interval, many: Intervals) -> list[Interval]:
    first, last = interval
    at = bisect_left(many, (first, first))
    if at and many[at - 1][1] >= first:
        at -= 1
    left: list[Interval] = []
    while at < len(many) and many[at][0] <= last:
        low, high = many[at]
        if first < low:
            left.append((first, low - 1))
        first = high + 1
        if first > last:
            return left
        at += 1
    left.append((first, last))
    return left


def intersects(left: Intervals, right: Intervals) -> bool:
    """Whether they share a number."""
    if len(left) > len(right):
        left, right = right, left
    if not left or left[-1][1] < right[0][0] or right[-1][1] < left[0][0]:
        return False
    for first, last in left:
        at = bisect_left(right, (last + 1,))
        if at and right[at - 1][1] >= first:
            return True
    return False


def contains(many: Intervals, number: int) -> bool:
    at = bisect_left(many, (number + 1,))
    return at > 0 and many[at - 1][1] >= number


def within(small: Intervals, large: Intervals) -> bool:
    """Whether `large` holds all of `small`."""
    return small is large or not subtract(small, large)


def only(many: Intervals) -> int | None:
    """The one number of a set of one; None for any other set."""
    if len(many) == 1 and many[0][0] == many[0][1]:
        return many[0][0]
    return None


def prefix_interval(family: int, network: int, length: int) -> Interval:
    """The addresses of a prefix."""
    return network, network | (1 << ((32 if family == 4 else 128) - length)) - 1
