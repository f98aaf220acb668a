"""The controller's loop: observe, decide, execute, wait. Everything it judges by is in `decide`."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from compiler.parse import FileCache
from compiler.problem import Problem
from controller.actions import describe
from controller.decide import Decision, decide, recovered_commit
from controller.git import GitSource, Sighting
from controller.inventory_file import InventorySource
from controller.log import Log, Value, now
from controller.publication import PublicationError, Publisher
from controller.snapshot import Revision, Snapshot, SourceError
from controller.state import Commit, Observation, Place, State
from controller.watch import Wake, Waker

_JITTER = 0.1
"""Of the interval, either way: many controllers of one Git server spread out."""


def first_state(place: Place, publisher: Publisher) -> State:
    """Return what a controller starts from: what the one before it left. Raise PublicationError."""
    published = publisher.recover()
    good: Commit | None = None
    cache = FileCache()
    if published.commit:
        kept, cache = recovered_commit(published.commit, cache)
        good = kept if kept.declarations else None
    status = published.status
    return State(
        place=place,
        published=published,
        allocations=published.allocations,
        cache=cache,
        good=good,
        good_at=status.applied.at if status and status.applied else "",
        seen=Revision(status.seen.revision) if status and status.seen else None,
        seen_at=status.seen.at if status and status.seen else "",
    )


@dataclass(kw_only=True, slots=True)
class Controller:
    source: GitSource
    inventory: InventorySource
    publisher: Publisher
    waker: Waker
    log: Log
    state: State
    interval: float
    """Seconds between two looks at the repository."""
    clock: Callable[[], datetime] = now
    spread: Callable[[float, float], float] = random.uniform
    _next_look: float = field(default=0.0, init=False)

    def run(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """Take turns until the waker or a signal raises Stop, or `stopping` says so."""
        wake = Wake.TIME
        while not stopping():
            self.turn(look=wake is Wake.TIME)
            wake = self.waker.wait(max(0.0, self._next_look - time.monotonic()))

    def turn(self, *, look: bool) -> None:
        """Observe once and do what follows; with `look`, the repository is looked at too."""
        observation = self._observe(look=look)
        started = time.monotonic()
        decision = decide(self.state, observation)
        spent = round((time.monotonic() - started) * 1000)
        if decision.state.good is not self.state.good:
            gc.freeze()  # a cluster's worth of values that stay: never to be walked over again
        self._execute(decision, spent)

    def _observe(self, *, look: bool) -> Observation:
        sighting: Sighting | None = None
        snapshot: Snapshot | None = None
        problem: Problem | None = None
        if look:
            self._next_look = time.monotonic() + self._pause()
            try:
                sighting = self.source.look(self.state.seen)
                snapshot = self._read(sighting)
            except SourceError as error:
                problem = error.problem
        return Observation(
            time=self.clock(),
            sighting=None if problem else sighting,
            snapshot=snapshot,
            source_problem=problem,
            inventory=self.inventory.read_if_changed(),
            reports=self.publisher.reports(),
        )

    def _read(self, sighting: Sighting) -> Snapshot | None:
        latest = self.state.candidate or self.state.good
        if latest and latest.revision == sighting.revision and self.state.seen == sighting.revision:
            return None
        try:
            return self.source.read(sighting.revision)
        except SourceError as error:
            if error.problem.code != "ATL803":
                raise
            # The folder is missing: that is what this commit says, and its author's to mend.
            return Snapshot(revision=sighting.revision, files={}, problems=(error.problem,))

    def _pause(self) -> float:
        return self.interval * self.spread(1 - _JITTER, 1 + _JITTER)

    def _execute(self, decision: Decision, milliseconds: int) -> None:
        for note in decision.findings:
            facts: dict[str, Value] = dict(note.facts)
            if note.event in ("compiled", "refused"):
                facts["ms"] = milliseconds
            self.log(note.event, **facts)
        doing = ""
        try:
            for action in decision.actions:
                doing = describe(action)
                self.publisher.execute(action)
        except PublicationError as error:
            self.log("publication-failed", action=doing, error=str(error))
            # What was done is done; the rest follows from what is found, on the next turn.
            self.state = replace(decision.state, published=self.publisher.recover())
            return
        self.state = decision.state
        for note in decision.results:
            self.log(note.event, **note.facts)
