"""Following the node's plan file: read when it changes, applied, tried again when it failed.

What cannot be read or applied leaves the plan in force as it is, and is reported until it is mended.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from agent.engine import ApplyFailed, Engine
from agent.metrics import Apply
from agent.plan_file import PlanRejected, Publication, Stamp
from agent.status_file import Reason

RETRY_SECONDS: Final = 10.0

_log = logging.getLogger("atoll.agent")
_Signature = tuple[int, int, int]


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Applied:
    """The last time that a plan came into force."""

    at: datetime
    seconds: float


class Follower:
    def __init__(
        self,
        *,
        engine: Engine,
        path: Path,
        read: Callable[[Path], Publication],
        clock: Callable[[], float],
        now: Callable[[], datetime] = _now,
        told: Callable[[float, Apply], None] = lambda seconds, outcome: None,
    ) -> None:
        """`clock` is monotonic, in seconds; `now` is the time that people are told.

        `told` learns how long each plan took, and how it ended.
        """
        self._engine = engine
        self._path = path
        self._read = read
        self._clock = clock
        self._now = now
        self._told = told
        self._seen: _Signature | None = None
        self._retry_at: float | None = None
        self.problem: str | None = None
        """Why the newest plan is not in force; None where it is."""
        self.reason = Reason.NO_PLAN
        self.attempted: Stamp | None = None
        """The newest plan that was looked at, in force or not."""
        self.applied: Applied | None = None

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
        began = self._clock()
        try:
            publication = self._read(path)
            self.attempted = publication.stamp
            self._apply(publication, began)
        except PlanRejected as error:
            self.attempted = error.stamp or self.attempted
            self._told(self._clock() - began, Apply.REJECTED)
            self._failed(Reason.PLAN_REJECTED, error)
        except (ApplyFailed, OSError) as error:
            self._told(self._clock() - began, Apply.FAILED)
            self._failed(Reason.APPLY_FAILED, error)
        else:
            self.problem = None
            self.reason = Reason.APPLIED
            self._retry_at = None

    def _failed(self, reason: Reason, error: Exception) -> None:
        if self.problem != str(error):
            _log.error("plan not applied: %s", error)
        self.problem = str(error)
        self.reason = reason
        self._retry_at = self._clock() + RETRY_SECONDS

    def _apply(self, publication: Publication, began: float) -> None:
        in_force = self._engine.publication
        if in_force is not None and in_force.content == publication.content and self.problem is None:
            return
        actions = self._engine.apply(publication)
        seconds = self._clock() - began
        self.applied = Applied(at=self._now(), seconds=seconds)
        self._told(seconds, Apply.CHANGED if actions else Apply.UNCHANGED)
        _log.info("%s in force: %d changes of links and routes", publication.stamp, len(actions))


def _signature(path: Path) -> _Signature | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_ino, status.st_mtime_ns, status.st_size)
