"""What the controller says of a network, a router and the cluster's configuration, from explicit inputs.

Pure: the same inputs give the same status, and times move only where a condition turns. A status tells of
the commit that last changed anything said in it: the NetworkSource tells which commit is in force, so that
a commit rewrites the statuses of what it concerns and no other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import msgspec

from compiler.model import Address, Prefix, RouterType, VirtualNetwork, VirtualNetworkRouter
from compiler.names import NetworkNumber, ObjectName
from compiler.problem import Problem, Severity
from controller.cluster.conditions import Finding, conditions, ready, unready
from controller.cluster.conflict import Conflict
from controller.cluster.coverage import NOWHERE, Coverage
from controller.cluster.deletion import Hold
from controller.cluster.reasons import ConditionType, Reason
from controller.cluster.resource_status import (
    MAX_COUNT,
    ConfigStatus,
    NetworkStatus,
    NodeCount,
    RouterStatus,
    SubnetUse,
)
from controller.cluster.wording import commit, counted, in_short, laggards, on_nodes, sentence, some

NO_BLOCK_LEFT = "ATL751"
NAMED = 3
"""So many pods or routers a message names."""
RECONCILING, STALLED = ConditionType.RECONCILING, ConditionType.STALLED


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What is known of any declared object."""

    generation: int
    """Of the resource that the compilation has taken in."""
    requested_at: str = ""
    in_git: bool = True
    """A commit declares it; otherwise the resource itself does."""
    in_force: bool = True
    """A version of it, this or its last good one, is compiled."""
    coverage: Coverage = NOWHERE
    attempted: str = ""
    """The commit compiled last."""
    applied: str = ""
    """The commit in force; "" where no commit declares the object."""
    changed_in: str = ""
    """The commit that last changed the resource: its annotation `atoll.dev/revision`."""
    problems: tuple[Problem, ...] = ()
    """Of this object, in the last attempt."""
    conflict: Conflict | None = None
    write_error: str = ""
    """Why the resource could not be brought up to Git."""
    terminating: bool = False
    hold: Hold | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkFacts:
    standing: Standing
    network: VirtualNetwork | None
    """As in force."""
    number: NetworkNumber | None = None
    pods: int = 0
    used: Mapping[Prefix, int] | None = None
    """Addresses that pods have, by subnet; None where that is not known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RouterFacts:
    standing: Standing
    router: VirtualNetworkRouter | None
    """As in force."""
    networks: int = 0
    connected: Collection[ObjectName] = ()
    waiting_for: Collection[ObjectName] = ()

    @property
    def connects(self) -> bool:
        alone = self.router is not None and self.router.type is RouterType.MESH and self.networks > 1
        return alone or bool(self.connected)


def network_status(facts: NetworkFacts, previous: NetworkStatus | None, *, now: str) -> NetworkStatus:
    before = previous or NetworkStatus()
    network = facts.network
    addresses = subnet_uses(network, facts.used or {}) if network else ()
    made = NetworkStatus(
        observed_generation=facts.standing.generation,
        last_handled_reconcile_at=facts.standing.requested_at,
        number=facts.number,
        addresses=addresses,
        free=_pods_that_fit(addresses),
        nodes=_nodes(facts.standing),
        pods=facts.pods,
    )
    return _told(made, facts.standing, _network_ready, before, now)


def router_status(facts: RouterFacts, previous: RouterStatus | None, *, now: str) -> RouterStatus:
    before = previous or RouterStatus()
    made = RouterStatus(
        observed_generation=facts.standing.generation,
        last_handled_reconcile_at=facts.standing.requested_at,
        networks=facts.networks,
        connected=tuple(str(name) for name in sorted(facts.connected)),
        waiting_for=tuple(str(name) for name in sorted(facts.waiting_for)),
        nodes=_nodes(facts.standing),
    )

    def readiness(standing: Standing) -> tuple[Finding, ...]:
        return _router_ready(standing, facts)

    return _told(made, facts.standing, readiness, before, now)


def config_status(standing: Standing, previous: ConfigStatus | None, *, now: str) -> ConfigStatus:
    before = previous or ConfigStatus()
    made = ConfigStatus(
        observed_generation=standing.generation, last_handled_reconcile_at=standing.requested_at
    )
    return _told(made, standing, _config_ready, before, now)


def subnet_uses(network: VirtualNetwork, used: Mapping[Prefix, int]) -> tuple[SubnetUse, ...]:
    """For each subnet, in the order declared; numbers as large as the API takes them."""
    return tuple(_subnet_use(subnet.prefix, used.get(subnet.prefix, 0)) for subnet in network.subnets)


def addresses_used(network: VirtualNetwork, addresses: Iterable[Address]) -> Mapping[Prefix, int]:
    """How many of the addresses are in each subnet."""
    prefixes = [subnet.prefix for subnet in network.subnets]
    used = dict.fromkeys(prefixes, 0)
    for address in addresses:
        for prefix in prefixes:
            if address in prefix:
                used[prefix] += 1
                break
    return used


def _subnet_use(prefix: Prefix, used: int) -> SubnetUse:
    # The first and the last address of an IPv4 subnet are nobody's; a /31 or /32 has neither (RFC 3021).
    ends = 2 if prefix.version == 4 and prefix.prefixlen < 31 else 0
    total = prefix.num_addresses - ends
    return SubnetUse(
        subnet=str(prefix),
        total=min(total, MAX_COUNT),
        used=min(used, MAX_COUNT),
        free=min(max(total - used, 0), MAX_COUNT),
    )


def _pods_that_fit(uses: Iterable[SubnetUse]) -> int | None:
    free: dict[bool, int] = {}
    for use in uses:
        family = ":" in use.subnet
        free[family] = min(free.get(family, 0) + use.free, MAX_COUNT)
    return min(free.values(), default=None)


def _nodes(standing: Standing) -> NodeCount:
    return NodeCount(ready=standing.coverage.ready, needed=standing.coverage.needed)


_S = TypeVar("_S", NetworkStatus, RouterStatus, ConfigStatus)


def _told(
    made: _S,
    standing: Standing,
    readiness: Callable[[Standing], tuple[Finding, ...]],
    before: _S,
    now: str,
) -> _S:
    """The status with its conditions; `before` where nothing but the commit in force is news."""

    def told(of: Standing) -> _S:
        findings = (*readiness(of), *_in_sync(of))
        return msgspec.structs.replace(
            made,
            last_attempted_revision=of.attempted,
            last_applied_revision=of.applied,
            conditions=conditions(findings, before.conditions, generation=of.generation, now=now),
        )

    if before.last_applied_revision and standing.changed_in != standing.applied:
        old = replace(
            standing, attempted=before.last_attempted_revision, applied=before.last_applied_revision
        )
        if told(old) == before:
            return before
    return told(standing)


def _ready(standing: Standing) -> tuple[Finding, ...]:
    if standing.terminating:
        return _terminating(standing)
    errors = in_short(standing.problems, Severity.ERROR)
    if errors and not standing.in_git:
        stays = "; its last good version stays in force" if standing.in_force else ""
        return unready(Reason.INVALID, f"{errors}{stays}", because=STALLED)
    if not standing.in_force:
        text = "Not in force yet: it waits for a commit that compiles"
        return unready(Reason.AWAITING_COMMIT, text, because=RECONCILING)
    return _in_force(standing)


def _network_ready(standing: Standing) -> tuple[Finding, ...]:
    short = [problem for problem in standing.problems if problem.code == NO_BLOCK_LEFT]
    if not short or not standing.in_force:
        return _ready(standing)
    text = in_short(short, Severity.WARNING)
    exhausted = Finding(
        type=ConditionType.ADDRESSES, status="False", reason=Reason.ADDRESSES_EXHAUSTED, message=text
    )
    return (*_ready(standing), exhausted)


def _config_ready(standing: Standing) -> tuple[Finding, ...]:
    """The configuration is in force in every plan: there is nothing to count."""
    findings = _ready(standing)
    if findings[0].reason is not Reason.IN_FORCE:
        return findings
    warnings = in_short(standing.problems, Severity.WARNING)
    told = f"in force{_of_commit(standing)}", f"warning: {warnings}" if warnings else ""
    return ready(Reason.IN_FORCE, sentence(*told))


def _in_force(standing: Standing) -> tuple[Finding, ...]:
    coverage = standing.coverage
    warnings = in_short(standing.problems, Severity.WARNING)
    text = sentence(
        f"in force {on_nodes(coverage)}{_of_commit(standing)}",
        laggards(coverage),
        f"warning: {warnings}" if warnings else "",
    )
    if coverage.complete:
        return ready(Reason.IN_FORCE, text)
    if coverage.failed:
        on_the_way = coverage.applying or coverage.held
        return unready(Reason.NODES_FAILED, text, because=RECONCILING if on_the_way else STALLED)
    reason = Reason.APPLYING if coverage.applying else Reason.AWAITING_ROLLOUT
    return unready(reason, text, because=RECONCILING)


def _of_commit(standing: Standing) -> str:
    """Nothing for what no commit declares."""
    return f", {commit(standing.applied)}" if standing.applied else ""


def _router_ready(standing: Standing, facts: RouterFacts) -> tuple[Finding, ...]:
    findings = _ready(standing)
    if not facts.waiting_for or standing.terminating or not standing.in_force:
        return findings
    awaited = sorted(facts.waiting_for)
    text = f"waits for the consent of {some(awaited[:NAMED], len(awaited))}"
    first, *rest = findings
    if first.reason is Reason.IN_FORCE and not facts.connects:
        # Not on the way: it depends on what others declare, and may never come.
        nothing = f"Connects nothing yet{_of_commit(standing)}; it {text}"
        return unready(Reason.AWAITING_CONSENT, nothing)
    return (replace(first, message=f"{first.message}; it {text}"), *rest)


def _terminating(standing: Standing) -> tuple[Finding, ...]:
    hold = standing.hold
    if standing.in_git:
        text = "Deleted by hand while Git declares it: it stays in force, and the resource comes back"
        return unready(Reason.DELETING, text, because=RECONCILING)
    if hold is None or not (hold.users or hold.unconfirmed):
        return unready(Reason.DELETING, "Deletion is under way", because=RECONCILING)
    remedy = "name it in spec.confirmDeletionOf of the ClusterConfig"
    if hold.users:
        users = counted(len(hold.users), "pod")
        verb = "uses" if len(hold.users) == 1 else "use"
        named = some(hold.users[:NAMED], len(hold.users))
        text = f"Deletion waits while {users} {verb} it: {named}; delete them, or {remedy}"
        return unready(Reason.IN_USE, text, because=RECONCILING)
    text = f"Deletion waits, for {hold.unconfirmed} networks are being deleted at once: {remedy}"
    return unready(Reason.DELETION_UNCONFIRMED, text, because=RECONCILING)


def _in_sync(standing: Standing) -> tuple[Finding, ...]:
    if not standing.in_git:
        return ()
    errors = in_short(standing.problems, Severity.ERROR)
    if standing.conflict:
        text = f"Git says otherwise, and rules: {standing.conflict}. {standing.conflict.remedy}"
        return (_out_of_sync(Reason.CONFLICT_WITH_GIT, text),)
    if errors:
        text = sentence(f"{commit(standing.attempted)} is refused: {errors}")
        return (_out_of_sync(Reason.COMMIT_REFUSED, text),)
    if standing.write_error:
        return (_out_of_sync(Reason.NOT_WRITTEN, standing.write_error),)
    text = f"As {commit(standing.applied)} declares it"
    return (Finding(type=ConditionType.IN_SYNC, reason=Reason.MATCHES_GIT, message=text),)


def _out_of_sync(reason: Reason, message: str) -> Finding:
    return Finding(type=ConditionType.IN_SYNC, status="False", reason=reason, message=message)
