"""The controller on a cluster: everything wired together, from the Lease to the last status.

A replica that does not lead holds nothing but its candidature. One that leads reads what the API server
holds, works, and ends with the lease: a process that has lost it knows too much that may be wrong.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from controller.cluster.execute import Executor
from controller.cluster.facts import WATCHED
from controller.cluster.gauges import Gauges
from controller.cluster.identities import Identities
from controller.cluster.identity_keeper import IdentityKeeper
from controller.cluster.leadership import Deposed, GuardedApi
from controller.cluster.objects import ObservedSource, ResourceKey, decode_source
from controller.cluster.observer import DECLARING, NOWHERE, ClusterObserver
from controller.cluster.publisher import ClusterPublisher
from controller.cluster.records import Records
from controller.cluster.recovery import oldest, patience, recovered
from controller.cluster.source_repository import ClusterRepositories, seconds_of
from controller.cluster.source_watcher import SourceWatcher
from controller.cluster.teller import ClusterTeller
from controller.cluster.waker import InboxWaker
from controller.cluster.webhooks import Webhooks
from controller.log import Log
from controller.loop import Controller, first_state
from controller.publication import PublicationError
from controller.run import stoppable
from controller.serving.endpoints import Addresses, serving
from controller.serving.metrics import ControllerMetrics
from controller.serving.receiver import Hooks, Receiver
from controller.watch import Stop
from kube.api import Api, ApiError, ObjectRef
from kube.candidate import Terms
from kube.inbox import Inbox
from kube.kinds import LEASES, NETWORK_SOURCES, NODE_NETWORKS
from kube.lease import Election, unique_identity
from kube.raw import split_page
from kube.reflector import Pace, Phase, Reflector, ReflectorState, Selection
from kube.resource import Resource
from serving.health import Pulse

LEASE = "atoll-controller"
STALLED_AFTER = 300.0
"""Seconds: no honest turn takes longer."""
_WAIT = 0.5
"""Seconds between two looks whether a signal has come, while something else is awaited."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    namespace: str
    """Of the Lease, the records, NetworkSources and their Secrets."""
    nodes_namespace: str
    """Of the agents' ServiceAccounts."""
    cache: Path
    """For Git; may be lost at any time."""
    addresses: Addresses
    instance: str
    """This replica, for the Lease and in events: its pod's name."""
    terms: Terms = field(default_factory=Terms)
    pace: Pace = field(default_factory=Pace)


def run(settings: Settings, api: Api, log: Log, *, lease_api: Api | None = None) -> bool:
    """Work until SIGTERM or SIGINT; return False where another replica took over, so that this one ends.

    Raise PublicationError where what the cluster holds cannot be used.
    """
    try:
        with stoppable() as stopping:
            return Replica(settings=settings, api=api, log=log, lease_api=lease_api).work(stopping)
    except Stop:
        log("stopped")
    return True


