"""The controller's metrics, told after each turn from what the turn came to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from controller.cluster.account import Account, errors_and_warnings
from controller.cluster.node_networks import NodeNetworks
from controller.cluster.objects import Observed, ObservedSource
from controller.cluster.observer import ClusterObserver
from controller.cluster.resource_status import NetworkStatus
from controller.serving.metrics import ControllerMetrics, Outcome, Stage, SubnetUse, Turn
from controller.state import Observation, State
from kube.reflector import ReflectorCounts
from kube.resource import Resource
from serving.health import Pulse


@dataclass(kw_only=True)
class Gauges:
    metrics: ControllerMetrics
    pulse: Pulse
    observer: ClusterObserver
    nodes: NodeNetworks
    counts: Callable[[], Mapping[Resource, ReflectorCounts]]
    _compiled: object = field(default=None, init=False)
    _finding: object = field(default=None, init=False)
    _drift: int = field(default=0, init=False)
    _watched: dict[Resource, ReflectorCounts] = field(default_factory=dict, init=False)
    _source: tuple[str, str] | None = field(default=None, init=False)

    def tell(self, state: State, observation: Observation, spent: float, account: Account) -> None:
        self.pulse.beat()
        errors, warnings = errors_and_warnings(state.problems)
        compiled = state.compilation is not self._compiled
        calm = Turn.PUBLISHED if compiled else Turn.UNCHANGED
        self.metrics.observe_reconcile(spent, Turn.REFUSED if errors else calm)
        if compiled:
            self._compiled = state.compilation
            self.metrics.observe_compile(spent, Outcome.SUCCESS)
        self.metrics.set_problems(errors=errors, warnings=warnings)
        declared = account.declarations
        self.metrics.set_objects(
            networks=len(declared.networks) if declared else 0,
            routers=len(declared.routers) if declared else 0,
        )
        self._tell_nodes(state, account)
        self._tell_source(state, account)
        self._tell_watches()
        if self.observer.touched:
            self.metrics.set_addresses(self._uses())

    def _tell_nodes(self, state: State, account: Account) -> None:
        coverage = account.nodes
        pending = coverage.needed - coverage.ready - coverage.failed
        self.metrics.set_nodes(ready=coverage.ready, pending=pending, failed=coverage.failed)
        for _ in range(self.nodes.drift - self._drift):
            self.metrics.drift_found("NodeNetwork")
            self.metrics.drift_repaired("NodeNetwork")
        self._drift = self.nodes.drift
        stage = Stage(state.rollout.stage.value.lower()) if state.rollout else Stage.IDLE
        self.metrics.set_rollout(Stage.HALTED if state.halted else stage)
        if coverage.complete and coverage.needed and not state.rollout and account.applied:
            self.metrics.commit_in_kernel(account.applied)

    def _tell_source(self, state: State, account: Account) -> None:
        source, finding = self.observer.source, self.observer.finding
        place = (source.key.namespace, source.key.name) if isinstance(source, ObservedSource) else None
        if self._source and self._source != place:
            self.metrics.forget_source(*self._source)
        self._source = place
        if place is None:
            return
        seen = state.seen or ""
        self.metrics.set_revisions(*place, seen=seen, attempted=seen, applied=account.applied)
        if finding is not None and finding is not self._finding:
            self._finding = finding
            outcome = Outcome.FAILURE if finding.problem else Outcome.SUCCESS
            self.metrics.observe_git_fetch(finding.seconds, outcome)
            if finding.sighting:
                self.metrics.commit_seen(finding.sighting.revision)

    def _tell_watches(self) -> None:
        for resource, now in self.counts().items():
            before = self._watched.get(resource, ReflectorCounts())
            for _ in range(now.events - before.events):
                self.metrics.watch_event(resource.plural)
            for _ in range(now.lists - max(1, before.lists)):
                self.metrics.watch_relisted(resource.plural)
            self._watched[resource] = now

    def _uses(self) -> list[SubnetUse]:
        return [
            SubnetUse(
                namespace=key.namespace, network=key.name, subnet=use.subnet, used=use.used, free=use.free
            )
            for key, item in self.observer.resources.items()
            if isinstance(item, Observed) and isinstance(item.status, NetworkStatus)
            for use in item.status.addresses
        ]
