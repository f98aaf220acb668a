"""Waking when a file of a directory is replaced or gone. The directory may come, go and come again."""

from __future__ import annotations

from pathlib import Path

from inotify_simple import INotify, flags

_EVENTS = flags.MOVED_TO | flags.MOVED_FROM | flags.CLOSE_WRITE | flags.DELETE | flags.DELETE_SELF


class PlanWatch:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._inotify = INotify(nonblocking=True)
        self._watch: int | None = None

    @property
    def armed(self) -> bool:
        return self._watch is not None

    def fileno(self) -> int:
        return int(self._inotify.fileno())

    def arm(self) -> None:
        """Watch the directory, if it exists and is not watched yet."""
        if self._watch is None:
            try:
                self._watch = self._inotify.add_watch(str(self._directory), _EVENTS)
            except OSError:
                self._watch = None

    def close(self) -> None:
        self._inotify.close()

    def drain(self) -> bool:
        """Says whether anything has happened."""
        events = self._inotify.read(timeout=0)
        for event in events:
            if event.mask & (flags.DELETE_SELF | flags.IGNORED):
                self._watch = None
        return bool(events)
