"""The agent's process: everything wired together, until a signal ends it.

Ending, by whatever signal, changes nothing in the kernel: what is in force stays in force.
"""

from __future__ import annotations

import fcntl
import logging
import os
import resource
import select
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.addresses import AddressStore, Damaged
from agent.attach import Attachments
from agent.engine import ApplyFailed, Engine
from agent.follow import Follower
from agent.links import Links
from agent.monitor import Monitor
from agent.nft import MAX_DESCRIPTOR, Libnftables
from agent.plan_file import read_publication
from agent.plan_watch import PlanWatch
from agent.policy import Policy
from agent.preflight import missing_features, warnings
from agent.server import Server
from agent.status_file import AgentStatus, write_status
from compiler.device_names import vrf_name
from compiler.names import NodeName

REPAIR_SECONDS: Final = 10.0
RULESET_REPAIR_SECONDS: Final = 300.0
DIRECTORY_SECONDS: Final = 1.0
"""Between two looks for a plans' directory that does not exist yet."""
REPAIR_AT_ONCE_SECONDS: Final = 1.0
"""Between two repairs of what events tell of: another program that insists gets no endless loop."""
REPAIR_SHARE: Final = 0.02
"""Of the time, at most, goes into looking for what another hand changed."""
GRACE_SECONDS: Final = 300.0
PATIENCE_SECONDS: Final = 60.0

EXIT_STOPPED: Final = 0
EXIT_CANNOT_START: Final = 1

_log = logging.getLogger("atoll.agent")


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    node: NodeName
    directory: Path
    """Holds plans/<node>.json, written by the controller, and agents/<node>.json, written here."""
    socket: Path
    state: Path
    """The agent's own: leases and the last good plan. Mode 0700."""
    grace: float = GRACE_SECONDS
    """Seconds that a network stays after it was last needed."""
    patience: float = PATIENCE_SECONDS
    """Seconds that an ADD waits for a plan with its pod."""
    repair: float = REPAIR_SECONDS
    """Seconds between two looks at links and routes."""
    ruleset_repair: float = RULESET_REPAIR_SECONDS
    """Seconds between two looks at the whole table."""


class CannotStart(Exception):
    """The text says what to do about it."""


def run(settings: Settings) -> int:
    """Runs until SIGTERM or SIGINT; returns the exit status."""
    # libnftables waits with select(2): no descriptor may ever be above its limit.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(MAX_DESCRIPTOR, hard), hard))
    try:
        with _stop_signals() as stop, _own_state(settings.state):
            _check_node()
            _Process(settings, stop).loop()
    except CannotStart as error:
        _log.error("cannot start: %s", error)
        return EXIT_CANNOT_START
    _log.info("stopped; the datapath stays as it is")
    return EXIT_STOPPED


