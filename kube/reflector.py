"""List, then watch: one resource of the API server kept in step with a sink, whatever happens between.

The law: after the last failure the sink has been told of exactly what the server holds. A watch resumes
from the last version seen; a list is made again only where the server no longer can (410), or where its
versions went back (etcd restored from a backup, which the watch itself would never say:
https://github.com/kubernetes/kubernetes/issues/107457). What a new list finds unchanged is not told again.

In memory: one page while it is cut, and key and version of each object. Objects belong to the sink.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol

from kube.api import (
    Api,
    ApiError,
    Forbidden,
    Gone,
    Key,
    Silent,
    TooManyRequests,
    Unauthorized,
    Unreachable,
    Watch,
)
from kube.backoff import Backoff
from kube.raw import Malformed, RawObject, split_event, split_page
from kube.resource import Resource
from kube.status import error_of


class Sink(Protocol):
    """Called from the reflector's thread; what it raises makes the reflector list again."""

    def changed(self, key: Key, raw: bytes) -> None:
        """The object is new or has changed; a deletion and a new object of the name may lie between."""

    def removed(self, key: Key) -> None: ...

    def synced(self) -> None:
        """A list is complete: everything that there is has been told. Called again after each relist."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """What is reflected."""

    resource: Resource
    namespace: str = ""
    field_selector: str = ""
    label_selector: str = ""

    def __str__(self) -> str:
        parts = (self.namespace, self.field_selector, self.label_selector)
        return " ".join((str(self.resource), *filter(None, parts)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """Seconds, and objects of a page."""

    page: int = 500
    shortest_watch: int = 300
    longest_watch: int = 600
    """Watches end at a random time between, so that they do not all begin again together."""
    silence: float = 150
    """Bookmarks come about every minute; a stream without a byte for longer is opened again."""
    first_pause: float = 0.8
    longest_pause: float = 30


class Phase(StrEnum):
    SYNCING = "syncing"
    SYNCED = "synced"
    BROKEN = "broken"


@dataclass(frozen=True, kw_only=True, slots=True)
class ReflectorState:
    phase: Phase
    since: datetime
    error: str = ""
    """The last one; empty unless broken."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReflectorCounts:
    requests: int = 0
    lists: int = 0
    """Complete ones; all but the first are relists."""
    watches: int = 0
    events: int = 0
    bookmarks: int = 0
    failures: int = 0
    nameless: int = 0
    """Objects passed over, since no name could be read."""