@dataclass(kw_only=True)
class Replica:
    """One of the controllers on a cluster; of those that work at a time, one leads."""

    settings: Settings
    api: Api
    log: Log
    lease_api: Api | None = None
    """For the Lease, where that is to be more impatient: a request that hangs may cost the office."""
    metrics: ControllerMetrics = field(default_factory=lambda: ControllerMetrics(version=version("atoll")))
    inbox: Inbox = field(default_factory=Inbox)
    pulse: Pulse = field(default_factory=lambda: Pulse(bound=STALLED_AFTER))
    reflectors: dict[Resource, Reflector] = field(default_factory=dict)
    controller: Controller | None = None
    watcher: SourceWatcher | None = None
    identities: IdentityKeeper | None = None

    def __post_init__(self) -> None:
        lease = ObjectRef(resource=LEASES, name=LEASE, namespace=self.settings.namespace)
        self.election = Election(
            self.lease_api or self.api,
            lease,
            unique_identity(self.settings.instance),
            terms=self.settings.terms,
            on_change=self._office_changed,
        )
        self.guarded = GuardedApi(api=self.api, leads=self.election.is_leader, told=self._asked)
        counted = GuardedApi(api=self.api, leads=lambda: True, told=self._asked)
        self.webhooks = Webhooks(api=counted, namespace=self.settings.namespace, log=self.log)

    def work(self, stopping: Callable[[], bool]) -> bool:
        """Work until `stopping` says so, which is asked at every turn; return as `run` does.

        Whoever changes its answer calls `inbox.notify`, or waits for the next turn.
        """
        try:
            with self._served():
                self._lead(stopping)
        except Stop:
            pass
        except Deposed as error:
            self.log("deposed", reason=str(error))
            return False
        self.log("stopped")
        return True

    def _office_changed(self, leads: bool) -> None:
        self.metrics.set_leader(leads)
        self.log("leading" if leads else "following", holder=self.election.holder)
        self.inbox.notify()

    @contextlib.contextmanager
    def _served(self) -> Iterator[None]:
        webhooks = self.webhooks
        hooks = Hooks(secret_of=webhooks.secret_of, watched_of=webhooks.watched_of, on_push=webhooks.pushed)
        receiver = Receiver(hooks=hooks, metrics=self.metrics, log=self.log)
        with serving(
            self.settings.addresses,
            metrics=self.metrics,
            alive={"loop": self._is_turning},
            ready={"election": self._has_voted, "caches": self._is_synced},
            hooks=receiver,
        ) as ports:
            self.log("serving", metrics=ports.metrics or 0, webhooks=ports.webhooks or 0)
            webhooks.start()
            try:
                yield
            finally:
                webhooks.stop()

    def _lead(self, stopping: Callable[[], bool]) -> None:
        self.election.start()
        try:
            self.log("standing-by", identity=self.election.identity)
            while not self.election.wait(_WAIT):
                self.pulse.beat()
                if stopping():
                    raise Stop
            self._start_reflectors()
            self._work(stopping)
        finally:
            for reflector in self.reflectors.values():
                reflector.stop(timeout=1)
            if self.watcher:
                self.watcher.stop()
            if self.identities:
                self.identities.stop()
            self.election.stop()

    def _start_reflectors(self) -> None:
        namespaces = {NETWORK_SOURCES: self.settings.namespace}
        for resource in (*DECLARING, *WATCHED, NODE_NETWORKS, NETWORK_SOURCES):
            selection = Selection(resource=resource, namespace=namespaces.get(resource, ""))
            self.reflectors[resource] = Reflector(
                self.guarded,
                selection,
                self.inbox.sink(resource),
                pace=self.settings.pace,
                tell=self._teller_of(resource),
            )
        for reflector in self.reflectors.values():
            reflector.start()

    def _teller_of(self, resource: Resource) -> Callable[[ReflectorState], None]:
        def tell(state: ReflectorState) -> None:
            if state.phase is Phase.BROKEN:
                self.log("watch-broken", resource=resource.plural, error=state.error)

        return tell

    def _work(self, stopping: Callable[[], bool]) -> None:
        self._await_caches(stopping)
        source = self._source()
        self.controller = self._controller(source)
        state = self.controller.state
        self.log("started", generation=state.allocations.generation, plans=len(state.published.plans))
        assert self.watcher
        assert self.identities
        self.watcher.start()
        self.identities.start()
        self.watcher.follow(source, state.good.revision if state.good else None)
        self._await_look(self.watcher, patience(source), stopping)
        self.controller.run(stopping)

    def _await_caches(self, stopping: Callable[[], bool]) -> None:
        for reflector in self.reflectors.values():
            while not reflector.synced.wait(_WAIT):
                self._go_on(stopping)

    def _await_look(self, watcher: SourceWatcher, seconds: float, stopping: Callable[[], bool]) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not watcher.await_look(_WAIT):
            self._go_on(stopping)

    def _go_on(self, stopping: Callable[[], bool]) -> None:
        """Raise what ends the wait for something else."""
        self.pulse.beat()
        if stopping():
            raise Stop
        if not self.election.is_leader():
            raise Deposed("the lease was lost before the first turn")

    def _controller(self, source: ObservedSource | None) -> Controller:
        api = self.guarded
        publisher = ClusterPublisher(api=api, records=Records(api=api, namespace=self.settings.namespace))
        self.watcher = SourceWatcher(
            repositories=ClusterRepositories(api=api, cache=self.settings.cache),
            wake=self.inbox.notify,
            interval_of=interval_of,
        )
        waker = InboxWaker(inbox=self.inbox, leads=self.election.is_leader)
        observer = ClusterObserver(waker=waker, watcher=self.watcher, publisher=publisher)
        self.identities = IdentityKeeper(
            identities=Identities(api, namespace=self.settings.nodes_namespace), log=self.log
        )
        gauges = Gauges(
            metrics=self.metrics,
            pulse=self.pulse,
            observer=observer,
            nodes=publisher.nodes,
            counts=lambda: {resource: one.counts for resource, one in self.reflectors.items()},
        )
        teller = ClusterTeller(
            observer=observer,
            publisher=publisher,
            executor=Executor(api=api, instance=self.settings.instance),
            identities=self.identities,
            gauges=gauges,
            log=self.log,
        )
        return Controller(
            observer=observer,
            publisher=publisher,
            waker=waker,
            log=self.log,
            state=recovered(first_state(NOWHERE, publisher), source),
            teller=teller,
        )

    def _source(self) -> ObservedSource | None:
        """The NetworkSource that counts, as it stands before the first turn."""
        try:
            page = split_page(self.guarded.list(NETWORK_SOURCES, namespace=self.settings.namespace))
        except ApiError as error:
            raise PublicationError(f"networksources cannot be listed: {error}") from None
        keys = ((ResourceKey("NetworkSource", *item.key), item.data) for item in page.items)
        found = (decode_source(key, raw) for key, raw in keys)
        return oldest([one for one in found if isinstance(one, ObservedSource)])

    def _asked(self, verb: str, resource: Resource, code: str) -> None:
        self.metrics.api_request(verb, resource.plural, code)

    def _is_turning(self) -> str | None:
        return self.pulse.check()

    def _has_voted(self) -> str | None:
        """A replica that can reach the Lease may take over at any time."""
        if self.election.is_leader() or self.election.holder:
            return None
        return self.election.error or "the lease has not been read yet"

    def _is_synced(self) -> str | None:
        missing = [resource.plural for resource, one in self.reflectors.items() if not one.synced.is_set()]
        return f"not listed yet: {', '.join(missing)}" if missing else None


def interval_of(source: ObservedSource) -> float:
    return seconds_of(source.spec.interval)
