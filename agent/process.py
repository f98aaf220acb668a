"""The agent's process: everything wired together, and the loop that follows plans and repairs."""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from importlib.metadata import version
from typing import Final

from agent.actions import Put, Remove, RemoveGroup, Repair, ReplaceTable
from agent.addresses import AddressStore
from agent.attach import Attachments
from agent.bridge import Bridge
from agent.datapath import Datapath
from agent.engine import ApplyFailed, Engine
from agent.follow import Follower
from agent.installer import Installer
from agent.kernel import KernelRefused
from agent.metrics import AgentMetrics, NetworkUse, Repaired
from agent.plan_file import LAST_GOOD, read_publication
from agent.plan_watch import PlanWatch
from agent.policy import Policy
from agent.server import Server
from agent.serving import serving
from agent.settings import Settings
from agent.shortage import Shortages
from agent.status_file import AddressUse, AddressWish, AgentStatus, Reason, write_status
from agent.twin import NoAttachments
from agent.usage import usage_of
from compiler.device_names import vrf_name
from serving.health import Pulse

DIRECTORY_SECONDS: Final = 1.0
"""Between two looks for a plans' directory that does not exist yet."""
REPAIR_AT_ONCE_SECONDS: Final = 1.0
"""Between two repairs of what events tell of: another program that insists gets no endless loop."""
REPAIR_SHARE: Final = 0.02
"""Of the time, at most, goes into looking for what another hand changed."""
TURN_SECONDS: Final = 30.0
"""The longest turn in which nothing happens."""
HEED_SECONDS: Final = 0.05
"""Between two looks at the events of attachments."""
REPORT_SECONDS: Final = 1.0
"""The oldest that a report of attachments may be; it is written to the disk that leases wait for."""
HONEST_SECONDS: Final = 300.0
"""A turn that takes longer is no longer believed to end."""
VERSION: Final = version("atoll")

_log = logging.getLogger("atoll.agent")