class _Process:
    def __init__(self, settings: Settings, stop: int) -> None:
        self._settings = settings
        self._stop = stop
        self._policy = Policy(Libnftables())
        last_good = settings.state / "plan.json"
        self._engine = Engine(
            kernel=Links(),
            policy=self._policy,
            store=_store(settings.state / "addresses"),
            last_good=last_good,
            grace=settings.grace,
            clock=time.monotonic,
        )
        plan = settings.directory / "plans" / f"{settings.node}.json"
        self._follower = Follower(
            engine=self._engine,
            path=plan,
            read=lambda path: read_publication(path, settings.node),
            clock=time.monotonic,
        )
        self._watch = PlanWatch(plan.parent)
        self._warnings = tuple(str(warning) for warning in warnings())
        for warning in self._warnings:
            _log.warning("%s", warning)
        self._repair_problem: str | None = None
        self._written: AgentStatus | None = None
        self._follower.restore(last_good)
        self._monitor = Monitor()
        self._own_changes_seen = self._engine.own_changes
        self._looked = time.monotonic()
        self._next_look = self._looked
        self._next_ruleset = self._looked + settings.ruleset_repair

    def loop(self) -> None:
        attachments = Attachments(self._engine, patience=self._settings.patience)
        server = Server(self._settings.socket, attachments)
        threading.Thread(target=server.serve_forever, name="socket", daemon=True).start()
        _log.info("node %s: listening on %s", self._settings.node, self._settings.socket)
        try:
            while True:
                self._follower.step()
                self._look()
                self._write_status()
                if self._wait():
                    return
        finally:
            server.shutdown()
            self._settings.socket.unlink(missing_ok=True)

    def _look(self) -> None:
        """For what another hand has changed, when it is time; the whole table more seldom."""
        now = time.monotonic()
        ruleset_too = now >= self._next_ruleset
        if now < self._next_look and not ruleset_too:
            return
        self._repair(ruleset_too=ruleset_too)
        # A big node takes longer to look at, and is looked at less often for it.
        took = time.monotonic() - now
        self._next_look = now + max(self._settings.repair, took / REPAIR_SHARE)
        if ruleset_too:
            self._next_ruleset = now + max(self._settings.ruleset_repair, took / REPAIR_SHARE)
        self._looked = time.monotonic()

    def _wait(self) -> bool:
        """Until there may be something to do; says whether a signal asks to stop."""
        self._watch.arm()
        until = min(self._next_look, self._next_ruleset)
        sources = [self._stop, self._monitor.links.fileno(), self._monitor.tables.fileno()]
        if self._watch.armed:
            sources.append(self._watch.fileno())
        else:
            until = min(until, time.monotonic() + DIRECTORY_SECONDS)
        ready, _, _ = select.select(sources, [], [], max(0.0, until - time.monotonic()))
        if self._watch.armed:
            self._watch.drain()
        self._heed_events()
        return self._stop in ready

    def _heed_events(self) -> None:
        """Look soon where the events are of another hand; at most once a second, whoever fights us."""
        with self._engine.changed:
            links, table = self._monitor.links_touched(), self._monitor.table_touched()
            own = self._engine.own_changes != self._own_changes_seen
            self._own_changes_seen = self._engine.own_changes
        soon = max(time.monotonic(), self._looked + REPAIR_AT_ONCE_SECONDS)
        if links and not own:
            self._next_look = min(self._next_look, soon)
        if table and not own:
            self._next_ruleset = min(self._next_ruleset, soon)

    def _repair(self, *, ruleset_too: bool) -> None:
        try:
            for done in self._engine.repair(ruleset_too=ruleset_too):
                _log.warning("repaired: %s", done)
            self._repair_problem = None
        except ApplyFailed as error:
            _log.error("%s", error)
            self._repair_problem = str(error)

    def _write_status(self) -> None:
        status = self._status()
        if status == self._written:
            return
        try:
            write_status(self._settings.directory / "agents", status)
            self._written = status
        except OSError as error:
            _log.warning("status not written: %s", error)

    def _status(self) -> AgentStatus:
        publication = self._engine.publication
        problems = (self._follower.problem, self._repair_problem)
        errors = tuple(problem for problem in problems if problem is not None)
        return AgentStatus(
            node=self._settings.node,
            ready=publication is not None and not errors,
            revision=publication.revision if publication else "",
            generation=publication.generation if publication else 0,
            digest=publication.digest if publication else "",
            errors=errors,
            warnings=self._warnings,
            networks=len(publication.plan.networks) if publication else 0,
            attachments=len(self._engine.store.leases),
            leaving=tuple(vrf_name(number) for number in self._engine.leaving),
            transactions=self._policy.transactions,
        )


def _check_node() -> None:
    findings = missing_features()
    for finding in findings:
        _log.error("missing: %s", finding)
    if findings:
        raise CannotStart(f"{len(findings)} kernel features are missing, named above with their remedies")


def _store(path: Path) -> AddressStore:
    try:
        return AddressStore(path)
    except Damaged as error:
        raise CannotStart(str(error)) from error


@contextmanager
def _own_state(state: Path) -> Iterator[None]:
    """One agent a state directory; nobody else reads it."""
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    state.chmod(0o700)
    with (state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CannotStart(f"another agent runs on {state}: stop it first") from error
        yield


@contextmanager
def _stop_signals() -> Iterator[int]:
    """A descriptor that becomes readable when SIGTERM or SIGINT arrives."""
    readable, writable = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def stop(number: int, frame: object) -> None:
        with suppress(BlockingIOError):  # full of earlier signals: one is enough
            os.write(writable, b"\0")

    former = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield readable
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        os.close(readable)
        os.close(writable)
