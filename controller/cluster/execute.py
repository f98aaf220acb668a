"""Carries actions out through the API server: each contained, none repeated without news.

- One object that the server refuses stops no other; a server that does not answer stops the rest of a turn.
- What was sent and not yet seen to come back by the watch is not sent again for a while.
- What failed is tried again after growing pauses, at once where something else is to be done.
- A status that differs only in counts and words is written once in a few seconds at most.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from threading import Event
from typing import Final

from controller.cluster.actions import Apply, ClusterAction, GiveUp, Prune, WriteStatus, describe
from controller.cluster.conflict import Conflict
from controller.cluster.mirror import Settled, settled_by, shape_of
from controller.cluster.objects import Observed, ResourceKey, decode
from controller.cluster.pace import Backoff
from controller.cluster.refusal import concerns_all, conflict_of, is_stale, told
from controller.cluster.requests import carry_out, record
from controller.cluster.resource_status import ResourceStatus
from controller.cluster.status_patch import is_minor
from controller.cluster.transitions import ClusterEvent
from kube.api import AlreadyExists, Api, ApiError

WRITERS: Final = 8
"""Requests under way at once: enough to fill the time of a round trip, few enough for the server."""
UNSEEN: Final = 5.0
"""Seconds in which the watch is expected to show what was done."""
MINOR_PAUSE: Final = 5.0
"""Seconds between two writes of a status that differs only in counts and words."""

REMEMBERED: Final = 600.0
"""Seconds after which what was sent has been seen, or never will be."""
UNTOLD: Final = 200
"""Events kept while the server does not answer; older ones are lost."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    key: ResourceKey
    action: str
    """As `describe` has it."""
    error: str
    """For people, without a full stop."""
    retry_in: float | None
    """Seconds; None where it is not tried again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Execution:
    """What one call did."""

    requests: int = 0
    failures: tuple[Failure, ...] = ()
    answers: Mapping[ResourceKey, Observed] = field(default_factory=dict)
    """Objects as they stood after an apply."""
    reached: bool = True
    """False: the API server did not answer, and what was left was not tried."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sent:
    action: ClusterAction
    until: float


@dataclass(frozen=True, kw_only=True, slots=True)
class _Told:
    """A status written over a version of its object; None where it is not known whether that happened."""

    over: str
    status: ResourceStatus | None
    at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class _Untold:
    event: ClusterEvent
    at: datetime


_Request = Callable[[], bytes]
_Outcome = bytes | ApiError | None
"""None: not tried."""
_SERVER: Final = "the API server"