class Reflector:
    def __init__(
        self,
        api: Api,
        selection: Selection,
        sink: Sink,
        *,
        pace: Pace = Pace(),
        tell: Callable[[ReflectorState], None] = lambda state: None,
        chance: random.Random | None = None,
    ) -> None:
        """`tell` is called from the reflector's thread with each new phase or error, for the log."""
        self.selection = selection
        self.synced = threading.Event()
        """Set once everything has been told for the first time."""
        self._api = api
        self._sink = sink
        self._pace = pace
        self._tell = tell
        self._chance = chance or random.Random()
        self._backoff = Backoff(first=pace.first_pause, longest=pace.longest_pause, random=self._chance)
        self._state = ReflectorState(phase=Phase.SYNCING, since=datetime.now(UTC))
        self._counted = dict.fromkeys(ReflectorCounts.__slots__, 0)  # no key comes later: read by others
        self._version = ""
        """Everything up to it has been told; empty where a list is needed."""
        self._known: dict[Key, str] = {}
        """The version of each object as the sink knows it; empty where that is uncertain."""
        self._doubtful = False
        """Whether the server's versions may have gone back."""
        self._stopping = threading.Event()
        self._stream: Watch | None = None
        self._stream_lock = threading.Lock()
        self._thread = threading.Thread(target=self.run, name=f"reflector-{selection.resource}", daemon=True)

    @property
    def state(self) -> ReflectorState:
        return self._state

    @property
    def counts(self) -> ReflectorCounts:
        return ReflectorCounts(**self._counted)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = 5) -> None:
        """Stop, and wait for the thread; a request on its way is not waited for beyond the time-out."""
        self._stopping.set()
        with self._stream_lock:
            if self._stream:
                self._stream.close()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def is_running(self) -> bool:
        return self._thread.is_alive()

    def run(self) -> None:
        """Reflect until stopped, in the caller's thread."""
        while not self._stopping.is_set():
            try:
                self._turn()
            except Silent:
                self._doubtful = True
            except Exception as error:
                self._stopping.wait(self._failed(error))

    def _turn(self) -> None:
        if not self._version:
            self._list()
        elif self._doubtful:
            self._check_version()
        if self._version and not self._stopping.is_set():
            self._watch()

    def _list(self) -> None:
        listed: set[Key] = set()
        token, version, more = "", "", True
        while more:
            if self._stopping.is_set():
                return
            page = split_page(self._request_page(token))
            for item in page.items:
                if self._take(item):
                    listed.add(item.key)
            token, version = page.continue_token, page.version
            more = bool(token)
        for key in sorted(self._known.keys() - listed):
            self._drop(key)
        self._version, self._doubtful = version, False
        self._counted["lists"] += 1
        self._sink.synced()
        self.synced.set()

    def _request_page(self, token: str, limit: int = 0) -> bytes:
        self._counted["requests"] += 1
        return self._api.list(
            self.selection.resource,
            namespace=self.selection.namespace,
            field_selector=self.selection.field_selector,
            label_selector=self.selection.label_selector,
            limit=limit or self._pace.page,
            continue_token=token,
        )

    def _check_version(self) -> None:
        """After an interruption: a server that is behind us would let us wait in silence."""
        now = split_page(self._request_page("", limit=1)).version
        if _is_before(now, self._version):
            self._restart(f"the server's version went back from {self._version} to {now}")
        self._doubtful = False

    def _restart(self, reason: str) -> None:
        """Versions mean something else from here on: tell everything again."""
        self._known = dict.fromkeys(self._known, "")
        raise Gone(reason)

    def _watch(self) -> None:
        self._counted["requests"] += 1
        self._counted["watches"] += 1
        opened = time.monotonic()
        before = self._counted["events"] + self._counted["bookmarks"]
        with self._open() as stream:
            self._enter(Phase.SYNCED)
            for line in stream:
                self._event(line)
        with self._stream_lock:
            self._stream = None
        silent = before == self._counted["events"] + self._counted["bookmarks"]
        if silent and time.monotonic() - opened < 1 and not self._stopping.is_set():
            raise Unreachable("the watch ended as soon as it began", request=f"WATCH {self.selection}")
        self._backoff.succeeded()

    def _open(self) -> Watch:
        stream = self._api.watch(
            self.selection.resource,
            resource_version=self._version,
            namespace=self.selection.namespace,
            field_selector=self.selection.field_selector,
            label_selector=self.selection.label_selector,
            timeout_seconds=self._chance.randint(self._pace.shortest_watch, self._pace.longest_watch),
            silence_seconds=self._pace.silence,
        )
        with self._stream_lock:
            self._stream = stream
            if self._stopping.is_set():
                stream.close()
        return stream

    def _event(self, line: bytes) -> None:
        event = split_event(line)
        if event.type == "ERROR":
            raise error_of(event.object.data, request=f"WATCH {self.selection}")
        self._backoff.succeeded()
        if _is_before(event.object.version, self._version):
            self._restart(f"an event's version {event.object.version} lies before {self._version}")
        if event.type == "BOOKMARK":
            self._counted["bookmarks"] += 1
        else:
            self._counted["events"] += 1
            if event.type == "DELETED":
                self._drop(event.object.key)
            else:
                self._take(event.object)
        self._version = event.object.version or self._version

    def _take(self, item: RawObject) -> bool:
        """Tell a new or changed object; return whether it has a name."""
        if not item.key.name:
            self._counted["nameless"] += 1
            return False
        if not item.version or self._known.get(item.key) != item.version:
            self._known[item.key] = ""  # told again should the sink fail
            self._sink.changed(item.key, item.data)
            self._known[item.key] = item.version
        return True

    def _drop(self, key: Key) -> None:
        if key in self._known:
            self._sink.removed(key)
            del self._known[key]

    def _failed(self, error: Exception) -> float:
        """Note a failure, decide where to go on from, and return the seconds to wait before."""
        if self._stopping.is_set():
            return 0
        with self._stream_lock:
            self._stream = None
        self._counted["failures"] += 1
        if isinstance(error, Unreachable):
            self._doubtful = True
        if _needs_list(error) or (isinstance(error, Malformed) and self._backoff.failures >= 2):
            self._version = ""
        text = str(error) if isinstance(error, ApiError | Malformed) else f"{type(error).__name__}: {error}"
        self._enter(Phase.BROKEN, text)
        return self._backoff.failed(error.retry_after if isinstance(error, ApiError) else None)

    def _enter(self, phase: Phase, error: str = "") -> None:
        state = self._state
        if (state.phase, state.error) != (phase, error):
            since = state.since if state.phase is phase else datetime.now(UTC)
            self._state = ReflectorState(phase=phase, since=since, error=error)
            self._tell(self._state)


def _needs_list(error: Exception) -> bool:
    """Whether to list again: not where the server was only away, busy, or did not let us in."""
    if isinstance(error, Unauthorized | Forbidden | TooManyRequests | Malformed):
        return False
    if isinstance(error, Unreachable):
        # 0, 502, 503, 504: nobody looked at the request. 500: the version may be what it stumbles over.
        return error.status == 500
    return True


def _is_before(version: str, other: str) -> bool:
    """Versions of one resource are comparable numbers (KEP-5504); what is no number proves nothing."""
    return version.isdigit() and other.isdigit() and int(version) < int(other)
