"""When it is time to try again what has failed."""

from __future__ import annotations

import random
from collections.abc import Callable

from kube.backoff import Backoff


class Retry:
    """Not thread-safe. All times in seconds of `clock`, which is monotonic."""

    def __init__(
        self,
        *,
        first: float,
        longest: float,
        clock: Callable[[], float],
        chance: random.Random | None = None,
    ) -> None:
        self._backoff = Backoff(first=first, longest=longest, random=chance or random.Random())
        self._clock = clock
        self._due = clock()

    @property
    def failures(self) -> int:
        """In succession, up to now."""
        return self._backoff.failures

    @property
    def wait(self) -> float:
        """How long until the next attempt; 0 for now."""
        return max(0.0, self._due - self._clock())

    def failed(self, retry_after: float | None = None) -> None:
        self._due = self._clock() + self._backoff.failed(retry_after)

    def succeeded(self) -> None:
        self._backoff.succeeded()
        self._due = self._clock()

    def now(self) -> None:
        """Something has changed: wait no longer, but remember the failures."""
        self._due = self._clock()
