"""Following the node's plan file: read when it changes, applied, tried again when it failed.

What cannot be read or applied leaves the plan in force as it is, and is reported until it is mended.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from agent.engine import ApplyFailed, Engine
from agent.plan_file import PlanRejected, Publication

RETRY_SECONDS: Final = 10.0

_log = logging.getLogger("atoll.agent")
_Signature = tuple[int, int, int]


class Follower:
    def __init__(
        self, *, engine: Engine, path: Path, read: Callable[[Path], Publication], clock: Callable[[], float]
    ) -> None:
        self._engine = engine
        self._path = path
        self._read = read
        self._clock = clock
        self._seen: _Signature | None = None
        self._retry_at: float | None = None
        self.problem: str | None = None
        """Why the newest plan is not in force; None where it is."""

    def restore(self, last_good: Path) -> None:
        """Bring the last good plan into force, whatever has become of the controller."""
        if last_good.exists():
            self._take(last_good)

    def step(self) -> bool:
        """Look at the file; says whether there was anything to do."""
        signature = _signature(self._path)
        due = self._retry_at is not None and self._clock() >= self._retry_at
        if signature is None or (signature == self._seen and not due):
            return False
        self._seen = signature
        self._take(self._path)
        return True

    def _take(self, path: Path) -> None:
        try:
            publication = self._read(path)
            self._apply(publication)
        except (PlanRejected, ApplyFailed, OSError) as error:
            if self.problem != str(error):
                _log.error("plan not applied: %s", error)
            self.problem = str(error)
            self._retry_at = self._clock() + RETRY_SECONDS
        else:
            self.problem = None
            self._retry_at = None

    def _apply(self, publication: Publication) -> None:
        in_force = self._engine.publication
        if in_force is not None and in_force.content == publication.content and self.problem is None:
            return
        actions = self._engine.apply(publication)
        _log.info(
            "revision %s generation %d in force: %d changes of links and routes",
            publication.revision or "unnamed",
            publication.generation,
            len(actions),
        )


def _signature(path: Path) -> _Signature | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_ino, status.st_mtime_ns, status.st_size)
