"""Many calls, few effects: the first takes effect at once, the last one always does, the others may not.

Between two effects for one key there is always a pause, however many ask.
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
        """`interval` in seconds of `clock`, which is monotonic, between two effects for one key."""
        self._forward = forward
        self._interval = interval
        self._clock = clock
        self._later = later
        self._lock = threading.Lock()
        self._last: dict[Key, float] = {}
        self._waiting: dict[Key, Value] = {}

    def __call__(self, key: Key, value: Value) -> None:
        with self._lock:
            waits = key in self._waiting
            now = self._clock()
            due = self._last[key] + self._interval if key in self._last else now
            if waits or due > now:
                self._waiting[key] = value
            else:
                self._last[key] = now
        if waits:
            return
        if due > now:
            self._later(due - now, lambda: self._release(key))
        else:
            self._forward(key, value)

    def _release(self, key: Key) -> None:
        with self._lock:
            value = self._waiting.pop(key)
            self._last[key] = self._clock()
        self._forward(key, value)
