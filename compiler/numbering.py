"""Which number is next: the lowest never used, or used by something that is confirmed gone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol, TypeVar

from compiler.names import MAX_NUMBER


class Numbered(Protocol):
    @property
    def number(self) -> int: ...
    @property
    def retired_in(self) -> int | None: ...


K = TypeVar("K")


def free_numbers(entries: Mapping[K, Numbered], confirmed: int) -> Iterator[tuple[int, K | None]]:
    """Ascending, each with the retired owner that gives it up. `entries` are read once, at the start."""
    owners = {entry.number: (name, entry.retired_in) for name, entry in entries.items()}
    for number in range(1, MAX_NUMBER + 1):
        if number not in owners:
            yield number, None
            continue
        name, retired_in = owners[number]
        if retired_in is not None and retired_in <= confirmed:
            yield number, name
