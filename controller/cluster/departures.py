"""Deletions of networks are decided together: their number matters, and they come one after the other.

`kubectl delete --all` and the pruning of a GitOps engine are many requests, and turns of the loop lie between
them. Each turn would find a few networks gone, and no mass deletion.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from controller.cluster.objects import ResourceKey

QUIET = 2.0
"""Seconds without a further one after which they are decided."""
LONGEST = 30.0
"""Seconds for which one waits for others at most."""


@dataclass(kw_only=True, slots=True)
class Departures:
    _seen: frozenset[ResourceKey] = field(default=frozenset(), init=False)
    _waiting: frozenset[ResourceKey] = field(default=frozenset(), init=False)
    _first: float = field(default=0.0, init=False)
    _last: float = field(default=0.0, init=False)

    def take(self, terminating: frozenset[ResourceKey], now: float) -> frozenset[ResourceKey]:
        """Return those of the resources under deletion that are to be decided about."""
        new = terminating - self._seen
        if new:
            self._last = now
            self._first = self._first if self._waiting else now
        self._seen, self._waiting = terminating, (self._waiting | new) & terminating
        if self.pause(now) == 0:
            self._waiting = frozenset()
        return terminating - self._waiting

    def pause(self, now: float) -> float:
        """Return the seconds until some are to be decided about; infinity where none waits."""
        if not self._waiting:
            return float("inf")
        return max(0.0, min(self._last + QUIET, self._first + LONGEST) - now)
