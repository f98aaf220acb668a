"""What a turn on the cluster finds new: objects from the watch, commits from the repository's thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from compiler.names import NodeName
from controller.cluster.departures import Departures
from controller.cluster.facts import Changed, Facts
from controller.cluster.node_traits import traits_of
from controller.cluster.objects import (
    Observed,
    ObservedNode,
    ObservedSource,
    ResourceKey,
    Undecodable,
    decode,
    decode_node,
    decode_source,
)
from controller.cluster.pod_notes import PodNotes
from controller.cluster.publisher import ClusterPublisher
from controller.cluster.recovery import oldest
from controller.cluster.source_watcher import Finding, SourceWatcher
from controller.cluster.strategy import strategy_of
from controller.cluster.waker import InboxWaker
from controller.composition import Offer, pseudo_path
from controller.git import Sighting
from controller.log import now
from controller.rollout import NodeTraits, Strategy
from controller.snapshot import Revision, Snapshot
from controller.state import Observation, Place, State
from kube.kinds import (
    CLUSTER_CONFIGS,
    NETWORK_SOURCES,
    NODE_NETWORKS,
    NODES,
    PODS,
    VIRTUAL_NETWORK_ROUTERS,
    VIRTUAL_NETWORKS,
)

NOWHERE = Place(repository="", ref="", folder="")
RETRY_SECONDS = 5.0
"""Between two trials of what was refused: each looks at every declaration, and pods come all the time."""
DECLARING = (VIRTUAL_NETWORKS, VIRTUAL_NETWORK_ROUTERS, CLUSTER_CONFIGS)


@dataclass(kw_only=True)
class ClusterObserver:
    waker: InboxWaker
    watcher: SourceWatcher
    publisher: ClusterPublisher
    clock: Callable[[], datetime] = now
    stopwatch: Callable[[], float] = time.monotonic
    facts: Facts = field(default_factory=Facts)
    resources: dict[ResourceKey, Observed | Undecodable] = field(default_factory=dict)
    """VirtualNetworks, VirtualNetworkRouters and ClusterConfigs as they stand."""
    sources: dict[ResourceKey, ObservedSource | Undecodable] = field(default_factory=dict)
    notes: PodNotes = field(default_factory=PodNotes)
    traits: dict[NodeName, NodeTraits] = field(default_factory=dict)
    touched: frozenset[ResourceKey] = frozenset()
    """What changed in the last turn."""
    inventory: frozenset[ResourceKey] | None = None
    """What Git declares or declared: the resource only shows it. None before it is known."""
    finding: Finding | None = None
    """The last look at the repository."""
    departures: Departures = field(default_factory=Departures)
    _terminating: frozenset[ResourceKey] = field(default=frozenset(), init=False)
    _leaving: frozenset[ResourceKey] = field(default=frozenset(), init=False)
    """Of the terminating ones those that are offered as such."""
    _followed: ResourceKey | None = field(default=None, init=False)
    _asked: object = field(default=None, init=False)
    """Where the commits come from, and whose signatures count."""
    _retried: float = field(default=-RETRY_SECONDS, init=False)
    _excluded: frozenset[ResourceKey] = field(default=frozenset(), init=False)
    _offer: Offer = field(default_factory=Offer, init=False)

    def pause(self) -> float:
        return self.departures.pause(self.stopwatch())

    @property
    def source(self) -> ObservedSource | None:
        """The NetworkSource that counts: the oldest."""
        return oldest([one for one in self.sources.values() if isinstance(one, ObservedSource)])

    @property
    def mirrored(self) -> frozenset[ResourceKey]:
        """What Git declares or declared: the resource only shows it."""
        return self.inventory or frozenset()

    @property
    def written_inventory(self) -> frozenset[ResourceKey]:
        """What the NetworkSource's status lists: only that is ours after a restart."""
        status = self.source.status if self.source else None
        return frozenset(_parsed(status.inventory.entries if status and status.inventory else ()))

    @property
    def terminating(self) -> frozenset[ResourceKey]:
        return self._terminating

    def observe(self, state: State, *, look: bool) -> Observation:
        changed = self.waker.take().changed
        elapsed = self.stopwatch()
        stamps = self.publisher.nodes.take(dict(_nodes(changed)))
        self.publisher.observed(stamps)
        self._take_traits(changed)
        self.notes.take(changed.get(PODS, {}))
        self._take_sources(changed)
        is_another, forget = self._is_another_source(), self._asks_for_another()
        self._take_resources(changed)
        observation = Observation(
            time=self.clock(),
            elapsed=elapsed,
            inventory=self.facts.take(changed),
            offer=self._new_offer(state, elapsed),
            stamps=stamps,
            strategy=_strategy(self.source) if self.source else None,
            traits=self.traits,
            retry=self._may_retry(elapsed),
            forget=forget,
            reports=self.publisher.reports(),
        )
        return self._with_finding(state, observation, is_another=is_another)

    def _may_retry(self, elapsed: float) -> bool:
        if elapsed < self._retried + RETRY_SECONDS:
            return False
        self._retried = elapsed
        return True

    def _is_another_source(self) -> bool:
        """Whether another NetworkSource counts than before: what the other declared then stands by itself."""
        followed, self._followed = self._followed, self.source.key if self.source else None
        if followed is None or followed == self._followed:
            return False
        self.finding = self.inventory = None
        return True

    def _asks_for_another(self) -> bool:
        """Whether what has been seen, and is not in force yet, may not come into force any more."""
        spec = self.source.spec if self.source else None
        asked, self._asked = self._asked, (spec.url, spec.ref, spec.path, spec.verify) if spec else None
        return asked is not None and asked != self._asked

    def _with_finding(self, state: State, observation: Observation, *, is_another: bool) -> Observation:
        self.watcher.follow(self.source, state.good.revision if state.good else None)
        if is_another or not self.sources:
            return _without_source(state, observation)
        finding = self.watcher.take() if self.source else None
        if finding is None:
            return observation
        self.finding = finding
        return replace(
            observation,
            place=finding.place,
            sighting=finding.sighting,
            snapshot=finding.snapshot,
            source_problem=finding.problem,
            verification=finding.verification,
            handled=finding.handled,
        )

    def _take_traits(self, changed: Changed) -> None:
        nodes = changed.get(NODES)
        if nodes:
            self.traits = {**self.traits}
            for key, raw in nodes.items():
                self.traits.pop(NodeName(key.name), None)
                if raw is not None:
                    self.traits[NodeName(key.name)] = traits_of(raw)

    def _take_resources(self, changed: Changed) -> None:
        touched: set[ResourceKey] = set()
        for resource in DECLARING:
            for key, raw in changed.get(resource, {}).items():
                found = ResourceKey(kind=resource.kind, namespace=key.namespace, name=key.name)
                touched.add(found)
                item = None if raw is None else decode(found, raw)
                if item is None:
                    self.resources.pop(found, None)
                else:
                    self.resources[found] = item
                if isinstance(item, Observed) and item.metadata.terminating:
                    self._terminating |= {found}
                else:
                    self._terminating -= {found}
        self.touched = frozenset(touched)

    def _take_sources(self, changed: Changed) -> None:
        for key, raw in changed.get(NETWORK_SOURCES, {}).items():
            found = ResourceKey(kind="NetworkSource", namespace=key.namespace, name=key.name)
            if raw is None:
                self.sources.pop(found, None)
                continue
            source = decode_source(found, raw)
            if isinstance(source, ObservedSource) or found not in self.sources:
                self.sources[found] = source  # one that cannot be understood any more keeps what it said

    def _new_offer(self, state: State, elapsed: float) -> Offer | None:
        """What the cluster declares by other hands than ours, where that is something else than before."""
        mirrored, ready = self._excluded_now(state), self.departures.take(self._terminating, elapsed)
        concerned = self.touched | (mirrored ^ self._excluded) | (ready ^ self._leaving)
        if not concerned and state.offer is not None:
            return None
        self._excluded, self._leaving = mirrored, ready
        files, leaving = dict(self._offer.files), set(self._offer.leaving)
        for key in concerned:
            path, item = pseudo_path(*key), self.resources.get(key)
            if isinstance(item, Undecodable) and key not in mirrored:
                continue  # what it said before stays
            files.pop(path, None)
            leaving.discard(path)
            if isinstance(item, Observed) and key not in mirrored:
                files[path] = item.manifest
                if key in ready:
                    leaving.add(path)
        offer = Offer(files=files, leaving=frozenset(leaving))
        if state.offer is not None and offer == self._offer:
            return None
        self._offer = offer
        return offer

    def _excluded_now(self, state: State) -> frozenset[ResourceKey]:
        """Resources that only show what a commit declares; while none is in force they speak themselves."""
        if self.source is None:
            self.inventory = None
        elif self.inventory is None:
            self.inventory = self.written_inventory
        if state.good is None or not state.good.revision:
            return frozenset()
        return self.mirrored


