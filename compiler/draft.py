"""A mapping of mappings under change: what is touched is copied once, what is not stays shared.

The stages of a recompilation keep their results so, by node or by network: the cost of a change is
the size of the inner mappings that it touches, and the touched keys tell the next stage what to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

K = TypeVar("K")
I = TypeVar("I")  # noqa: E741  # inner key, beside K and V
V = TypeVar("V")


class Draft(Generic[K, I, V]):
    """Starts equal to `base`, which it never changes."""

    __slots__ = ("_base", "_own")

    def __init__(self, base: Mapping[K, Mapping[I, V]]) -> None:
        self._base = base
        self._own: dict[K, dict[I, V]] = {}

    @property
    def touched(self) -> frozenset[K]:
        """The outer keys that were opened."""
        return frozenset(self._own)

    def read(self, key: K) -> Mapping[I, V]:
        """Empty where there is none."""
        own = self._own.get(key)
        return own if own is not None else self._base.get(key, {})

    def open(self, key: K) -> dict[I, V]:
        """The inner mapping, to be changed in place."""
        own = self._own.get(key)
        if own is None:
            own = self._own[key] = dict(self._base.get(key, ()))
        return own

    def keys(self) -> Iterator[K]:
        yield from self._base
        yield from (key for key in self._own if key not in self._base)

    def finished(self) -> Mapping[K, Mapping[I, V]]:
        """The result, without keys whose inner mapping is empty; the base itself where nothing was opened."""
        if not self._own:
            return self._base
        result: dict[K, Mapping[I, V]] = {**self._base, **self._own}
        for key in self._own:
            if not result[key]:
                del result[key]
        return result
