"""Many calls, few effects: the first takes effect at once, the last one always does, the others may not.

No caller waits for an effect. Between two effects for one key there is always a pause, however many
ask and however long an effect takes: of one key's, never two are under way.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
Later = Callable[[float, Callable[[], None]], None]
"""Calls a function after so many seconds, in another thread."""


def in_a_thread(seconds: float, call: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, call)
    timer.daemon = True
    timer.start()


class Coalescing(Generic[Key, Value]):
    """Thread-safe. Memory and threads grow with the keys, not with the calls."""

    def __init__(
        self,
        forward: Callable[[Key, Value], None],
        *,
        interval: float,
        clock: Callable[[], float] = time.monotonic,
        later: Later = in_a_thread,
    ) -> None:
        """`interval` in seconds of `clock`, which is monotonic, between the beginnings of two effects."""
        self._forward = forward
        self._interval = interval
        self._clock = clock
        self._later = later
        self._lock = threading.Lock()
        self._last: dict[Key, float] = {}
        self._waiting: dict[Key, Value] = {}
        self._under_way: set[Key] = set()
        """Keys with an effect that is due or happening."""

    def __call__(self, key: Key, value: Value) -> None:
        with self._lock:
            self._waiting[key] = value
            if key in self._under_way:
                return
            self._under_way.add(key)
            pause = self._pause(key)
        self._later(pause, lambda: self._release(key))

    def _release(self, key: Key) -> None:
        with self._lock:
            value = self._waiting.pop(key)
            self._last[key] = self._clock()
        try:
            self._forward(key, value)
        finally:
            self._next(key)

    def _next(self, key: Key) -> None:
        with self._lock:
            if key not in self._waiting:
                self._under_way.discard(key)
                return
            pause = self._pause(key)
        self._later(pause, lambda: self._release(key))

    def _pause(self, key: Key) -> float:
        last = self._last.get(key)
        return 0.0 if last is None else max(0.0, last + self._interval - self._clock())
