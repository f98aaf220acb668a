"""A commit goes out in waves: a canary, then a share of the nodes, then all.

A wave begins when every node of those before it has reported the plan that is wanted of it, and none reports
an error: once is enough, for pods come and go, and a large cluster is never all up to date at one
instant. A node that does not get there in time halts the rollout: the commit before comes back everywhere,
and the new one is quarantined until another is seen. Nodes that a wave has not reached keep their plan, but
for the pods in it: a pod that needs what only the new plan has waits, and is told why.

Nodes that were not well when the rollout began come last, and nobody waits for them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from compiler.catalogue import found
from compiler.model import LabelSelector
from compiler.names import DEFAULT_NETWORK, NodeName
from compiler.plan import NodePlan, PodBinding, Presence
from compiler.problem import Problem
from controller.commit import Commit
from controller.publication import PlanStamp, Report
from controller.snapshot import Revision

LAG = 30.0
"""Seconds for which a node that has not reported its plan yet counts as busy; after that as not well."""


class Stage(StrEnum):
    CANARY = "Canary"
    SHARE = "Share"
    ALL = "All"


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeTraits:
    """What of a node matters to a rollout and to no plan."""

    labels: Mapping[str, str] = field(default_factory=dict)
    ready: bool = True
    """The Node's condition Ready: a node that is down cannot be waited for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Strategy:
    canary_count: int = 1
    canary_selector: LabelSelector | None = None
    """Preferred as canaries; any node where none matches."""
    share: float | int = 0.25
    """Nodes reached by the second wave, canaries included: of those that the commit concerns, or a number."""
    ready_timeout: float = 120.0
    """Seconds that a wave may take."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wave:
    stage: Stage
    nodes: frozenset[NodeName]
    """Waited for."""
    unwatched: frozenset[NodeName] = frozenset()
    """Reached with the wave, and not waited for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rollout:
    revision: Revision
    before: Commit | None
    """What was in force; it comes back where the rollout halts."""
    plans: Mapping[NodeName, NodePlan] = field(repr=False)
    """Those before, of the nodes concerned."""
    digests: Mapping[NodeName, str] = field(repr=False)
    waves: tuple[Wave, ...]
    wave: int = 0
    since: float = 0.0
    """When the wave began, in seconds of the observations' clock."""
    timeout: float
    began_at: str = ""
    """RFC 3339, for people."""
    done: frozenset[NodeName] = frozenset()
    """Nodes reached that have reported the plan wanted of them."""
    reverting: bool = False
    """It halted, and the commit before is not compiled again yet: until then no node counts as reached."""

    @property
    def stage(self) -> Stage:
        return self.waves[self.wave].stage

    @property
    def released(self) -> frozenset[NodeName]:
        reached = () if self.reverting else self.waves[: self.wave + 1]
        return frozenset(node for wave in reached for node in wave.nodes | wave.unwatched)

    @property
    def watched(self) -> frozenset[NodeName]:
        return frozenset(node for wave in self.waves[: self.wave + 1] for node in wave.nodes)

    @property
    def total(self) -> int:
        return sum(len(wave.nodes | wave.unwatched) for wave in self.waves)

    @property
    def held(self) -> frozenset[NodeName]:
        return frozenset(self.plans) - self.released


def waves_of(
    affected: Collection[NodeName],
    well: Collection[NodeName],
    traits: Mapping[NodeName, NodeTraits],
    strategy: Strategy,
    *,
    reached: Collection[NodeName] = (),
) -> tuple[Wave, ...]:
    """Divide the nodes into waves; a wave without nodes is left out.

    `reached` are those that have the new plan already, from before a restart: they go first again.
    """
    names = sorted(node for node in affected if node in well)
    selector = strategy.canary_selector
    chosen = [node for node in names if selector and selector.matches(_labels(traits, node))]
    count = max(0, strategy.canary_count)
    first = [node for node in names if node in reached]
    canaries = first + [node for node in chosen or names if node not in first][: max(0, count - len(first))]
    rest = [node for node in names if node not in canaries]
    share = strategy.share
    some = share if isinstance(share, int) else math.ceil(share * len(names))
    more = min(len(rest), max(0, some - len(canaries)))
    waves = (
        Wave(stage=Stage.CANARY, nodes=frozenset(canaries)),
        Wave(stage=Stage.SHARE, nodes=frozenset(rest[:more])),
        Wave(stage=Stage.ALL, nodes=frozenset(rest[more:]), unwatched=frozenset(affected) - frozenset(names)),
    )
    return tuple(wave for wave in waves if wave.nodes or wave.unwatched)


