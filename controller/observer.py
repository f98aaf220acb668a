"""Looking at the world once a turn: the repository and the inventory of the embedded mode."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from compiler.problem import Problem
from controller.git import GitSource, Sighting
from controller.inventory_file import InventorySource
from controller.log import now
from controller.publication import Publisher
from controller.snapshot import Snapshot, SourceError
from controller.state import Observation, State

_JITTER = 0.1
"""Of the interval, either way: many controllers of one Git server spread out."""


class Observer(Protocol):
    def observe(self, state: State, *, look: bool) -> Observation:
        """Return what is new; with `look`, it is time to look at the repository too."""

    def pause(self) -> float:
        """Return the seconds until there may be something to do although nothing wakes the loop."""


@dataclass(kw_only=True, slots=True)
class RepositoryObserver:
    """Looks at a repository itself, between two turns; an inventory file wakes the loop."""

    source: GitSource
    inventory: InventorySource
    publisher: Publisher
    interval: float
    """Seconds between two looks at the repository."""
    clock: Callable[[], datetime] = now
    spread: Callable[[float, float], float] = random.uniform
    _next_look: float = field(default=0.0, init=False)

    def pause(self) -> float:
        return max(0.0, self._next_look - time.monotonic())

    def observe(self, state: State, *, look: bool) -> Observation:
        observation = Observation(time=self.clock())
        if look:
            interval = self.interval * self.spread(1 - _JITTER, 1 + _JITTER)
            self._next_look = time.monotonic() + interval
            observation = looked(self.source, state, observation)
        return replace(
            observation, inventory=self.inventory.read_if_changed(), reports=self.publisher.reports()
        )


def looked(source: GitSource, state: State, observation: Observation) -> Observation:
    """Add what the repository has to an observation."""
    sighting: Sighting | None = None
    snapshot: Snapshot | None = None
    problem: Problem | None = None
    try:
        sighting = source.look(state.seen)
        latest = state.candidate.revision if state.candidate else state.good.revision if state.good else None
        if latest != sighting.revision or state.seen != sighting.revision:
            snapshot = read(source, sighting)
    except SourceError as error:
        sighting, problem = None, error.problem
    return replace(observation, sighting=sighting, snapshot=snapshot, source_problem=problem)


def read(source: GitSource, sighting: Sighting) -> Snapshot:
    """Read a commit. Raise SourceError."""
    try:
        return source.read(sighting.revision)
    except SourceError as error:
        if error.problem.code != "ATL803":
            raise
        # The folder is missing: that is what this commit says, and its author's to mend.
        return Snapshot(revision=sighting.revision, files={}, problems=(error.problem,))