class Process:
    def __init__(self, settings: Settings, datapath: Datapath, stop: int) -> None:
        """`stop`: a descriptor that becomes readable when the process is to end. Raises addresses.Damaged."""
        self._settings = settings
        self._stop = stop
        self._metrics = AgentMetrics(version=VERSION)
        self._policy = Policy(datapath.nft)
        last_good = settings.state / LAST_GOOD
        self._engine = Engine(
            kernel=datapath.kernel,
            policy=self._policy,
            store=AddressStore(settings.state / "addresses", quiet=settings.quiet),
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
            told=self._metrics.observe_apply,
        )
        self._watch = PlanWatch(plan.parent)
        self._installer = Installer(settings.installation, clock=time.monotonic)
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._shortages = Shortages(rouse=self._rouse, told=self._metrics.address_missing)
        self._attachments = Attachments(
            self._engine,
            patience=settings.patience,
            trouble=lambda: self._repair_problem,
            shortages=self._shortages,
        )
        self._bridge: Bridge | None = None
        self._pulse = Pulse(bound=HONEST_SECONDS)
        self._warnings = datapath.warnings
        for warning in self._warnings:
            _log.warning("%s", warning)
        self._repair_problem: str | None = None
        self._told: AgentStatus | None = None
        self._written: AgentStatus | None = None
        self._follower.restore(last_good)
        self._monitor = datapath.monitor()
        self._own_changes_seen = self._engine.own_changes
        self._looked = time.monotonic()
        self._next_look = self._looked
        self._next_ruleset = self._looked + settings.ruleset_repair
        self._next_sweep = self._next_install = self._looked

    def run(self) -> None:
        """Until `stop` is readable. Raises serving.CannotListen."""
        # Before the bridge: a former process's report must not be taken for this one's.
        self._write_status()
        with (
            closing(self._watch),
            closing(self._installer),
            closing(self._monitor),
            self._listening(),
            self._serving(),
            self._bridged(),
        ):
            while True:
                self._pulse.beat()
                self._follower.step()
                self._look()
                self._sweep()
                self._equip()
                self._write_status()
                if self._wait():
                    return

    @contextmanager
    def _listening(self) -> Iterator[None]:
        answering = NoAttachments() if self._settings.twin else self._attachments
        server = Server(self._settings.socket, answering, told=self._metrics.observe_cni)
        threading.Thread(target=server.serve_forever, name="socket", daemon=True).start()
        _log.info("node %s: listening on %s", self._settings.node, self._settings.socket)
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            self._settings.socket.unlink(missing_ok=True)

    @contextmanager
    def _serving(self) -> Iterator[None]:
        address = self._settings.metrics
        if address is None:
            yield
            return
        alive, ready = {"loop": self._pulse.check, "socket": self._deaf}, {"plan": self._unready}
        with serving(address, registry=self._metrics.registry, alive=alive, ready=ready) as port:
            _log.info("metrics and health on %s:%d", address.host, port)
            yield

    @contextmanager
    def _bridged(self) -> Iterator[None]:
        if self._settings.api is None:
            yield
            return
        self._bridge = Bridge(
            api=self._settings.api, node=self._settings.node, directory=self._settings.directory
        )
        self._bridge.start()
        try:
            yield
        finally:
            self._bridge.stop()

    def _deaf(self) -> str | None:
        """Who removes the socket's file cuts the plugin off; the next start makes it anew."""
        return None if self._settings.socket.is_socket() else f"{self._settings.socket} is gone"

    def _unready(self) -> str | None:
        """By the last turn's knowledge: who probes must not wait for the engine."""
        status = self._told
        if status is None:
            return "nothing is known yet"
        if self._bridge is not None and self._bridge.plan_problem:
            return self._bridge.plan_problem
        if self._installer.trouble is not None:
            return self._installer.trouble
        return None if status.ready else "; ".join((status.reason, *status.errors))

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

    def _sweep(self) -> None:
        """Free what pods that are gone without a word have left; at the start, and now and then."""
        now = time.monotonic()
        if now < self._next_sweep:
            return
        self._next_sweep = now + self._settings.sweep
        try:
            for lease in self._attachments.sweep():
                _log.warning("pod %s is gone without a word: its address is free", lease.attachment.pod)
        except (KernelRefused, OSError) as error:
            _log.warning("not swept: %s", error)

    def _equip(self) -> None:
        """See to the plugin's binary and configuration, when it is time."""
        now = time.monotonic()
        if now >= self._next_install:
            wait = self._installer.step()
            self._next_install = now + (TURN_SECONDS if wait is None else wait)

    def _rouse(self) -> None:
        os.eventfd_write(self._wake, 1)

    def _wait(self) -> bool:
        """Until there may be something to do; says whether a signal asks to stop.

        Pods come and go without a turn of the loop for each: it would cost their attachments time.
        """
        sources, until = self._sources(), self._next_turn()
        while True:
            ready = _readable([*sources, *self._monitor.descriptors], until)
            now = time.monotonic()
            if self._heed_events() or sources.intersection(ready) or now >= until:
                break
            until = min(until, now + REPORT_SECONDS)
            if ready := _readable(sources, min(until, now + HEED_SECONDS)):
                break
        self._drain(ready)
        return self._stop in ready

    def _sources(self) -> set[int]:
        """What to wait for beside events; arms the watches."""
        self._watch.arm()
        sources = {self._stop, self._wake}
        if self._watch.armed:
            sources.add(self._watch.fileno())
        if self._installer.watch is not None:
            self._installer.watch.arm()
            if self._installer.watch.armed:
                sources.add(self._installer.watch.fileno())
        return sources

    def _next_turn(self) -> float:
        rest = TURN_SECONDS if self._watch.armed else DIRECTORY_SECONDS
        return min(
            self._next_look,
            self._next_ruleset,
            self._next_sweep,
            self._next_install,
            time.monotonic() + rest,
        )

    def _drain(self, ready: Iterable[int]) -> None:
        if self._watch.armed:
            self._watch.drain()
        if self._installer.watch is not None and self._installer.watch.drain():
            self._next_install = time.monotonic()
        if self._wake in ready:
            os.eventfd_read(self._wake)

    def _heed_events(self) -> bool:
        """Look soon where events are of another hand, at most once a second; says whether there are any."""
        with self._engine.changed:
            links, table = self._monitor.links_touched(), self._monitor.table_touched()
            changes = self._engine.own_changes
            own = self._engine.turns.busy or changes != self._own_changes_seen
            self._own_changes_seen = changes
        if own or not (links or table):
            return False
        soon = max(time.monotonic(), self._looked + REPAIR_AT_ONCE_SECONDS)
        if links:
            self._next_look = min(self._next_look, soon)
        if table:
            self._next_ruleset = min(self._next_ruleset, soon)
        return True

    def _repair(self, *, ruleset_too: bool) -> None:
        try:
            for done in self._engine.repair(ruleset_too=ruleset_too):
                self._note(done)
            self._repair_problem = None
        except ApplyFailed as error:
            _log.error("%s", error)
            self._repair_problem = str(error)

    def _note(self, done: Repair) -> None:
        if isinstance(done, RemoveGroup):  # at the end of a network's grace, by nobody's fault
            _log.info("no longer needed: %s", done)
            return
        _log.warning("repaired: %s", done)
        self._metrics.repaired(_kind(done))

    def _write_status(self) -> None:
        usage = usage_of(self._engine)
        status = self._told = self._status(usage)
        self._measure(status, usage)
        if status == self._written:
            return
        try:
            write_status(self._settings.directory / "agents", status)
            self._written = status
        except OSError as error:
            _log.warning("status not written: %s", error)

    def _measure(self, status: AgentStatus, usage: tuple[NetworkUse, ...]) -> None:
        self._metrics.set_plan(status.revision, networks=status.networks)
        self._metrics.set_attachments(status.attachments)
        self._metrics.set_addresses(usage)
        self._metrics.set_ready(self._unready() is None)
        self._metrics.set_api_connected(self._bridge is not None and self._bridge.connected)
        self._metrics.set_nft_transactions(status.transactions)

    def _status(self, usage: tuple[NetworkUse, ...]) -> AgentStatus:
        publication, applied = self._engine.publication, self._follower.applied
        problems = (self._follower.problem, self._repair_problem)
        errors = tuple(problem for problem in problems if problem is not None)
        failing = self._follower.problem is None and self._repair_problem is not None
        return AgentStatus(
            node=self._settings.node,
            ready=publication is not None and not errors,
            reason=Reason.REPAIR_FAILED if failing else self._follower.reason,
            revision=publication.revision if publication else "",
            generation=publication.generation if publication else 0,
            digest=publication.digest if publication else "",
            attempted=self._follower.attempted,
            applied_at=_timestamp(applied.at) if applied else "",
            apply_seconds=round(applied.seconds, 3) if applied else 0.0,
            errors=errors,
            warnings=(*self._warnings, *filter(None, (self._installer.trouble,))),
            networks=len(publication.plan.networks) if publication else 0,
            attachments=len(self._engine.store.leases),
            addresses=tuple(AddressUse(network=use.network, used=use.used) for use in usage),
            wanted=self._wishes(),
            leaving=self._leaving(),
            transactions=self._policy.transactions,
            version=VERSION,
            twin=self._settings.twin,
            api_problem=self._bridge.problem if self._bridge else "",
        )

    def _wishes(self) -> tuple[AddressWish, ...]:
        with self._engine.changed:
            wishes = self._shortages.wishes
        return tuple(AddressWish(network=str(one.network), addresses=one.addresses) for one in wishes)

    def _leaving(self) -> tuple[str, ...]:
        with self._engine.changed:
            networks, strays = self._engine.leaving, self._engine.strays
        return (*map(vrf_name, networks), *sorted(lease.attachment.port for lease in strays))


def _readable(descriptors: Iterable[int], until: float) -> list[int]:
    ready, _, _ = select.select([*descriptors], [], [], max(0.0, until - time.monotonic()))
    return ready


def _kind(done: Repair) -> Repaired:
    match done:
        case ReplaceTable():
            return Repaired.TABLE
        case Put() | Remove():
            return Repaired.ENTRY
        case _:
            return Repaired.LINK


def _timestamp(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
