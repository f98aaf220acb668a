"""Between the API server and the agent's directory: plans down, status up, as often as there is news.

The engine knows nothing of it, so it works on through outages and restarts: the plan file stays what
it last was, and the status is patched when the API server can be reached again. Two threads: one
watches the node's NodeNetwork, the other writes the plan file and patches the status.
"""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from agent.node_network import NodeNetwork, PlanDamaged, decode
from agent.node_status import is_applying, status_of
from agent.plan_copy import PlanCopy
from agent.plan_watch import PlanWatch
from agent.status_file import read_status
from agent.status_patch import StatusPatch
from compiler.names import NodeName
from kube.api import Api, Key
from kube.kinds import NODE_NETWORKS
from kube.reflector import Phase, Reflector, ReflectorState, Selection

APPLYING_SECONDS: Final = 1.0
"""A plan that is in force sooner is not announced: one patch is enough."""
END_SECONDS: Final = 3.0
_AFTER_DEFECT: Final = 10.0
_AWAKE: Final = 60.0
"""Seconds between two looks where nothing happens."""

_log = logging.getLogger("atoll.agent")


def _now() -> datetime:
    return datetime.now(UTC)


class Bridge:
    """`start` and `stop` once each. As the reflector's sink it is called from its thread."""

    def __init__(
        self,
        *,
        api: Api,
        node: NodeName,
        directory: Path,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = _now,
    ) -> None:
        """`directory` gets plans/<node>.json, and has the agent's agents/<node>.json."""
        self._node = node
        self._reports = directory / "agents"
        self._plans = directory / "plans"
        self._clock = clock
        self._now = now
        self._plan = PlanCopy(api=api, path=self._plans / f"{node}.json", node=node, clock=clock)
        self._patch = StatusPatch(api=api, node=node, clock=clock)
        own = Selection(resource=NODE_NETWORKS, field_selector=f"metadata.name={node}")
        self._reflector = Reflector(api, own, self, tell=_tell)
        self._lock = threading.Lock()
        self._raw: bytes | None = None
        self._fresh = False
        """Whether there is news in `_raw`."""
        self._network: NodeNetwork | None = None
        self._absent = ""
        self._applying_since: float | None = None
        self._stopping = threading.Event()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._watch = PlanWatch(self._reports)
        self._thread = threading.Thread(target=self._run, name="bridge", daemon=True)

    def start(self) -> None:
        """Raises OSError where the directory cannot be made."""
        for folder in (self._plans, self._reports):
            folder.mkdir(parents=True, exist_ok=True)
        self._thread.start()
        self._reflector.start()

    def stop(self) -> None:
        """A request that is on its way is waited for some seconds, no longer."""
        self._stopping.set()
        self._reflector.stop(timeout=END_SECONDS)
        self._rouse()
        self._thread.join(timeout=END_SECONDS)
        if not self._thread.is_alive():  # else it waits for the API server, and ends with the process
            self._watch.close()
            os.close(self._wake)

    @property
    def problem(self) -> str:
        """What keeps this node from the newest plan, or the API server from the newest status."""
        state = self._reflector.state
        watching = state.error if state.phase is Phase.BROKEN else ""
        return watching or self._absent or self._plan.problem or self._plan.api_problem or self._patch.problem

    @property
    def plan_problem(self) -> str:
        """Why the newest plan that the API server has cannot be handed to the engine."""
        return self._plan.problem

    @property
    def connected(self) -> bool:
        """Whether the node's NodeNetwork is watched."""
        return self._reflector.state.phase is Phase.SYNCED

    def changed(self, key: Key, raw: bytes) -> None:
        self._take(raw)

    def removed(self, key: Key) -> None:
        self._take(None)

    def synced(self) -> None:
        if self._raw is None:
            self._take(None)

    def step(self) -> float:
        """Do what is due; returns seconds until something may be due again. One thread calls it."""
        network = self._latest()
        if network is None:
            return _AWAKE
        waits = (self._plan.step(network), self._report(network))
        return min((wait for wait in waits if wait is not None), default=_AWAKE)

    def _take(self, raw: bytes | None) -> None:
        with self._lock:
            self._raw, self._fresh = raw, True
        self._rouse()

    def _latest(self) -> NodeNetwork | None:
        """The object as the watch last showed it; None where there is none."""
        with self._lock:
            raw, fresh = self._raw, self._fresh
            self._fresh = False
        if fresh:
            self._network, self._absent = self._decoded(raw)
            if self._absent:
                _log.warning("%s", self._absent)
        return self._network

    def _decoded(self, raw: bytes | None) -> tuple[NodeNetwork | None, str]:
        if raw is None:
            return None, (
                f"NodeNetwork {self._node} does not exist; the plan in force stays."
                " The controller makes it for a Node of this name"
            )
        try:
            return decode(raw), ""
        except PlanDamaged as error:
            return None, str(error)

    def _report(self, network: NodeNetwork) -> float | None:
        report = read_status(self._reports, self._node)
        if report is None:
            return None  # the engine has not spoken yet; its first word wakes us
        wanted = status_of(
            report=report,
            stamp=network.stamp,
            generation=network.generation,
            problem=self._plan.problem,
            before=self._patch.before(network),
            now=self._now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
        if not is_applying(wanted):
            self._applying_since = None
            return self._patch.step(network, wanted)
        now = self._clock()
        if self._applying_since is None:
            self._applying_since = now
        quiet = self._applying_since + APPLYING_SECONDS - now
        return quiet if quiet > 0 else self._patch.step(network, wanted)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._watch.arm()
            try:
                wait = self.step()
            except Exception:  # whatever is wrong with one object, the next one may be right
                _log.exception("the bridge to the API server met a defect")
                wait = _AFTER_DEFECT
            ready, _, _ = select.select([self._wake, self._watch.fileno()], [], [], wait)
            self._watch.drain()
            if self._wake in ready:
                os.eventfd_read(self._wake)

    def _rouse(self) -> None:
        os.eventfd_write(self._wake, 1)


def _tell(state: ReflectorState) -> None:
    if state.phase is Phase.BROKEN:
        _log.warning("the API server is out of reach, what is in force stays: %s", state.error)
    else:
        _log.info("NodeNetwork is watched")
