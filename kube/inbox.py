"""Where several reflectors meet one loop: the latest state of each object that changed, once.

Bursts coalesce by key. In memory: the bytes of what changed since the last drain, and the keys of what
the reader knows; an object that came and went between two drains leaves nothing. So it is bounded by
the number of objects, however slow the reader is.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from kube.api import Key
from kube.resource import Resource

_NOTHING: Mapping[Key, bytes | None] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    changed: Mapping[Resource, Mapping[Key, bytes | None]]
    """Objects by their latest state; None where one is gone. One of the same name may be another (uid)."""
    synced: bool
    """Whether every resource has been told completely at least once, as of this batch."""

    def of(self, resource: Resource) -> Mapping[Key, bytes | None]:
        return self.changed.get(resource, _NOTHING)

    def __bool__(self) -> bool:
        return bool(self.changed)


@dataclass(kw_only=True, slots=True)
class InboxSink:
    """One reflector's way in."""

    inbox: Inbox
    pending: dict[Key, bytes | None] = field(default_factory=dict)
    known: set[Key] = field(default_factory=set)
    """What the reader has been given and not yet been told to be gone."""
    complete: bool = False

    def changed(self, key: Key, raw: bytes) -> None:
        with self.inbox.arrived:
            self.pending[key] = raw
            self.inbox.notify()

    def removed(self, key: Key) -> None:
        with self.inbox.arrived:
            if key in self.known:
                self.pending[key] = None
            else:
                self.pending.pop(key, None)
            self.inbox.notify()

    def synced(self) -> None:
        with self.inbox.arrived:
            if not self.complete:
                self.complete = True
                self.inbox.notify()

    def drain(self) -> dict[Key, bytes | None]:
        pending, self.pending = self.pending, {}
        for key, raw in pending.items():
            if raw is None:
                self.known.discard(key)
            else:
                self.known.add(key)
        return pending


class Inbox:
    """Written by any number of threads, read by one."""

    def __init__(self, *, quiet: float = 0.05, longest: float = 1.0) -> None:
        """A burst is over after `quiet` seconds without news, or when it has lasted for `longest`."""
        self.arrived = threading.Condition()
        self._quiet = quiet
        self._longest = longest
        self._sinks: dict[Resource, InboxSink] = {}
        self._news = 0
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def sink(self, resource: Resource) -> InboxSink:
        """Return the sink for a resource's one reflector; all are to be made before the first drain."""
        if resource in self._sinks:
            raise ValueError(
                f"{resource}: two reflectors cannot share an inbox's sink, each would remove "
                "what only the other sees. Use an inbox for each."
            )
        self._sinks[resource] = InboxSink(inbox=self)
        return self._sinks[resource]

    def fileno(self) -> int:
        """Readable while there is news, for select and poll beside other descriptors."""
        return self._event

    def notify(self) -> None:
        """Wake the reader; also for news that is no object."""
        with self.arrived:
            self._news += 1
            os.eventfd_write(self._event, 1)
            self.arrived.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for news; return whether there is any."""
        poll = select.poll()
        poll.register(self._event, select.POLLIN)
        return bool(poll.poll(None if timeout is None else max(timeout, 0) * 1000))

    def drain(self) -> Batch:
        """Return what has changed since the last time, without waiting."""
        with self.arrived:
            if select.select([self._event], [], [], 0)[0]:
                os.eventfd_read(self._event)
            changed = {resource: sink.drain() for resource, sink in self._sinks.items() if sink.pending}
            return Batch(changed=changed, synced=all(sink.complete for sink in self._sinks.values()))

    def collect(self, timeout: float | None = None) -> Batch:
        """Wait for news, then for the burst to end, and return it; empty after the time-out."""
        if self.wait(timeout):
            deadline = time.monotonic() + self._longest
            with self.arrived:
                while (left := deadline - time.monotonic()) > 0:
                    seen = self._news
                    if not self.arrived.wait_for(lambda: self._news != seen, min(self._quiet, left)):  # noqa: B023
                        break
        return self.drain()

    def close(self) -> None:
        """Give the descriptor back; the reflectors are to be stopped before."""
        os.close(self._event)