def _labels(traits: Mapping[NodeName, NodeTraits], node: NodeName) -> Mapping[str, str]:
    return traits[node].labels if node in traits else {}


def well_nodes(
    published: Mapping[NodeName, PlanStamp],
    reports: Mapping[NodeName, Report],
    traits: Mapping[NodeName, NodeTraits],
    lagging: Collection[NodeName],
) -> frozenset[NodeName]:
    """Return the nodes that are up and have applied what is published for them.

    Those of `lagging` have got it just now, so that nothing speaks against them yet.
    """
    return frozenset(
        node
        for node, stamp in published.items()
        if traits.get(node, NodeTraits()).ready
        and (report := reports.get(node)) is not None
        and not report.errors
        and (report.digest == stamp.digest or node in lagging)
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Halted:
    problem: Problem


def step(
    rollout: Rollout,
    wanted: Mapping[NodeName, str],
    reports: Mapping[NodeName, Report],
    elapsed: float,
) -> Rollout | Halted | None:
    """Return the rollout as it goes on; None when it is complete. `wanted` are digests by node.

    What counts is the plan wanted, not the one published: that may have failed.
    """
    watched = [node for node in sorted(rollout.watched) if node in wanted]
    done = rollout.done.union(node for node in watched if _has_applied(reports.get(node), wanted[node]))
    waiting = [node for node in watched if node not in done or _fails(reports.get(node))]
    if not waiting:
        if rollout.wave + 1 == len(rollout.waves):
            return None
        return replace(rollout, done=done, wave=rollout.wave + 1, since=elapsed)
    if elapsed - rollout.since < rollout.timeout:
        return rollout if done == rollout.done else replace(rollout, done=done)
    return Halted(problem=_halted(rollout, waiting, reports))


def _has_applied(report: Report | None, digest: str) -> bool:
    return report is not None and report.digest == digest and not report.errors


def _fails(report: Report | None) -> bool:
    return report is not None and bool(report.errors)


def _halted(rollout: Rollout, waiting: list[NodeName], reports: Mapping[NodeName, Report]) -> Problem:
    first = waiting[0]
    report = reports.get(first)
    said = f": {report.errors[0]}" if report and report.errors else ", and its agent gave no reason"
    more = f" (and {len(waiting) - 1} more)" if len(waiting) > 1 else ""
    reason = (
        f"node {first}{more} was not ready within {rollout.timeout:g} s{said}. "
        f"{len(rollout.released)} of {rollout.total} nodes had been reached and got the commit before back"
    )
    return found("ATL820", origin=None, subject=f"commit {rollout.revision}", reason=reason)


def held_plan(before: NodePlan, now: NodePlan, revision: Revision) -> NodePlan:
    """Return the plan of a node that no wave has reached: as it was, with the pods that are there now."""
    local = {
        network.number: network.name
        for network in before.networks
        if network.presence is Presence.PRESENT
        and any(block.node == before.number for block in network.blocks)
    }
    pods = tuple(_held_pod(pod, local, revision) for pod in now.pods)
    return before if pods == before.pods else replace(before, pods=pods)


def _held_pod(pod: PodBinding, local: Collection[int], revision: Revision) -> PodBinding:
    if pod.network is None or pod.network == DEFAULT_NETWORK or pod.network in local:
        return pod
    refusal = f"the rollout of commit {revision[:12]} has not reached this node yet"
    return replace(pod, network=None, refusal=refusal)
