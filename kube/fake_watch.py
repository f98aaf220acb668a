"""One client's open watch on the simulated server: a queue that the store fills."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from threading import Condition
from types import TracebackType
from typing import Self

from kube.api import Silent, Unreachable
from kube.fake_selectors import Matcher
from kube.resource import Resource


@dataclass(kw_only=True, slots=True, eq=False)
class FakeWatch:
    resource: Resource
    namespace: str
    matches: Matcher
    changed: Condition
    """The store's: guards everything here."""
    ends_at: float
    """By the monotonic clock."""
    silence_seconds: float
    lines: deque[bytes] = field(default_factory=deque)
    since: int = 0
    """Only later versions are told."""
    silent: bool = False
    """Nothing arrives any more, not even the end: the peer has vanished."""
    _broken: bool = False
    _closed: bool = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        with self.changed:
            heard = time.monotonic()
            while True:
                now = time.monotonic()
                if self._closed:
                    raise StopIteration
                if self._broken:
                    raise Unreachable("Connection reset by peer", request=f"WATCH {self.resource}")
                if self.lines and not self.silent:
                    return self.lines.popleft()
                if now >= self.ends_at and not self.silent:
                    raise StopIteration
                if now - heard >= self.silence_seconds:
                    raise Silent(f"no byte for {self.silence_seconds:g} s", request=f"WATCH {self.resource}")
                self.changed.wait(min(max(self.ends_at - now, 0.001), heard + self.silence_seconds - now))

    def close(self) -> None:
        with self.changed:
            self._closed = True
            self.changed.notify_all()

    def cut(self) -> None:
        """Break the connection; what was on its way is lost."""
        with self.changed:
            self._broken = True
            self.changed.notify_all()

    @property
    def over(self) -> bool:
        return self._closed or self._broken
