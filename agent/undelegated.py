"""Attachments that the default network never saw, as far as is remembered: a DEL of one ends here.

Runtimes repeat a DEL, and send one after an ADD that failed; the default network's plugins may be away
by then. What is forgotten, the oldest first and all of it with the process, goes to the default
network, whose plugins have to bear a DEL of what they do not know (CNI specification, DEL).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from agent.lease import LeaseKey

KEPT: Final = 512
"""Twice the pods that a kubelet runs at most, as it comes."""


class Undelegated:
    """Not thread-safe: whoever asks holds the engine."""

    def __init__(self) -> None:
        self._keys: OrderedDict[LeaseKey, None] = OrderedDict()

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def note(self, key: LeaseKey) -> None:
        self._keys[key] = None
        self._keys.move_to_end(key)
        if len(self._keys) > KEPT:
            self._keys.popitem(last=False)

    def forget(self, key: LeaseKey) -> None:
        """It is handed to the default network."""
        self._keys.pop(key, None)
