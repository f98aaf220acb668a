"""Progress that counts, for work of many like steps: on stderr, and only where it takes its time."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Final, TextIO

from cli.console import console

Count = Callable[[int, int], None]
"""To be called with what is done, and with all there is to do."""

_PATIENCE: Final = 1.0
"""Seconds before anything is said."""
_PAUSE: Final = 5.0
"""Seconds between two lines where no terminal can overwrite the first."""


@contextlib.contextmanager
def counting(doing: str, stream: TextIO | None = None) -> Iterator[Count]:
    """A spinner with the count on a terminal, else a line now and then."""
    stream = stream or sys.stderr
    if not stream.isatty():
        yield _lines(doing, stream)
        return
    with console(stream).status(f"{doing} ...") as status:
        yield lambda done, whole: status.update(f"{doing}: {done:,} of {whole:,} ...")


def _lines(doing: str, stream: TextIO) -> Count:
    due = time.monotonic() + _PATIENCE

    def count(done: int, whole: int) -> None:
        nonlocal due
        if done < whole and time.monotonic() >= due:
            due = time.monotonic() + _PAUSE
            print(f"{doing}: {done:,} of {whole:,} ...", file=stream, flush=True)

    return count
