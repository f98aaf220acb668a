"""Compiling makes millions of values that refer to each other in trees, never in cycles.

Python's cyclic collector walks over all of them again and again and finds nothing; in a large
compilation that is half of the time. Reference counts free everything that there is to free.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """For the time of one large computation; nests."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()
