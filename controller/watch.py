"""What wakes the controller: a changed file, or the time for the next look at Git.

Directories are watched, not files: `kubectl ... > file.new && mv`, editors and Kubernetes volumes
all replace files by renaming.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from inotify_simple import INotify, flags

_CHANGES = flags.CLOSE_WRITE | flags.MOVED_TO | flags.DELETE
_QUIET_MS = 50
"""Changes come in groups: a turn begins when nothing more arrived for so long."""
_MAX_READS = 20
"""In a directory that never rests a turn begins all the same."""


class Stop(BaseException):
    """The process was asked to end. Safe at any instant, for the publication is consistent at each."""


class Wake(Enum):
    """Why a wait ended."""

    TIME = auto()
    CHANGE = auto()


class Waker(Protocol):
    def wait(self, seconds: float) -> Wake:
        """Return at the first cause."""


class FileWaker:
    """Waits for changes in directories, which must exist."""

    def __init__(self, directories: Iterable[Path]) -> None:
        self._inotify = INotify(nonblocking=True)
        for directory in sorted(set(directories)):
            self._inotify.add_watch(directory, _CHANGES)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._inotify.close()

    def wait(self, seconds: float) -> Wake:
        if not self._read(seconds * 1000):
            return Wake.TIME
        for _ in range(_MAX_READS):
            if not self._read(_QUIET_MS):
                break
        return Wake.CHANGE

    def _read(self, milliseconds: float) -> bool:
        return any(True for _ in self._inotify.read(timeout=max(0, int(milliseconds))))


@dataclass(kw_only=True, slots=True)
class ScriptedWaker:
    """Wakes by a script, and stops at its end. Each step does something, then says why it wakes."""

    steps: deque[Callable[[], Wake]]
    waits: list[float] = field(default_factory=list)

    def wait(self, seconds: float) -> Wake:
        self.waits.append(seconds)
        if not self.steps:
            raise Stop
        return self.steps.popleft()()
