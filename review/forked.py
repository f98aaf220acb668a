"""A process that has everything this one has, works on its own, and says what it finds over a pipe.

It is forked, so nothing is told to it but what is new, and it leaves by `_exit`, so that nothing of its
parent's (a line half written, a lock that another thread held) is touched twice.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any, Final

_WORTH_IT: Final = 16
"""Tasks from which on one more process pays."""


def processes_for(tasks: int, *, most: int | None = None) -> int:
    """How many to share so many tasks among, at `most`: none for few, or where there is one processor."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1  # Linux has it
    count = min(processors, tasks // _WORTH_IT, *(() if most is None else (most,)))
    return count if count > 1 else 0


class Forked:
    """Until `dismiss`. What `work` sends is received here; what it raises is raised here."""

    def __init__(self, work: Callable[[Connection], None]) -> None:
        self._here, there = Pipe()
        self._process = os.fork()
        if self._process == 0:
            _serve(work, there)
        there.close()

    def send(self, message: object) -> None:
        self._here.send(message)

    def receive(self) -> Any:
        """Raises RuntimeError where the process is gone."""
        try:
            message = self._here.recv()
        except EOFError:
            raise RuntimeError("a process that judged nodes ended too early: look at the memory") from None
        if isinstance(message, BaseException):
            raise message
        return message

    def dismiss(self) -> None:
        self._here.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)

    @staticmethod
    def received(expected: Sequence[tuple[Forked, int]]) -> Iterator[Any]:
        """So many messages of each, as they come."""
        left = {forked._here: (forked, count) for forked, count in expected if count}
        while left:
            for ready in wait(list(left)):
                assert isinstance(ready, Connection)
                forked, count = left.pop(ready)
                yield forked.receive()
                if count > 1:
                    left[ready] = (forked, count - 1)


def _serve(work: Callable[[Connection], None], there: Connection) -> None:
    code = 1
    try:
        try:
            work(there)
            code = 0
        except BaseException as error:
            there.send(error)
    finally:
        os._exit(code)
