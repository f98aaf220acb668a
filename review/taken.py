"""When an inventory was taken: the newest time that it holds.

kubectl writes no time of its own. But a kubelet says at least every five minutes that its node is well,
and each object when it was made, so the newest of these is never later than the inventory, and hardly
earlier.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final

_KEYS: Final = (b"lastHeartbeatTime", b"creationTimestamp", b"lastTransitionTime", b"startTime", b"startedAt")
_TIME: Final = re.compile(rb"\"?: ?\"?(\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\dZ)")


def newest_time(text: bytes) -> str:
    """As RFC 3339 has it, in UTC; "" where there is none."""
    times = {time for key in _KEYS for time in _times(text, key)}
    return next((time for time in sorted(times, reverse=True) if _is_time(time)), "")


def _is_time(text: str) -> bool:
    """Not all that looks like one is in a calendar."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _times(text: bytes, key: bytes) -> Iterator[str]:
    """Looks for the key first: an inventory may have 100 MB, and bytes.find is the fastest way through it."""
    at = text.find(key)
    while at >= 0:
        at += len(key)
        match = _TIME.match(text, at)
        if match is not None:
            yield match[1].decode()
        at = text.find(key, at)
