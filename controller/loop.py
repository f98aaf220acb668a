"""The controller's loop: observe, decide, execute, tell, wait. Everything it judges by is in `decide`."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from compiler.parse import FileCache
from controller.actions import describe
from controller.commit import Commit
from controller.decide import Decision, decide, recovered_commit
from controller.log import Log, Value
from controller.observer import Observer
from controller.publication import PublicationError, Publisher
from controller.snapshot import Revision
from controller.state import Observation, Place, State
from controller.watch import Wake, Waker

ROLLOUT_SECONDS = 1.0
"""Between two looks whether a wave has taken too long."""
RETRY_SECONDS = 5.0
"""Until a publication that failed, or a commit or object that was refused, is tried again."""


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


class Teller(Protocol):
    def tell(self, state: State, observation: Observation, spent: float) -> None:
        """Tell the world, after a turn, how things stand; `spent` seconds went into deciding."""

    def pause(self) -> float:
        """Return the seconds until something that was put off is due; infinity where nothing was."""


class Silence:
    """The embedded mode tells by its publication alone."""

    def tell(self, state: State, observation: Observation, spent: float) -> None:
        return

    def pause(self) -> float:
        return math.inf


@dataclass(kw_only=True, slots=True)
class Controller:
    observer: Observer
    publisher: Publisher
    waker: Waker
    log: Log
    state: State
    teller: Teller = field(default_factory=Silence)
    _failed: bool = field(default=False, init=False)

    def run(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """Take turns until the waker or a signal raises Stop, or `stopping` says so."""
        wake = Wake.TIME
        while not stopping():
            self.turn(look=wake is Wake.TIME)
            wake = self.waker.wait(min(self._patience(), self.observer.pause(), self.teller.pause()))

    def _patience(self) -> float:
        if self.state.rollout:
            return ROLLOUT_SECONDS
        return RETRY_SECONDS if self._failed or self.state.stale else math.inf

    def turn(self, *, look: bool) -> None:
        """Observe once and do what follows; with `look`, the repository is looked at too."""
        observation = self.observer.observe(self.state, look=look)
        started = time.monotonic()
        decision = decide(self.state, observation)
        spent = time.monotonic() - started
        if decision.state.good is not self.state.good:
            gc.freeze()  # a cluster's worth of values that stay: never to be walked over again
        self._execute(decision, round(spent * 1000))
        self.teller.tell(self.state, observation, spent)

    def _execute(self, decision: Decision, milliseconds: int) -> None:
        for note in decision.findings:
            facts: dict[str, Value] = dict(note.facts)
            if note.event in ("compiled", "refused"):
                facts["ms"] = milliseconds
            self.log(note.event, **facts)
        doing = ""
        self._failed = False
        try:
            for action in decision.actions:
                doing = describe(action)
                self.publisher.execute(action)
            doing = "finish"
            self.publisher.finish()
        except PublicationError as error:
            self._failed = True
            self.log("publication-failed", action=doing, error=str(error))
            # What was done is done; the rest follows from what is found, on the next turn.
            self.state = replace(decision.state, published=self.publisher.recover())
            return
        self.state = decision.state
        for note in decision.results:
            self.log(note.event, **note.facts)
