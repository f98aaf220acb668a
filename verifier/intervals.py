"""Sets of numbers as sorted, disjoint, inclusive intervals that do not touch: one set, one spelling.

Addresses, ports, protocols, marks and groups are all numbers, so one algebra serves them all.
"""

from __future__ import annotations

from typing import Final, TypeAlias

Interval: TypeAlias = tuple[int, int]
"""First and last number, both included."""
Intervals: TypeAlias = tuple[Interval, ...]
EMPTY: Final[Intervals] = ()
