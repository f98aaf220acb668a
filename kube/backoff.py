"""How long to wait after the n-th failure in a row: exponential with full jitter.

Full jitter spreads the clients of a server that comes back over the whole interval; see
https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

_LONGEST_ASKED = 300.0
"""A Retry-After beyond this is more likely a mistake than a wish."""


@dataclass(kw_only=True, slots=True)
class Backoff:
    first: float = 0.8
    longest: float = 30.0
    random: random.Random = field(default_factory=random.Random)
    failures: int = 0
    """In a row."""

    def failed(self, retry_after: float | None = None) -> float:
        """Return the seconds to wait: at least what the server asked for."""
        bound = min(self.longest, self.first * 2 ** min(self.failures, 30))
        self.failures += 1
        return min(retry_after or 0.0, _LONGEST_ASKED) + self.random.uniform(0, bound)

    def succeeded(self) -> None:
        self.failures = 0
