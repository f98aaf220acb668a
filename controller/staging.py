"""A rollout within a turn: begun by a promoted commit, moved on by reports, ended or taken back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from compiler import codec
from compiler.names import NodeName
from compiler.plan import NodePlan
from controller.actions import Action, PublishPlan
from controller.commit import Commit
from controller.rollout import (
    LAG,
    Halted,
    NodeTraits,
    Rollout,
    Strategy,
    Wave,
    held_plan,
    step,
    waves_of,
    well_nodes,
)
from controller.state import Observation, State, timestamp


def begun(before: State, now: State, observation: Observation) -> State:
    """Return the state with a rollout, where a commit has come into force that concerns nodes with plans."""
    if now.good is None or (before.good and before.good.revision == now.good.revision):
        return now
    if now.strategy is None or before.compilation is None or before.good is None or now.compilation is None:
        return replace(now, rollout=None)
    plans, digests = _standing(before)
    affected = {
        node for node in now.compilation.plans if node in plans and now.digests[node] != digests[node]
    }
    waves = _waves(now, observation, now.strategy, affected)
    if not waves:
        return replace(now, rollout=None)
    rollout = Rollout(
        revision=now.good.revision,
        before=before.rollout.before if before.rollout else before.good,
        plans={node: plans[node] for node in affected},
        digests={node: digests[node] for node in affected},
        waves=waves,
        since=observation.elapsed,
        timeout=now.strategy.ready_timeout,
        began_at=timestamp(observation.time),
    )
    return replace(now, rollout=rollout)


def _standing(state: State) -> tuple[Mapping[NodeName, NodePlan], Mapping[NodeName, str]]:
    """Return the plans that nodes have; those of a wave whose plans are not out yet have the ones before."""
    plans, digests = staged(state)
    published = state.published.plans
    plans = {node: plan for node, plan in plans.items() if node in published}
    if state.rollout is None:
        return plans, digests
    earlier = state.rollout.digests
    late = {node for node in earlier.keys() & plans.keys() if published[node].digest == earlier[node]}
    return (
        {**plans, **{node: state.rollout.plans[node] for node in late}},
        {**digests, **{node: earlier[node] for node in late}},
    )


def _waves(
    now: State, observation: Observation, strategy: Strategy, affected: set[NodeName]
) -> tuple[Wave, ...]:
    published, reports = now.published.plans, observation.reports
    lagging = {node for node, since in now.lagging.items() if observation.elapsed - since < LAG}
    well = well_nodes(published, reports, now.traits, lagging)
    reached = {node for node in affected if published[node].digest == now.digests[node]}
    # Their agents may still be at work on it, or fail at it: either is to be waited for.
    well |= {node for node in reached & reports.keys() if now.traits.get(node, NodeTraits()).ready}
    return waves_of(affected, well, now.traits, strategy, reached=reached)


def moved_on(state: State, observation: Observation) -> State:
    """Return the state with its rollout one wave further, complete, or halted and taken back."""
    rollout = state.rollout
    if rollout is None or rollout.reverting:
        return state
    outcome = step(rollout, state.digests, observation.reports, observation.elapsed)
    if isinstance(outcome, Halted):
        return replace(
            state,
            rollout=replace(rollout, reverting=True),
            good=rollout.before,
            halted=None if state.candidate else outcome.problem,
            quarantined=rollout.revision,
            problems=(outcome.problem,),
        )
    return replace(state, rollout=outcome)


def kept_up(state: State) -> State:
    """Return the state with the plans that nodes keep brought up to the pods that are there now."""
    rollout, compilation = state.rollout, state.compilation
    if rollout is None or compilation is None:
        return state
    plans, digests = dict(rollout.plans), dict(rollout.digests)
    for node in rollout.held & compilation.plans.keys():
        before, now = plans[node], compilation.plans[node]
        if (before.number, before.address) != (now.number, now.address):
            # Removed and added again: it begins anew, with nothing that it could keep.
            del plans[node], digests[node]
            continue
        plans[node] = held_plan(before, now, rollout.revision)
        if plans[node] is not before:
            digests[node] = codec.digest(plans[node])
    if plans == rollout.plans:
        return state
    return replace(state, rollout=replace(rollout, plans=plans, digests=digests))


def staged(state: State) -> tuple[Mapping[NodeName, NodePlan], Mapping[NodeName, str]]:
    """Return the plans that nodes are to have now, with their digests."""
    assert state.compilation is not None
    plans, digests, rollout = state.compilation.plans, state.digests, state.rollout
    held = rollout.held & plans.keys() if rollout else frozenset[NodeName]()
    if rollout is None or not held:
        return plans, digests
    return (
        {**plans, **{node: rollout.plans[node] for node in held}},
        {**digests, **{node: rollout.digests[node] for node in held}},
    )


def lagging_after(
    state: State, observation: Observation, actions: Iterable[Action]
) -> Mapping[NodeName, float]:
    """Return since when nodes have not reported what is published for them; after a restart nobody knows."""
    published = state.published.plans
    lagging = {
        node: since
        for node, since in state.lagging.items()
        if node in published and not _reports(observation, node, published[node].digest)
    }
    for action in actions:
        if isinstance(action, PublishPlan):
            lagging.setdefault(action.plan.name, observation.elapsed)
    return lagging


def _reports(observation: Observation, node: NodeName, digest: str) -> bool:
    report = observation.reports.get(node)
    return report is not None and report.digest == digest


def kept_commit(state: State) -> Commit | None:
    """Return the commit that a restart goes on from: the one before, while a rollout is not complete."""
    return state.rollout.before if state.rollout else state.good


def rollout_words(rollout: Rollout) -> str:
    """Return `stage Canary, 1 of 12 nodes reached`."""
    return f"stage {rollout.stage}, {len(rollout.released)} of {rollout.total} nodes reached"
