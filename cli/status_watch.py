"""`atoll status --watch`: reflectors keep the facts in step, and each burst of news is told once.

The API server is asked for nothing but watches. The clock alone redraws a terminal's page, for ages grow
and a leader that falls silent sends no event.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NoReturn

import msgspec

from cli.console import progress
from cli.status_board import LEASE, Board, selections
from cli.status_reading import page_of
from cli.status_report import ControllerEntry, Report
from cli.status_telling import Telling
from kube.api import Api, Forbidden, Key, NotFound, ObjectRef
from kube.inbox import Inbox
from kube.kinds import LEASES
from kube.reflector import Pace, Phase, Reflector, ReflectorState, Selection
from kube.resource import Resource

_BY_CLOCK = 10.0
"""Seconds after which a page is told anew without news."""


@dataclass(kw_only=True, slots=True)
class _Sink:
    """One reflector's way to the board: objects are decoded as they come, and none is kept."""

    board: Board
    inbox: Inbox
    resource: Resource

    def changed(self, key: Key, raw: bytes) -> None:
        self.board.put(self.resource, key, raw)
        self.inbox.notify()

    def removed(self, key: Key) -> None:
        self.board.drop(self.resource, key)
        self.inbox.notify()

    def synced(self) -> None:
        self.inbox.notify()


@dataclass(kw_only=True)
class Follower:
    """Keeps a board in step with the API server, from `start` to `stop`."""

    api: Api
    namespace: str
    inbox: Inbox = field(default_factory=Inbox)
    board: Board = field(init=False)
    reflectors: list[Reflector] = field(init=False)

    def __post_init__(self) -> None:
        self.board = Board(namespace=self.namespace)
        self.reflectors = [self._reflector(selection) for selection in selections(self.namespace)]

    def start(self) -> None:
        """Returns when each kind has been read, or could not be. Raises ApiError where nobody answers."""
        lease = ObjectRef(resource=LEASES, namespace=self.namespace, name=LEASE)
        with contextlib.suppress(NotFound, Forbidden):
            self.api.get(lease)
        for reflector in self.reflectors:
            reflector.start()
        while not all(self._is_settled(reflector) for reflector in self.reflectors):
            self.inbox.collect(1)

    def stop(self) -> None:
        for reflector in self.reflectors:
            reflector.stop(timeout=1)
        self.inbox.close()

    def _reflector(self, selection: Selection) -> Reflector:
        def tell(state: ReflectorState) -> None:
            broken = state.phase is Phase.BROKEN
            why = f"no news for the moment: {state.error}" if reflector.synced.is_set() else state.error
            self.board.cannot_read(selection.resource, why if broken else "")
            self.inbox.notify()

        reflector = Reflector(
            self.api,
            selection,
            _Sink(board=self.board, inbox=self.inbox, resource=selection.resource),
            pace=Pace(page=page_of(selection.resource)),
            tell=tell,
        )
        return reflector

    @staticmethod
    def _is_settled(reflector: Reflector) -> bool:
        return reflector.synced.is_set() or reflector.state.phase is Phase.BROKEN


def follow(api: Api, namespace: str, telling: Telling) -> NoReturn:
    """Tell until interrupted. Raises ApiError where nobody answers at the start, and NoSuchName."""
    follower = Follower(api=api, namespace=namespace)
    try:
        with progress("reading the cluster"):
            follower.start()
        _tell(follower, telling)
    finally:
        follower.stop()


def _tell(follower: Follower, telling: Telling) -> NoReturn:
    before: Report | None = None
    with telling.screen() or contextlib.nullcontext() as live:
        while True:
            told = telling.report(follower.board.facts(datetime.now(UTC)))
            if live:
                telling.redraw(live, told)
            elif before is None or _essence(told) != _essence(before):
                telling.again(told)
                before = told
            follower.inbox.collect(_BY_CLOCK)


def _essence(told: Report) -> Report:
    """Without what changes although nothing has happened."""
    office = told.controller
    still: ControllerEntry | None = msgspec.structs.replace(office, renewed="") if office else None
    return msgspec.structs.replace(told, at="", controller=still)
