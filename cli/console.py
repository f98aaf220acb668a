"""Where output goes: results to stdout, progress and complaints to stderr, colour only on terminals."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

_PATIENCE = 1.0
"""Seconds of silence that people take for work."""


def console(stream: TextIO | None = None) -> Console:
    """Return a console that prints text as it is: no wrapping, no markup; honours NO_COLOR."""
    from rich.console import Console

    return Console(file=stream or sys.stdout, soft_wrap=True, markup=False, highlight=False, emoji=False)


@contextlib.contextmanager
def progress(doing: str, stream: TextIO | None = None) -> Iterator[None]:
    """Say on stderr what takes longer than a second: a spinner on a terminal, else one line."""
    stream = stream or sys.stderr
    if stream.isatty():
        with _spinner(doing, stream):
            yield
        return
    timer = threading.Timer(_PATIENCE, lambda: print(f"{doing} ...", file=stream, flush=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextlib.contextmanager
def _spinner(doing: str, stream: TextIO) -> Iterator[None]:
    status = console(stream).status(f"{doing} ...")
    timer = threading.Timer(_PATIENCE, status.start)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # lest the spinner starts after it was stopped
        status.stop()
