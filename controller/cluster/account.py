"""What is to be said of each resource, gathered from the state of the controller: facts for the statuses.

Kept between turns so that a turn costs what has changed: which nodes have applied what (`Coverages`), who is
in which network, and the names of all that may be told otherwise now.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from compiler.compilation import Compilation
from compiler.model import Address, Declarations, Prefix, VirtualNetwork, VirtualNetworkRouter
from compiler.names import NodeName, ObjectName
from compiler.problem import Problem, Severity
from controller.cluster.conflict import Conflict
from controller.cluster.coverage import NAMED, NOWHERE, Coverage, Coverages, Failure
from controller.cluster.deletion import Hold
from controller.cluster.objects import Observed, ResourceKey
from controller.cluster.statuses import NetworkFacts, RouterFacts, Standing, addresses_used
from controller.composition import pseudo_path
from controller.publication import Report
from controller.rollout import LAG
from controller.staging import kept_commit
from controller.state import State


@dataclass(frozen=True, kw_only=True, slots=True)
class Sync:
    """How a resource stands to what Git declares."""

    in_git: bool
    conflict: Conflict | None = None
    write_error: str = ""


@dataclass(kw_only=True)
class Account:
    coverages: Coverages = field(default_factory=Coverages)
    state: State | None = None
    nodes: Coverage = NOWHERE
    """Of all nodes with a plan."""
    _told: frozenset[NodeName] = frozenset()
    """Nodes that had a report, or were held, at the turn before."""
    _networks: Mapping[ObjectName, VirtualNetwork] = field(default_factory=dict)
    _routers: Mapping[ObjectName, VirtualNetworkRouter] = field(default_factory=dict)
    _problems: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)
    _connected: Mapping[ObjectName, frozenset[ObjectName]] = field(default_factory=dict)
    _waiting: Mapping[ObjectName, frozenset[ObjectName]] = field(default_factory=dict)
    _used: dict[ObjectName, tuple[VirtualNetwork, Mapping[Prefix, int]]] = field(default_factory=dict)
    """Addresses used, of networks whose pods are the same as when they were counted."""

    def take(
        self,
        state: State,
        reports: Mapping[NodeName, Report],
        pods: Collection[ObjectName] = (),
        *,
        elapsed: float = math.inf,
    ) -> frozenset[ResourceKey] | None:
        """Take over what a turn came to; return what may be told otherwise now, None for everything.

        `pods` are those that changed, be it only by an address; `elapsed` is the observation's.
        """
        before, self.state = self.state, state
        everything = before is None or not _same_ground(before, state)
        if everything:
            self._index(state)
            self._used = {name: one for name, one in self._used.items() if name in self._networks}
        self._take_plans(before, state)
        self.nodes = nodes_coverage(state, reports, self._lacking_pods(state, reports, elapsed))
        self._take_reports(state, reports)
        names = set(self.coverages.touched)
        self.coverages.touched.clear()
        populated = _resettled(before, state) | _networks_of(pods, state)
        for name in populated:
            self._used.pop(name, None)
        names |= populated
        if everything:
            return None
        networks = {_key("VirtualNetwork", name) for name in names}
        return frozenset(networks | set(self._routers_of(names)))

    def network(self, key: ResourceKey, observed: Observed, sync: Sync, hold: Hold | None) -> NetworkFacts:
        name = ObjectName(namespace=key.namespace, name=key.name)
        network = self._networks.get(name)
        standing = self._standing(key, observed, sync, [name], in_force=network is not None, hold=hold)
        compilation = self._compilation
        if network is None or compilation is None or compilation.stages is None:
            return NetworkFacts(standing=standing, network=network)
        placement = compilation.stages.settlement.placement
        return NetworkFacts(
            standing=standing,
            network=network,
            number=compilation.numbers.get(name),
            pods=sum(placement.by_network.get(name, {}).values()),
            used=self._addresses_used(network, compilation),
        )

    def _addresses_used(self, network: VirtualNetwork, compilation: Compilation) -> Mapping[Prefix, int]:
        counted = self._used.get(network.name)
        if counted is None or counted[0] != network:
            used = addresses_used(network, _addresses(compilation, network.name))
            counted = self._used[network.name] = (network, used)
        return counted[1]

    def router(self, key: ResourceKey, observed: Observed, sync: Sync) -> RouterFacts:
        name = ObjectName(namespace=key.namespace, name=key.name)
        router = self._routers.get(name)
        networks = self._networks_of(router) if router else []
        return RouterFacts(
            standing=self._standing(key, observed, sync, networks, in_force=router is not None),
            router=router,
            networks=len(networks),
            connected=self._connected.get(name, frozenset()),
            waiting_for=self._waiting.get(name, frozenset()),
        )

    def config(self, key: ResourceKey, observed: Observed, sync: Sync) -> Standing:
        declared = self.declarations
        stands = declared is not None and (sync.in_git or declared.config.origin.path == pseudo_path(*key))
        return self._standing(key, observed, sync, [], in_force=stands)

    def hold_of(self, key: ResourceKey) -> Hold | None:
        """Why the deletion of a network that stands in the cluster alone must wait."""
        state = self.state
        if state is None or state.good is None or pseudo_path(*key) not in state.good.foreign:
            return None
        name = ObjectName(namespace=key.namespace, name=key.name)
        users = tuple(sorted(_pods(self._compilation, name))) if self._compilation else ()
        too_many = any(problem.code == "ATL601" for problem in state.objections.get(pseudo_path(*key), ()))
        leaving = len(state.offer.leaving) if state.offer and too_many else 0
        return Hold(users=users) if users else Hold(unconfirmed=leaving)

    @property
    def declarations(self) -> Declarations | None:
        return self.state.good.declarations if self.state and self.state.good else None

    @property
    def applied(self) -> str:
        kept = kept_commit(self.state) if self.state else None
        return kept.revision if kept else ""

    @property
    def attempted(self) -> str:
        return (self.state.seen or "") if self.state else ""

    @property
    def _compilation(self) -> Compilation | None:
        return self.state.compilation if self.state else None

    def _standing(
        self,
        key: ResourceKey,
        observed: Observed,
        sync: Sync,
        networks: Iterable[ObjectName],
        *,
        in_force: bool,
        hold: Hold | None = None,
    ) -> Standing:
        assert self.state is not None
        foreign = self.state.objections.get(pseudo_path(*key), ())
        return Standing(
            generation=observed.metadata.generation,
            requested_at=observed.metadata.requested_at,
            in_git=sync.in_git,
            in_force=in_force,
            coverage=self.coverages.of(networks),
            attempted=self.attempted if sync.in_git else "",
            applied=self.applied if sync.in_git else "",
            changed_in=observed.metadata.revision,
            problems=(*foreign, *self._problems.get(key.subject, ())),
            conflict=sync.conflict,
            write_error=sync.write_error,
            terminating=bool(observed.metadata.terminating),
            hold=hold,
        )

    def _index(self, state: State) -> None:
        declared = self.declarations
        self._networks = {one.name: one for one in declared.networks} if declared else {}
        self._routers = {one.name: one for one in declared.routers} if declared else {}
        problems: dict[str, list[Problem]] = {}
        for problem in state.problems:
            problems.setdefault(problem.subject, []).append(problem)
        self._problems = {subject: tuple(found) for subject, found in problems.items()}
        reach = state.reach.reachability if state.reach else None
        connected: dict[ObjectName, set[ObjectName]] = {}
        waiting: dict[ObjectName, set[ObjectName]] = {}
        for left, right in reach.agreed if reach else ():
            connected.setdefault(left, set()).add(right)
            connected.setdefault(right, set()).add(left)
        for one in reach.waiting if reach else ():
            waiting.setdefault(one.importer, set()).add(one.awaited)
        self._connected = {name: frozenset(names) for name, names in connected.items()}
        self._waiting = {name: frozenset(names) for name, names in waiting.items()}

    def _take_plans(self, before: State | None, state: State) -> None:
        if state.compilation is None:
            return
        known = before.digests if before else {}
        for node, plan in state.compilation.plans.items():
            digest = state.digests[node]
            if known.get(node) != digest:
                self.coverages.wants(node, plan, digest)
        for node in known.keys() - state.digests.keys():
            self.coverages.withdraws(node)

    def _take_reports(self, state: State, reports: Mapping[NodeName, Report]) -> None:
        held = state.rollout.held if state.rollout else frozenset[NodeName]()
        told, self._told = self._told, frozenset(reports.keys() | held)
        for node in told | self._told:
            report = reports.get(node)
            digest = report.digest if report else ""
            error = report.errors[0] if report and report.errors else ""
            self.coverages.reports(node, digest, error=error, held=node in held)

    def _lacking_pods(
        self, state: State, reports: Mapping[NodeName, Report], elapsed: float
    ) -> frozenset[NodeName]:
        """Nodes that lack nothing but pods of their plan, and not for long."""
        return frozenset(
            node
            for node, since in state.lagging.items()
            if elapsed - since < LAG
            and node in reports
            and self.coverages.has_all_but_pods(node, reports[node].digest)
        )

    def _networks_of(self, router: VirtualNetworkRouter) -> list[ObjectName]:
        return [
            network.name
            for network in self._networks.values()
            if network.name.namespace == router.name.namespace
            and router.network_selector.matches(network.labels)
        ]

    def _routers_of(self, names: Iterable[ObjectName]) -> Iterator[ResourceKey]:
        networks = [self._networks[name] for name in names if name in self._networks]
        for router in self._routers.values():
            for network in networks:
                if network.name.namespace == router.name.namespace and router.network_selector.matches(
                    network.labels
                ):
                    yield _key("VirtualNetworkRouter", router.name)
                    break


def nodes_coverage(
    state: State, reports: Mapping[NodeName, Report], lacking_pods: Collection[NodeName] = ()
) -> Coverage:
    """Return how many nodes have applied exactly what is published for them.

    Those that lack nothing but new pods count, too: a commit is in force, and pods come all the time.
    """
    held = state.rollout.held if state.rollout else frozenset[NodeName]()
    failures: list[Failure] = []
    waiting: list[NodeName] = []
    ready = 0
    for node, stamp in sorted(state.published.plans.items()):
        report = reports.get(node)
        if report and report.errors:
            failures.append(Failure(node=node, error=report.errors[0]))
        elif node in held:
            continue
        elif report and (report.digest == stamp.digest or node in lacking_pods):
            ready += 1
        else:
            waiting.append(node)
    return Coverage(
        needed=len(state.published.plans),
        ready=ready,
        failed=len(failures),
        held=len(state.published.plans) - ready - len(failures) - len(waiting),
        failures=tuple(failures[:NAMED]),
        waiting=tuple(waiting[:NAMED]),
    )


def errors_and_warnings(problems: Iterable[Problem]) -> tuple[int, int]:
    severities = [problem.severity for problem in problems]
    return severities.count(Severity.ERROR), severities.count(Severity.WARNING)


def _same_ground(before: State, state: State) -> bool:
    """Whether all is the same that every status depends on; cheap, for it compares identities."""
    return (
        before.good is state.good
        and before.seen == state.seen
        and before.problems == state.problems
        and before.objections is state.objections
        and before.reach is state.reach
        and before.halted == state.halted
        and (before.rollout is None) == (state.rollout is None)
    )


def _resettled(before: State | None, state: State) -> set[ObjectName]:
    """Networks whose pods are others than before."""
    if state.compilation is None or state.compilation.stages is None:
        return set()
    now = state.compilation.stages.settlement.placement.by_network
    old: Mapping[ObjectName, Mapping[NodeName, int]] = {}
    if before and before.compilation and before.compilation.stages:
        old = before.compilation.stages.settlement.placement.by_network
    if now is old:
        return set()
    return {name for name in now.keys() | old.keys() if now.get(name) is not old.get(name)}


def _networks_of(pods: Collection[ObjectName], state: State) -> set[ObjectName]:
    """Networks that pods are in."""
    if not pods or state.compilation is None or state.compilation.stages is None:
        return set()
    seats = state.compilation.stages.settlement.placement.seats
    known = state.compilation.inputs.inventory.pods
    nodes = {name: pod.node for name in pods if (pod := known.get(name)) is not None}
    found = (seats.get(node, {}).get(name) for name, node in nodes.items() if node is not None)
    return {seat.membership.network for seat in found if seat and seat.membership.network}


def _pods(compilation: Compilation, network: ObjectName) -> Iterator[ObjectName]:
    """The bound pods of a network."""
    if compilation.stages is None:
        return
    placement = compilation.stages.settlement.placement
    for node in placement.by_network.get(network, {}):
        for name, seat in placement.seats[node].items():
            if seat.membership.network == network:
                yield name


def _addresses(compilation: Compilation, network: ObjectName) -> Iterator[Address]:
    pods = compilation.inputs.inventory.pods
    for name in _pods(compilation, network):
        if name in pods:
            yield from pods[name].addresses


def _key(kind: str, name: ObjectName) -> ResourceKey:
    return ResourceKey(kind=kind, namespace=name.namespace, name=name.name)
