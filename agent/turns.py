"""Who deals with the kernel: attachments of different pods side by side, whoever needs all of it alone.

Most of an attachment's time the kernel waits by itself (a removed device outlives its readers by an RCU grace
period), and waits of several pods are no longer than one. A plan, a repair and a look at everything must not
meet a port that is half made: they wait for the attachments at work, and no other begins meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from agent.lease import LeaseKey

AT_ONCE: Final = 16
"""Attachments at work. Each has a few descriptors, of the 1024 that libnftables can live with."""


class Turns:
    """Thread-safe. Nobody may hold `lock` who asks for a turn."""

    def __init__(self, lock: threading.RLock) -> None:
        self._ended = threading.Condition(lock)
        self._slots = threading.Semaphore(AT_ONCE)
        self._at_work: set[LeaseKey] = set()
        self._alone_wanted = 0
        self.count = 0
        """Grows with every attachment that begins or ends."""

    @property
    def busy(self) -> bool:
        return bool(self._at_work)

    @contextmanager
    def of(self, key: LeaseKey) -> Iterator[None]:
        """The caller alone deals with this attachment, and no plan changes. Does not hold the lock."""
        with self._slots:
            with self._ended:
                self._ended.wait_for(lambda: not self._alone_wanted and key not in self._at_work)
                self._at_work.add(key)
                self.count += 1
            try:
                yield
            finally:
                with self._ended:
                    self._at_work.remove(key)
                    self.count += 1
                    self._ended.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else deals with the kernel. Holds the lock."""
        with self._ended:
            self._alone_wanted += 1
            try:
                self._ended.wait_for(lambda: not self._at_work)
                yield
            finally:
                self._alone_wanted -= 1
                self._ended.notify_all()
