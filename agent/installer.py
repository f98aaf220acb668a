"""Keeps the CNI plugin installed while the agent runs, whatever the default network's CNI does beside it.

Ending the agent leaves it there: pods of networks then wait, and start nowhere else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from agent.installation import Installation
from agent.plan_watch import PlanWatch

BETWEEN_SECONDS: Final = 5.0
"""Between two repairs: another program that insists on removing ours gets no endless loop."""
QUARREL_SECONDS: Final = 60.0
"""So long after a repair it is told that another program interferes."""

_log = logging.getLogger("atoll.agent")


class Installer:
    """Not thread-safe, but for `trouble`."""

    def __init__(self, installation: Installation | None, *, clock: Callable[[], float]) -> None:
        """None: somebody else installs the plugin, or nobody."""
        self._installation = installation
        self._clock = clock
        self.watch = None if installation is None else PlanWatch(installation.configurations)
        self._put_at: float | None = None
        self._repairs = 0
        self.trouble: str | None = None if installation is None else "the CNI plugin is not installed yet"
        """Why no pod could start by what is installed."""

    def close(self) -> None:
        if self.watch is not None:
            self.watch.close()

    def step(self) -> float | None:
        """Put in place what is not; returns seconds until another look is due, None for when told."""
        if self._installation is None:
            return None
        if self._put_at is not None and self._clock() < self._put_at + BETWEEN_SECONDS:
            self._judge()
            return self._put_at + BETWEEN_SECONDS - self._clock()
        try:
            self._put(self._installation)
        except OSError as error:
            self._put_at = self._clock()
            self._tell(f"the CNI plugin cannot be installed: {error}")
            return BETWEEN_SECONDS
        self._judge()
        return None

    def _put(self, installation: Installation) -> None:
        if not installation.put():
            return
        now = self._clock()
        recent = self._put_at is not None and now < self._put_at + QUARREL_SECONDS
        self._repairs = self._repairs + 1 if recent else 0
        self._put_at = now
        _log.info("the CNI plugin is installed in %s", installation.configurations)

    def _judge(self) -> None:
        assert self._installation is not None
        quarrel = self._repairs > 2 and self._put_at is not None
        if quarrel and self._put_at is not None and self._clock() < self._put_at + QUARREL_SECONDS:
            self._tell(
                f"another program removes what is installed in {self._installation.configurations};"
                " of Cilium, set cni.exclusive=false"
            )
            return
        self._tell(self._installation.trouble)

    def _tell(self, trouble: str | None) -> None:
        if trouble is not None and trouble != self.trouble:
            _log.warning("%s", trouble)
        self.trouble = trouble