@dataclass(kw_only=True, slots=True)
class Executor:
    """Not to be called from several threads."""

    api: Api
    instance: str
    """Which controller this is, for events: its pod's name."""
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    settled: dict[ResourceKey, Settled] = field(default_factory=dict)
    """For `mirror`."""
    conflicts: dict[ResourceKey, Conflict] = field(default_factory=dict)
    errors: dict[ResourceKey, str] = field(default_factory=dict)
    """Why resources could not be brought up to Git."""
    _sent: dict[ResourceKey, _Sent] = field(default_factory=dict)
    _told: dict[ResourceKey, _Told] = field(default_factory=dict)
    _untold: deque[_Untold] = field(default_factory=lambda: deque(maxlen=UNTOLD))
    _backoff: Backoff = field(default_factory=Backoff)
    _cleaned: float = 0.0
    _due: float | None = None

    @property
    def wake_in(self) -> float | None:
        """Seconds until what was put off is to be decided again; None where nothing was."""
        return None if self._due is None else max(0.0, self._due - self.clock())

    def retain(self, declared: Collection[ResourceKey]) -> None:
        """Forget conflicts and failures of what Git no longer declares."""
        for memory in (self.settled, self.conflicts, self.errors):
            for key in memory.keys() - declared:
                del memory[key]

    def execute(
        self, actions: Iterable[ClusterAction] = (), events: Iterable[ClusterEvent] = ()
    ) -> Execution:
        """Do what is due. Objects do not depend on each other, so that several are written at a time."""
        self._due = None
        self._clean()
        told_at = self.now()
        self._untold.extend(_Untold(event=event, at=told_at) for event in events)
        pause = self._backoff.left(_SERVER, None, self.clock())
        if pause:
            self._put_off(pause)
            return Execution(reached=False)
        chosen = [due for action in actions if (due := self._due_form(action)) is not None]
        # A status makes another version of its object, over which a finalizer would not be put.
        chosen.sort(key=lambda action: isinstance(action, WriteStatus))
        news = tuple(self._untold)
        requests = [partial(carry_out, self.api, action) for action in chosen]
        records = [partial(record, self.api, one.event, instance=self.instance, at=one.at) for one in news]
        first = sum(not isinstance(action, WriteStatus) for action in chosen)
        outcomes = _outcomes(requests[:first])
        then = [*requests[first:], *records]
        outcomes += _outcomes(then) if _is_answered(outcomes) else [None] * len(then)
        answers: dict[ResourceKey, Observed] = {}
        failures = [self._conclude(a, o, answers) for a, o in zip(chosen, outcomes, strict=False)]
        failures += self._recorded(news, outcomes[len(chosen) :])
        return Execution(
            requests=sum(outcome is not None for outcome in outcomes),
            failures=tuple(failure for failure in failures if failure is not None),
            answers=answers,
            reached=self._is_reached(outcomes),
        )

    def _recorded(self, news: Sequence[_Untold], outcomes: Sequence[_Outcome]) -> list[Failure | None]:
        """What the server could not be told is told later, at its own time; what it refuses never is."""
        later = [
            outcome is None or (isinstance(outcome, ApiError) and concerns_all(outcome))
            for outcome in outcomes
        ]
        self._untold.clear()
        self._untold.extend(one for one, wait in zip(news, later, strict=True) if wait)
        return [
            _unrecorded(one.event, outcome)
            for one, outcome, wait in zip(news, outcomes, later, strict=True)
            if not wait
        ]

    def _clean(self) -> None:
        """Forget what can no longer matter, once in a while."""
        now = self.clock()
        if now < self._cleaned + REMEMBERED:
            return
        self._cleaned = now
        self._backoff.forget(before=now - REMEMBERED)
        self._sent = {key: sent for key, sent in self._sent.items() if sent.until > now}
        self._told = {key: told for key, told in self._told.items() if told.at > now - REMEMBERED}

    def _due_form(self, action: ClusterAction) -> ClusterAction | None:
        """The action as it is to be done now; None where it is done already, or has to wait."""
        pause = self._backoff.left(_thread(action), _about(action), self.clock())
        if pause:
            self._put_off(pause)
            return None
        if isinstance(action, WriteStatus):
            return self._due_status(action)
        sent = self._sent.get(action.key)
        if sent is None or sent.action != action or sent.until <= self.clock():
            return action
        self._put_off(sent.until - self.clock())
        return None

    def _due_status(self, action: WriteStatus) -> WriteStatus | None:
        told = self._told.get(action.key)
        before = action.before
        if told is not None and told.over == action.over:
            # The watch has not shown the last write yet, so the object is not what it seems.
            before = told.status
        if before == action.status:
            return None
        if before is not None and told is not None and is_minor(before, action.status):
            left = told.at + MINOR_PAUSE - self.clock()
            if left > 0:
                self._put_off(left)
                return None
        return replace(action, before=before)

    def _conclude(
        self, action: ClusterAction, outcome: _Outcome, answers: dict[ResourceKey, Observed]
    ) -> Failure | None:
        if outcome is None:
            return None
        if isinstance(outcome, ApiError):
            return self._refused(action, outcome)
        self._backoff.succeeded(_thread(action))
        if isinstance(action, WriteStatus):
            self._told[action.key] = _Told(over=action.over, status=action.status, at=self.clock())
            return None
        self._remember(action)
        self.errors.pop(action.key, None)
        if isinstance(action, Apply):
            answer = decode(action.key, outcome)
            if isinstance(answer, Observed):
                answers[action.key] = answer
                self._settle(settled_by(action.declared, answer))
        return None

    def _refused(self, action: ClusterAction, error: ApiError) -> Failure | None:
        conflict = conflict_of(action.key, error)
        if isinstance(action, Apply) and conflict is not None:
            if action.stands is not None:
                shape = shape_of(action.stands)
                self._settle(Settled(declared=action.declared, shape=shape, conflict=conflict))
            self.errors.pop(action.key, None)
            self._remember(action)
            return None
        if is_stale(error) and not isinstance(action, Apply):
            self._remember(action)
            return None
        if isinstance(action, WriteStatus):
            self._told[action.key] = _Told(over=action.over, status=None, at=self.clock())
        elif isinstance(action, Apply | GiveUp | Prune):
            self.errors[action.key] = told(error)
        pause = self._backoff.failed(
            _thread(action), _about(action), self.clock(), at_least=error.retry_after or 0.0
        )
        self._put_off(pause)
        return Failure(key=action.key, action=describe(action), error=told(error), retry_in=pause)

    def _settle(self, settled: Settled) -> None:
        key = settled.declared.key
        self.settled[key] = settled
        if settled.conflict:
            self.conflicts[key] = settled.conflict
        else:
            self.conflicts.pop(key, None)

    def _remember(self, action: ClusterAction) -> None:
        self._sent[action.key] = _Sent(action=action, until=self.clock() + UNSEEN)

    def _is_reached(self, outcomes: Sequence[_Outcome]) -> bool:
        """Pause everything where the server cannot be asked, or does not want to be."""
        errors = [one for one in outcomes if isinstance(one, ApiError) and concerns_all(one)]
        if not errors:
            self._backoff.succeeded(_SERVER)
            return True
        asked = max(error.retry_after or 0.0 for error in errors)
        self._put_off(self._backoff.failed(_SERVER, None, self.clock(), at_least=asked))
        return False

    def _put_off(self, seconds: float) -> None:
        due = self.clock() + seconds
        self._due = due if self._due is None else min(self._due, due)


def _outcomes(requests: Sequence[_Request]) -> list[_Outcome]:
    """In the order of the requests; those after one that no other would fare better than are not made."""
    stop = Event()

    def outcome(request: _Request) -> _Outcome:
        if stop.is_set():
            return None
        try:
            return request()
        except ApiError as error:
            if concerns_all(error):
                stop.set()
            return error

    if len(requests) < 2:
        return [outcome(request) for request in requests]
    with ThreadPoolExecutor(max_workers=min(WRITERS, len(requests))) as pool:
        return list(pool.map(outcome, requests))


def _is_answered(outcomes: Sequence[_Outcome]) -> bool:
    return not any(isinstance(one, ApiError) and concerns_all(one) for one in outcomes)


def _unrecorded(event: ClusterEvent, outcome: _Outcome) -> Failure | None:
    """An event is told once: who was not there did not hear it."""
    if not isinstance(outcome, ApiError) or isinstance(outcome, AlreadyExists):
        return None
    action = f"record event {event.reason}"
    return Failure(key=event.regarding.key, action=action, error=told(outcome), retry_in=None)


def _thread(action: ClusterAction) -> Hashable:
    """What is put off together: an object's status and the object itself are not."""
    return action.key, isinstance(action, WriteStatus)


def _about(action: ClusterAction) -> object:
    return action.declared.content if isinstance(action, Apply) else type(action)
