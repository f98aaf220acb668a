"""Growing pauses for what failed, so that a thing that cannot succeed costs next to nothing."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final

FIRST: Final = 1.0
LONGEST: Final = 300.0
"""Seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pause:
    about: object
    times: int
    until: float


@dataclass(kw_only=True, slots=True)
class Backoff:
    """By key; a pause ends early where `about` shows that something else is to be done."""

    _pauses: dict[Hashable, _Pause] = field(default_factory=dict)

    def left(self, key: Hashable, about: object, now: float) -> float:
        """Seconds until it may be tried; 0 where it may at once."""
        pause = self._pauses.get(key)
        return max(0.0, pause.until - now) if pause and pause.about == about else 0.0

    def failed(self, key: Hashable, about: object, now: float, *, at_least: float = 0.0) -> float:
        """Seconds until it may be tried again."""
        before = self._pauses.get(key)
        times = before.times + 1 if before and before.about == about else 1
        seconds = max(min(FIRST * 2.0 ** min(times - 1, 30), LONGEST), at_least)
        self._pauses[key] = _Pause(about=about, times=times, until=now + seconds)
        return seconds

    def succeeded(self, key: Hashable) -> None:
        self._pauses.pop(key, None)

    def forget(self, *, before: float) -> None:
        """Forget pauses that ended before then."""
        self._pauses = {key: pause for key, pause in self._pauses.items() if pause.until >= before}
