"""Networks whose blocks on this node are full while pods wait: what the controller is asked for.

The controller counts the pods that are bound to the node; that a released address rests, or that a pod
is gone from the API before its address is free, only the node knows. So it says how many addresses it
needs, as long as somebody waits for one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agent.addresses import Exhausted
from agent.lease import LeaseKey
from compiler.names import ObjectName


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    network: ObjectName
    addresses: int
    """That the node needs in its blocks, those that it has included."""


def _nothing() -> None:
    pass


def _nobody(network: ObjectName) -> None:
    pass


class Shortages:
    """Not thread-safe: whoever asks holds the engine."""

    def __init__(
        self, *, rouse: Callable[[], None] = _nothing, told: Callable[[ObjectName], None] = _nobody
    ) -> None:
        """`rouse` is called when the wishes are others; `told` learns of each ADD that found no address."""
        self._rouse = rouse
        self._told = told
        self._waiting: dict[LeaseKey, Exhausted] = {}

    def note(self, key: LeaseKey, shortage: Exhausted) -> None:
        """An ADD waits, or still does."""
        first = key not in self._waiting
        self._waiting[key] = shortage
        if first:
            self._told(shortage.network)
            self._rouse()

    def end(self, key: LeaseKey) -> None:
        """It waits no longer, whatever came of it."""
        if self._waiting.pop(key, None) is not None:
            self._rouse()

    @property
    def wishes(self) -> tuple[Wish, ...]:
        """By network. Of the full IP version no address is left, so each ADD that waits needs one more."""
        needed: dict[tuple[ObjectName, int], int] = {}
        for shortage in self._waiting.values():
            key = (shortage.network, shortage.version)
            needed[key] = max(needed.get(key, 0), shortage.room)
        for shortage in self._waiting.values():
            needed[shortage.network, shortage.version] += 1
        most: dict[ObjectName, int] = {}
        for (network, _), addresses in needed.items():
            most[network] = max(most.get(network, 0), addresses)
        return tuple(Wish(network=name, addresses=most[name]) for name in sorted(most))
