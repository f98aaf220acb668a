"""The controller's metrics: one facade that the loop tells what happened, one registry of its own.

The law of cardinality: series for each VirtualNetwork and each NetworkSource, and otherwise only
for words out of fixed lists. Commits replace one another, they never pile up; nodes, pods and
problems are counted, not named. Units are seconds; docs/reference/metrics.md is held equal to this.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.process_collector import ProcessCollector

from serving.exposition import series_of

_TURN: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_FETCH: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_TO_KERNEL: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
_COMMITS_ON_THEIR_WAY: Final = 64
"""Remembered at once; commits that never reach every node are forgotten, oldest first."""


class Turn(StrEnum):
    """How a turn of the loop ended."""

    UNCHANGED = "unchanged"
    PUBLISHED = "published"
    REFUSED = "refused"
    """A commit was; what was in force goes on."""
    FAILED = "failed"


class Outcome(StrEnum):
    SUCCESS = "success"
    FAILURE = "failure"


class Stage(StrEnum):
    """Where a rollout stands."""

    IDLE = "idle"
    CANARY = "canary"
    SHARE = "share"
    ALL = "all"
    HALTED = "halted"


@dataclass(frozen=True, kw_only=True, slots=True)
class SubnetUse:
    """Addresses of one subnet of a VirtualNetwork."""

    namespace: str
    network: str
    subnet: str
    used: int
    free: int


class ControllerMetrics:
    """Thread-safe. Nothing here raises for what it is told, and nothing waits."""

    def __init__(
        self,
        *,
        version: str,
        registry: CollectorRegistry | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` is monotonic, in seconds."""
        self.registry = registry = registry or CollectorRegistry()
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[str, float] = {}
        self._revisions: set[tuple[str, str, str]] = set()
        self._subnets: set[tuple[str, str, str, str]] = set()
        self._pending_since: float | None = None
        self._make_gauges(registry)
        self._make_durations(registry)
        self._make_counters(registry)
        ProcessCollector(registry=registry)
        Info("atoll_build", "The version that runs.", registry=registry).info({"version": version})

    def _make_gauges(self, registry: CollectorRegistry) -> None:
        self._revision = Info(
            "atoll_source_revision",
            "The commit that a NetworkSource has seen, attempted and applied last.",
            ["namespace", "name", "state"],
            registry=registry,
        )
        self._problems = Gauge(
            "atoll_problems", "Problems of the commit seen last.", ["severity"], registry=registry
        )
        self._nodes = Gauge(
            "atoll_nodes", "Nodes with a plan, by what they made of it.", ["state"], registry=registry
        )
        self._networks = Gauge("atoll_networks", "VirtualNetworks in force.", registry=registry)
        self._routers = Gauge("atoll_routers", "VirtualNetworkRouters in force.", registry=registry)
        self._addresses = Gauge(
            "atoll_network_addresses",
            "Addresses of a VirtualNetwork's subnet.",
            ["namespace", "network", "subnet", "state"],
            registry=registry,
        )
        self._rollout = Gauge(
            "atoll_rollout_stage",
            "1 for the stage at which the rollout stands.",
            ["stage"],
            registry=registry,
        )
        self._leader = Gauge("atoll_leader", "1 where this replica leads.", registry=registry)
        Gauge(
            "atoll_node_plan_age_seconds",
            "Age of the oldest plan that its node has not applied; 0 where every node has.",
            registry=registry,
        ).set_function(self._oldest_pending_plan)

    def _make_durations(self, registry: CollectorRegistry) -> None:
        self._reconcile = Histogram(
            "atoll_reconcile_duration_seconds",
            "Turns of the controller's loop.",
            ["outcome"],
            registry=registry,
            buckets=_TURN,
        )
        self._compile = Histogram(
            "atoll_compile_duration_seconds", "Compilations.", registry=registry, buckets=_TURN
        )
        self._fetch = Histogram(
            "atoll_git_fetch_duration_seconds",
            "Looks at the Git repository.",
            ["outcome"],
            registry=registry,
            buckets=_FETCH,
        )
        self._to_kernel = Histogram(
            "atoll_commit_to_kernel_seconds",
            "From the first sight of a commit to the last node's report that its kernel holds it.",
            registry=registry,
            buckets=_TO_KERNEL,
        )

    def _make_counters(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        self._compiled = counter("atoll_compile", "Compilations, by how they ended.", "outcome")
        self._drift = counter(
            "atoll_network_drift", "Objects found to differ from what Git or the compiler says.", "kind"
        )
        self._repaired = counter("atoll_drift_repaired", "Of these, objects that were set right.", "kind")
        self._requests = counter(
            "atoll_api_requests", "Requests to the Kubernetes API server.", "verb", "resource", "code"
        )
        self._relists = counter(
            "atoll_watch_relists", "Lists that a watch had to begin again with.", "resource"
        )
        self._events = counter("atoll_watch_events", "Events that watches delivered.", "resource")
        self._webhooks = counter(
            "atoll_webhook_requests", "Webhooks, by how they were answered.", "provider", "outcome"
        )

    def set_leader(self, leads: bool) -> None:
        self._leader.set(leads)

    def observe_reconcile(self, seconds: float, outcome: Turn) -> None:
        self._reconcile.labels(outcome.value).observe(seconds)

    def observe_compile(self, seconds: float, outcome: Outcome) -> None:
        """FAILURE: with errors among the problems."""
        self._compile.observe(seconds)
        self._compiled.labels(outcome.value).inc()

    def observe_git_fetch(self, seconds: float, outcome: Outcome) -> None:
        self._fetch.labels(outcome.value).observe(seconds)

    def set_revisions(self, namespace: str, name: str, *, seen: str, attempted: str, applied: str) -> None:
        """Of one NetworkSource; "" for none. Replaces the former ones."""
        for state, revision in (("seen", seen), ("attempted", attempted), ("applied", applied)):
            key = (namespace, name, state)
            if revision:
                self._revision.labels(*key).info({"revision": revision})
                self._revisions.add(key)
            elif key in self._revisions:
                self._revision.remove(*key)
                self._revisions.discard(key)

    def forget_source(self, namespace: str, name: str) -> None:
        self.set_revisions(namespace, name, seen="", attempted="", applied="")

    def set_problems(self, *, errors: int, warnings: int) -> None:
        self._problems.labels("error").set(errors)
        self._problems.labels("warning").set(warnings)

    def set_nodes(self, *, ready: int, pending: int, failed: int) -> None:
        """Nodes whose agents report the newest plan applied, an older one, or an error."""
        for state, count in (("ready", ready), ("pending", pending), ("failed", failed)):
            self._nodes.labels(state).set(count)

    def set_objects(self, *, networks: int, routers: int) -> None:
        self._networks.set(networks)
        self._routers.set(routers)

    def set_addresses(self, subnets: Iterable[SubnetUse]) -> None:
        """Of every VirtualNetwork: series of those not among them end."""
        current: set[tuple[str, str, str, str]] = set()
        for use in subnets:
            for state, count in (("used", use.used), ("free", use.free)):
                key = (use.namespace, use.network, use.subnet, state)
                self._addresses.labels(*key).set(count)
                current.add(key)
        for key in self._subnets - current:
            self._addresses.remove(*key)
        self._subnets = current

    def drift_found(self, kind: str) -> None:
        """`kind` as in the resource, such as VirtualNetwork or NodeNetwork."""
        self._drift.labels(kind).inc()

    def drift_repaired(self, kind: str) -> None:
        self._repaired.labels(kind).inc()

    def commit_seen(self, revision: str) -> None:
        """The ref names this commit now. Only the first time counts."""
        with self._lock:
            self._seen.setdefault(revision, self._clock())
            while len(self._seen) > _COMMITS_ON_THEIR_WAY:
                del self._seen[next(iter(self._seen))]

    def commit_in_kernel(self, revision: str) -> None:
        """Every node that needs it reports it. Observed once; commits seen before it are overtaken.

        A commit that this process has not seen arrive (it was in force at the start) is not observed.
        """
        with self._lock:
            if revision not in self._seen:
                return
            seconds = self._clock() - self._seen[revision]
            while next(iter(self._seen)) != revision:
                del self._seen[next(iter(self._seen))]
            del self._seen[revision]
        self._to_kernel.observe(seconds)

    def set_oldest_pending_plan(self, since: float | None) -> None:
        """When the oldest plan not yet applied was written, by the monotonic clock; None: all are applied."""
        self._pending_since = since

    def set_rollout(self, stage: Stage) -> None:
        for one in Stage:
            self._rollout.labels(one.value).set(one is stage)

    def api_request(self, verb: str, resource: str, code: str) -> None:
        """`resource` in the plural; `code` the status, or "unreachable"."""
        self._requests.labels(verb, resource, code).inc()

    def watch_relisted(self, resource: str) -> None:
        self._relists.labels(resource).inc()

    def watch_event(self, resource: str) -> None:
        self._events.labels(resource).inc()

    def webhook_request(self, provider: str, outcome: str) -> None:
        self._webhooks.labels(provider, outcome).inc()

    def _oldest_pending_plan(self) -> float:
        since = self._pending_since
        return 0.0 if since is None else max(0.0, self._clock() - since)


def metric_names() -> frozenset[str]:
    """Return the name of every series that the controller exposes, such as `..._bucket` of a histogram."""
    return series_of(ControllerMetrics(version="").registry)
