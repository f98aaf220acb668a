"""Following the NetworkSource's repository in a thread: a slow Git host delays nothing but itself.

The thread looks when the interval has passed, when the NetworkSource changes or asks for it, and when a
webhook tells of a push. What it finds waits for the loop's next turn; only the newest finding counts.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from compiler.problem import Problem
from controller.cluster.objects import ObservedSource
from controller.cluster.source_repository import Repositories
from controller.git import GitSource, Sighting
from controller.observer import read
from controller.signatures import Verification
from controller.snapshot import Revision, Snapshot, SourceError, source_error
from controller.state import Place

_JITTER = 0.1
"""Of the interval, either way."""
RETRY_SECONDS = 5.0
"""After the first failure; doubled with each further one, up to the interval."""
INTERVAL_SECONDS = 60.0
"""Where the NetworkSource's cannot be read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What one look brought."""

    place: Place
    sighting: Sighting | None = None
    snapshot: Snapshot | None = None
    """Where the commit is another than at the look before."""
    problem: Problem | None = None
    verification: Verification | None = None
    handled: str = ""
    """The request (`reconcile.atoll.dev/requestedAt`) that was answered by this look."""
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Task:
    """What to follow, and from where on."""

    source: ObservedSource
    applied: Revision | None
    """The commit in force: signatures are demanded of everything after it."""

    @property
    def identity(self) -> object:
        """Changes of anything else ask for no new look."""
        return self.source.key, self.source.spec, self.source.metadata.requested_at

    @property
    def meaning(self) -> object:
        """What was found for another counts for nothing: it may be of another repository, or not verified."""
        return self.source.key, self.source.spec


@dataclass(kw_only=True)
class SourceWatcher:
    repositories: Repositories
    wake: Callable[[], None]
    """Wakes the loop."""
    interval_of: Callable[[ObservedSource], float]
    _task: _Task | None = field(default=None, init=False)
    _asked: bool = field(default=False, init=False)
    _afresh: bool = field(default=False, init=False)
    """What the NetworkSource asks for may be another."""
    _stale: bool = field(default=True, init=False)
    """The commit is to be read, whether it was seen before or not; of the thread alone."""
    _stopped: bool = field(default=False, init=False)
    _finding: Finding | None = field(default=None, init=False)
    _seen: tuple[Place, Revision] | None = field(default=None, init=False)
    _verification: Verification | None = field(default=None, init=False)
    """Of the commit seen; one that failed is looked at again, for the keys may have changed."""
    _failures: int = field(default=0, init=False)
    _last: tuple[object, ...] = field(default=(), init=False)
    _looked: bool = field(default=False, init=False)
    _due: float = field(default=0.0, init=False)
    """When the next look is to be taken, by the monotonic clock."""
    _condition: threading.Condition = field(default_factory=threading.Condition, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="git", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        with self._condition:
            self._stopped = True
            self._condition.notify_all()

    def follow(self, source: ObservedSource | None, applied: Revision | None) -> None:
        """Follow this NetworkSource from now on; called every turn."""
        with self._condition:
            before = self._task
            self._task = _Task(source=source, applied=applied) if source else None
            if not _is_same(before, self._task):
                self._finding = None
            if self._task and (before is None or self._task.identity != before.identity):
                self._asked, self._afresh = True, True
                self._condition.notify_all()

    def await_look(self, seconds: float) -> bool:
        """Wait until a look has been taken, whatever came of it; return whether one has."""
        with self._condition:
            return self._condition.wait_for(lambda: self._looked, seconds)

    def take(self) -> Finding | None:
        """Return what was found since the last call."""
        with self._condition:
            finding, self._finding = self._finding, None
            return finding

    def look(self) -> None:
        """Look at what is followed, in the caller's thread; what comes of it waits for `take`."""
        with self._condition:
            task, self._asked = self._task, False
            if self._afresh:
                self._stale, self._verification, self._last, self._afresh = True, None, (), False
        if task is None:
            return
        if not task.source.spec.suspend:
            self._tell(task, self._look(task))
        self._due = time.monotonic() + self._pause(task)

    def _run(self) -> None:
        while self._await_due():
            self.look()

    def _await_due(self) -> bool:
        """Return False when it is time to stop."""
        with self._condition:
            while not self._stopped and (self._task is None or not self._is_due()):
                self._condition.wait(max(0.0, self._due - time.monotonic()) if self._task else None)
            return not self._stopped

    def _is_due(self) -> bool:
        return self._asked or time.monotonic() >= self._due

    def _pause(self, task: _Task) -> float:
        try:
            interval = self.interval_of(task.source)
        except ValueError:
            interval = INTERVAL_SECONDS
        if self._failures:
            interval = min(interval, RETRY_SECONDS * 2 ** min(self._failures - 1, 10))
        return interval * random.uniform(1 - _JITTER, 1 + _JITTER)

    def _tell(self, task: _Task, finding: Finding) -> None:
        """Hand a finding over; the same one again wakes nobody."""
        self._failures = self._failures + 1 if finding.problem else 0
        news = (finding.place, finding.sighting, finding.problem, finding.handled)
        with self._condition:
            if not _is_same(task, self._task):
                return
            self._looked = True
            self._condition.notify_all()
            if news == self._last and finding.snapshot is None:
                return
            self._last = news
            untaken = self._finding
            if untaken and untaken.snapshot and not finding.snapshot:
                # What nobody has taken yet must not be lost; a failure comes again with the next look.
                finding = untaken if finding.problem else replace(untaken, handled=finding.handled)
            self._finding = finding
        self.wake()

    def _look(self, task: _Task) -> Finding:
        started = time.monotonic()
        finding = Finding(
            place=self.repositories.place_of(task.source), handled=task.source.metadata.requested_at
        )
        try:
            source = self.repositories.open(task.source)
            finding = self._found(source, task, finding)
        except SourceError as error:
            finding = replace(finding, problem=error.problem)
        except Exception as error:  # a full disk, say: whatever it is, the next look may succeed
            reason = f"the look at it failed: {type(error).__name__}: {error}"
            failure = source_error("ATL802", f"repository {finding.place.repository}", reason)
            finding = replace(finding, problem=failure.problem)
        return replace(finding, seconds=time.monotonic() - started)

    def _found(self, source: GitSource, task: _Task, finding: Finding) -> Finding:
        seen = self._seen[1] if self._seen and self._seen[0] == finding.place else None
        sighting = source.look(seen)
        finding = replace(finding, sighting=sighting)
        known = sighting.revision == seen and not sighting.rewritten and not self._stale
        doubted = self._verification is not None and not self._verification.ok
        if known and not doubted:
            return finding
        verification = None
        if task.source.spec.verify:
            verification = source.verify(task.applied or None, sighting.revision)
        if known and verification == self._verification:
            return finding
        self._verification = verification
        if verification and not verification.ok:
            snapshot = Snapshot(revision=sighting.revision, files={}, problems=verification.problems)
        else:
            snapshot = read(source, sighting)
        self._seen, self._stale = (finding.place, sighting.revision), False
        finding = replace(finding, verification=verification)
        return replace(finding, snapshot=snapshot)


def _is_same(one: _Task | None, other: _Task | None) -> bool:
    return one is not None and other is not None and one.meaning == other.meaning
