"""After each turn: resources say what Git says, statuses and events what is so, metrics how it goes."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from compiler.model import Declarations
from compiler.names import NodeName
from compiler.plan import PodBinding
from controller.cluster.account import Account, Sync
from controller.cluster.actions import ClusterAction, WriteStatus
from controller.cluster.declared import Declared, declared_in
from controller.cluster.deletion import Hold
from controller.cluster.execute import Executor
from controller.cluster.exhaustion import exhausted_pods, exhaustion_events
from controller.cluster.gauges import Gauges
from controller.cluster.identity_keeper import IdentityKeeper
from controller.cluster.mirror import mirror, next_inventory
from controller.cluster.objects import Observed, ObservedNode, ObservedSource, ResourceKey, Undecodable
from controller.cluster.observer import ClusterObserver
from controller.cluster.publisher import ClusterPublisher
from controller.cluster.resource_status import NetworkStatus, NodeStatus, ResourceStatus, RouterStatus
from controller.cluster.source_account import source_facts
from controller.cluster.source_statuses import SourceFacts, source_status
from controller.cluster.statuses import config_status, network_status, router_status
from controller.cluster.transitions import (
    ClusterEvent,
    Subject,
    bounded,
    node_events,
    pod_events,
    status_events,
)
from controller.log import Log
from controller.staging import staged
from controller.state import Observation, State, timestamp

Keys = frozenset[ResourceKey]


@dataclass(kw_only=True)
class ClusterTeller:
    observer: ClusterObserver
    publisher: ClusterPublisher
    executor: Executor
    identities: IdentityKeeper
    gauges: Gauges
    log: Log
    account: Account = field(default_factory=Account)
    _declared: Mapping[ResourceKey, Declared] = field(default_factory=dict, init=False)
    _declarations: Declarations | None = field(default=None, init=False)
    _nodes: dict[NodeName, NodeStatus | None] = field(default_factory=dict, init=False)
    """Statuses of agents, as last told of."""
    _bindings: dict[NodeName, tuple[PodBinding, ...]] = field(default_factory=dict, init=False)
    _exhausted: Mapping[Subject, str] = field(default_factory=dict, init=False)
    """Pods without an address, as last told of."""
    _written: Keys = field(default=frozenset(), init=False)
    """The inventory as it stood at the last turn."""
    _told: dict[Subject, ResourceStatus] = field(default_factory=dict, init=False)
    """Statuses whose events have been recorded; the watch may still show the ones before."""
    _late: Keys = field(default=frozenset(), init=False)
    """What was put off in the last turn."""

    def tell(self, state: State, observation: Observation, spent: float) -> None:
        if state.inventory is not None:
            self.identities.want(state.inventory.nodes.keys())
        news = observation.inventory.change if observation.inventory else None
        pods = news.pods if news else ()
        changed = self.account.take(state, observation.reports, pods, elapsed=observation.elapsed)
        keys = self._concerned(state, changed)
        now = timestamp(observation.time)
        events: list[ClusterEvent] = []
        actions: list[ClusterAction] = list(self._sources(state, now, events))
        actions += self._mirrored(keys)
        actions += self._statuses(keys, now, events)
        actions += self.observer.notes.wanted(state)
        events += self._node_events()
        events += self._pod_events(state)
        exhausted = exhausted_pods(state, observation.reports)
        events += exhaustion_events(self._exhausted, exhausted)
        self._exhausted = exhausted
        self._execute(actions, events)
        self._forget()
        self.gauges.tell(state, observation, spent, self.account)

    def pause(self) -> float:
        """Return the seconds until something that was put off is due."""
        if self.observer.notes.is_behind:
            return 0.0
        due = self.executor.wake_in
        return math.inf if due is None else due

    def _concerned(self, state: State, changed: Keys | None) -> Keys | None:
        """The resources to look at; None for all of them."""
        declared = self._declare(state)
        if declared is not self._declared:
            self.executor.retain(declared.keys())
            self._declared, changed = declared, None
        if changed is None:
            return None
        return changed | self.observer.touched | self._late

    def _declare(self, state: State) -> Mapping[ResourceKey, Declared]:
        """What Git declares, as resources; the same mapping while the declarations are the same."""
        good = state.good if self.observer.source else None
        declarations = good.declarations if good and good.revision else None
        if declarations is self._declarations:
            return self._declared
        self._declarations = declarations
        return declared_in(declarations, self._declared) if declarations else {}

    # --- resources ---

    def _mirrored(self, keys: Keys | None) -> Iterator[ClusterAction]:
        source = self.observer.source
        written = self.observer.written_inventory
        if written != self._written:
            self._written, keys = written, None
        state = self.account.state
        declared: Mapping[ResourceKey, Declared] | None = None
        if source and state and state.good and state.good.revision and state.good.declarations:
            # What the inventory does not list yet is applied once the watch has shown that it does.
            declared = {key: one for key, one in self._declared.items() if key in written}
        if keys is None:
            self._late = frozenset()
        yield from mirror(
            declared,
            self.observer.resources,
            written,
            revision=state.good.revision if state and state.good else "",
            settled=self.executor.settled,
            holds=dict(self._holds()),
            keys=keys,
        )

    def _holds(self) -> Iterator[tuple[ResourceKey, Hold]]:
        for key in self.observer.terminating:
            hold = self.account.hold_of(key)
            if hold and key.kind == "VirtualNetwork":
                yield key, hold

    # --- statuses ---

    def _sources(self, state: State, now: str, events: list[ClusterEvent]) -> Iterator[ClusterAction]:
        chosen = self.observer.source
        for key, item in self.observer.sources.items():
            if not isinstance(item, ObservedSource):
                continue
            if chosen and key != chosen.key:
                superseded = f"{chosen.key.namespace}/{chosen.key.name}"
                facts = SourceFacts(generation=item.metadata.generation, superseded_by=superseded)
            else:
                facts = self._source_facts(item, state)
            yield from self._status(item, item.status, source_status(facts, item.status, now=now), events)

    def _source_facts(self, item: ObservedSource, state: State) -> SourceFacts:
        inventory = next_inventory(self._declared, self.observer.resources, self.observer.mirrored)
        self.observer.inventory = frozenset(inventory)
        return source_facts(
            item,
            state,
            finding=self.observer.finding,
            account=self.account,
            inventory=inventory,
            conflicts=self.executor.conflicts.values(),
            write_errors=self.executor.errors,
        )

    def _statuses(self, keys: Keys | None, now: str, events: list[ClusterEvent]) -> Iterator[ClusterAction]:
        resources = self.observer.resources
        for key in resources if keys is None else keys:
            item = resources.get(key)
            if isinstance(item, Observed):
                yield from self._status(item, item.status, self._resource_status(key, item, now), events)

    def _resource_status(self, key: ResourceKey, item: Observed, now: str) -> ResourceStatus:
        conflict = self.executor.conflicts.get(key)
        error = self.executor.errors.get(key, "")
        sync = Sync(in_git=key in self._declared, conflict=conflict, write_error=error)
        status = item.status
        if key.kind == "VirtualNetwork":
            hold = self.account.hold_of(key) if item.metadata.terminating else None
            facts = self.account.network(key, item, sync, hold)
            return network_status(facts, status if isinstance(status, NetworkStatus) else None, now=now)
        if key.kind == "VirtualNetworkRouter":
            router = self.account.router(key, item, sync)
            return router_status(router, status if isinstance(status, RouterStatus) else None, now=now)
        previous = None if isinstance(status, NetworkStatus | RouterStatus) else status
        return config_status(self.account.config(key, item, sync), previous, now=now)

    def _status(
        self,
        item: Observed | ObservedSource,
        before: ResourceStatus | None,
        after: ResourceStatus,
        events: list[ClusterEvent],
    ) -> Iterator[WriteStatus]:
        if after == before:
            return
        subject = Subject(key=item.key, uid=item.metadata.uid)
        if self._told.get(subject) != after:
            events += status_events(subject, self._told.get(subject, before), after)
            self._told[subject] = after
        yield WriteStatus(key=item.key, over=item.metadata.resource_version, before=before, status=after)

    def _forget(self) -> None:
        """Forget what was told of objects that are gone, once they outnumber those that are there."""
        resources, sources = self.observer.resources, self.observer.sources
        if len(self._told) <= 2 * (len(resources) + len(sources)):
            return
        items = [
            item for item in (*resources.values(), *sources.values()) if not isinstance(item, Undecodable)
        ]
        subjects = {Subject(key=item.key, uid=item.metadata.uid) for item in items}
        self._told = {subject: status for subject, status in self._told.items() if subject in subjects}

    # --- events ---

    def _node_events(self) -> Iterator[ClusterEvent]:
        for name in self.publisher.nodes.drain_changed():
            item = self.publisher.nodes.observed.get(name)
            if item is None:
                self._nodes.pop(name, None)
            elif item.status:
                yield from self._node_turned(name, item, item.status)

    def _node_turned(self, name: NodeName, item: ObservedNode, status: NodeStatus) -> Iterator[ClusterEvent]:
        known = name in self._nodes
        before, self._nodes[name] = self._nodes.get(name), status
        if known:  # what stood when this controller began has been told by the one before
            yield from node_events(Subject(key=item.key, uid=item.metadata.uid), before, status)

    def _pod_events(self, state: State) -> Iterator[ClusterEvent]:
        plans = staged(state)[0] if state.compilation else {}
        for node, plan in plans.items():
            before = self._bindings.get(node)
            if before is plan.pods:
                continue
            self._bindings[node] = plan.pods
            yield from pod_events(before or (), plan.pods)
        for node in self._bindings.keys() - plans.keys():
            del self._bindings[node]

    def _execute(self, actions: list[ClusterAction], events: Collection[ClusterEvent]) -> None:
        source = self.observer.source
        sum_on = Subject(key=source.key, uid=source.metadata.uid) if source else None
        done = self.executor.execute(actions, bounded(events, sum_on=sum_on))
        for failure in done.failures:
            self.log("not-written", action=failure.action, error=failure.error)
        self._late = frozenset(action.key for action in actions) if self.executor.wake_in else frozenset()