def _without_source(state: State, observation: Observation) -> Observation:
    """Nobody names a repository any more: what it declared stays, as the objects in the cluster."""
    told = state.candidate is not None and not state.candidate.revision
    if state.good is None or not state.good.snapshot.files or told:
        return observation
    nothing = Snapshot(revision=Revision(""), files={})
    sighting = Sighting(revision=nothing.revision, rewritten=False)
    return replace(observation, sighting=sighting, snapshot=nothing, place=NOWHERE)


def _strategy(source: ObservedSource) -> Strategy:
    """The usual one where the spec's cannot be understood, which the look at the repository reports."""
    try:
        return strategy_of(source.spec.rollout)
    except ValueError:
        return Strategy()


def _parsed(entries: tuple[str, ...]) -> Iterator[ResourceKey]:
    for entry in entries:
        try:
            yield ResourceKey.parse(entry)
        except ValueError:
            continue  # an entry that we did not write


def _nodes(changed: Changed) -> Iterator[tuple[NodeName, ObservedNode | Undecodable | None]]:
    for key, raw in changed.get(NODE_NETWORKS, {}).items():
        name = NodeName(key.name)
        found = ResourceKey(kind="NodeNetwork", namespace="", name=key.name)
        yield name, None if raw is None else decode_node(found, raw)
