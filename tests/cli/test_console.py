"""Progress is told when it takes long, and only then."""

from __future__ import annotations

import io
import threading

from cli.console import progress


class Telling(io.StringIO):
    """A stream that lets a test wait for what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.told = threading.Event()

    def flush(self) -> None:
        super().flush()
        if self.getvalue():
            self.told.set()


def test_what_takes_long_is_told_once() -> None:
    stream = Telling()
    with progress("compiling", stream):
        assert stream.told.wait(10)

    assert stream.getvalue() == "compiling ...\n"


def test_what_is_quick_is_not_told() -> None:
    stream = Telling()
    with progress("compiling", stream):
        pass

    assert stream.getvalue() == ""
