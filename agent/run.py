"""The agent's start and end: one agent a state directory, until a signal ends it.

Ending, by whatever signal, changes nothing in the kernel: what is in force stays in force.
"""

from __future__ import annotations

import fcntl
import logging
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from agent.addresses import Damaged
from agent.datapath import Datapath, FeaturesMissing, real_datapath
from agent.nft import MAX_DESCRIPTOR
from agent.process import Process
from agent.settings import Settings
from agent.twin import WrongState, claim, twin_datapath
from serving.server import CannotListen

EXIT_STOPPED: Final = 0
EXIT_CANNOT_START: Final = 1

_log = logging.getLogger("atoll.agent")


class CannotStart(Exception):
    """The text says what to do about it."""


def run(settings: Settings, *, datapath: Callable[[], Datapath] = real_datapath) -> int:
    """Runs until SIGTERM or SIGINT; returns the exit status. `datapath`: of an agent that is no twin."""
    # libnftables waits with select(2): no descriptor may ever be above its limit.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(MAX_DESCRIPTOR, hard), hard))
    try:
        with _stop_signals() as stop, _own_state(settings.state):
            claim(settings.state, twin=settings.twin)
            Process(settings, twin_datapath() if settings.twin else datapath(), stop).run()
    except (CannotStart, FeaturesMissing, WrongState, Damaged, CannotListen) as error:
        _log.error("cannot start: %s", error)
        return EXIT_CANNOT_START
    _log.info("stopped; the datapath stays as it is")
    return EXIT_STOPPED


@contextmanager
def _own_state(state: Path) -> Iterator[None]:
    """One agent a state directory; nobody else reads it."""
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        state.chmod(0o700)
    except OSError as error:
        raise CannotStart(
            f"{state}: {error.strerror}. Give a directory that this user can write by --state"
        ) from None
    with (state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CannotStart(f"another agent runs on {state}: stop it first") from error
        yield


@contextmanager
def _stop_signals() -> Iterator[int]:
    """A descriptor that becomes readable when SIGTERM or SIGINT arrives."""
    readable, writable = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def stop(number: int, frame: object) -> None:
        with suppress(BlockingIOError):  # full of earlier signals: one is enough
            os.write(writable, b"\0")

    former = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield readable
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        os.close(readable)
        os.close(writable)
