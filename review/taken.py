"""When an inventory was taken: the newest time that it holds.

kubectl writes no time of its own. But a kubelet says at least every five minutes that its node is well,
and each object when it was made, so the newest of these is never later than the inventory, and hardly
earlier.
"""

from __future__ import annotations

import re
from typing import Final

_TIMES: Final = re.compile(
    rb"\"?(?:lastHeartbeatTime|creationTimestamp|lastTransitionTime|startTime|startedAt)\"?: ?"
    rb"\"?(\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\dZ)"
)


def newest_time(text: bytes) -> str:
    """As RFC 3339 has it, in UTC; "" where there is none."""
    return max((match.decode() for match in _TIMES.findall(text)), default="")
