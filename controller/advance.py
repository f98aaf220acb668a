"""From what is published to what is compiled: the actions between, in the order that is safe.

First the commit and the allocations, on which a restart goes on; then plans that rest on them; then
plans of nodes that are gone; last what only people read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from compiler import codec
from compiler.allocations import Allocations
from compiler.names import NodeName
from compiler.plan import NodePlan
from compiler.reachability import Reachability
from controller.actions import (
    Action,
    KeepAllocations,
    KeepCommit,
    PublishPlan,
    PublishReachability,
    PublishStatus,
    WithdrawPlan,
)
from controller.publication import PlanStamp, Published
from controller.snapshot import Revision, Snapshot


def digests_of(
    plans: Mapping[NodeName, NodePlan],
    earlier: Mapping[NodeName, NodePlan],
    known: Mapping[NodeName, str],
) -> Mapping[NodeName, str]:
    """Digest every plan; those that are the same values as earlier ones keep their digests."""
    return {
        node: known[node] if earlier.get(node) is plan and node in known else codec.digest(plan)
        for node, plan in plans.items()
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What should be published."""

    commit: Snapshot
    """To be found again by a restart."""
    revision: Revision
    """That the plans are of."""
    held: frozenset[NodeName] = frozenset()
    """Nodes whose plans are still of the commit to be found again."""
    allocations: Allocations
    plans: Mapping[NodeName, NodePlan]
    digests: Mapping[NodeName, str]
    """Of the plans."""
    reachability: Reachability
    reachability_text: str


def actions_to(published: Published, wanted: Wanted) -> Iterator[Action]:
    """Yield nothing where everything is published already."""
    commit, allocations = wanted.commit, wanted.allocations
    kept = published.commit
    if kept is None or kept.revision != commit.revision or kept.files != commit.files:
        yield KeepCommit(revision=commit.revision, files=commit.files)
    if published.allocations != allocations:
        yield KeepAllocations(allocations=allocations)
    for node, plan in sorted(wanted.plans.items()):
        stamp = published.plans.get(node)
        if stamp is None or stamp.digest != wanted.digests[node]:
            yield PublishPlan(
                plan=plan,
                revision=commit.revision if node in wanted.held else wanted.revision,
                generation=allocations.generation,
                digest=wanted.digests[node],
            )
    for node in sorted(published.plans.keys() - wanted.plans.keys()):
        yield WithdrawPlan(node=node)
    if published.reachability != wanted.reachability_text:
        machine = codec.encode_reachability(wanted.reachability)
        yield PublishReachability(text=wanted.reachability_text, json=machine)


def after(published: Published, actions: Iterable[Action]) -> Published:
    """Return the publication once the actions have been executed."""
    for action in actions:
        match action:
            case KeepCommit():
                snapshot = Snapshot(revision=action.revision, files=action.files)
                published = replace(published, commit=snapshot)
            case KeepAllocations():
                published = replace(published, allocations=action.allocations)
            case PublishReachability():
                published = replace(published, reachability=action.text)
            case PublishStatus():
                published = replace(published, status=action.status)
            case PublishPlan() | WithdrawPlan():
                pass
    return replace(published, plans=_plans_after(published, actions))


def _plans_after(published: Published, actions: Iterable[Action]) -> Mapping[NodeName, PlanStamp]:
    plans = dict(published.plans)
    for action in actions:
        if isinstance(action, PublishPlan):
            plans[action.plan.name] = PlanStamp(
                revision=action.revision, generation=action.generation, digest=action.digest
            )
        elif isinstance(action, WithdrawPlan):
            del plans[action.node]
    return plans
