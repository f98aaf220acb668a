"""What wakes the controller on a cluster: news from the API server, from Git, or of the lease."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from controller.cluster.leadership import Deposed
from controller.watch import Wake
from kube.inbox import Batch, Inbox

HEARTBEAT = 10.0
"""Seconds: a loop without news turns so often, for its health to be seen and late work to be done."""


@dataclass(kw_only=True, slots=True)
class InboxWaker:
    inbox: Inbox
    leads: Callable[[], bool]
    _batch: Batch | None = field(default=None, init=False)

    def wait(self, seconds: float) -> Wake:
        """Wait for news and for its burst to end. Raise Deposed when the lease is lost."""
        self._batch = self.inbox.collect(min(seconds, HEARTBEAT))
        if not self.leads():
            raise Deposed("the lease was lost")
        return Wake.CHANGE

    def take(self) -> Batch:
        """Return what has come in."""
        batch, self._batch = self._batch, None
        return self.inbox.drain() if batch is None else batch
