"""A rollout within a turn: begun by a promoted commit, moved on by reports, ended or taken back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from compiler import codec
from compiler.names import NodeName
from compiler.plan import NodePlan
from controller.commit import Commit
from controller.rollout import Halted, Rollout, held_plan, step, waves_of, well_nodes
from controller.state import Observation, State, timestamp


def begun(before: State, now: State, observation: Observation) -> State:
    """Return the state with a rollout, where a commit has come into force that concerns nodes with plans."""
    if now.strategy is None or before.compilation is None or before.good is None or now.good is None:
        return now
    if before.good.revision == now.good.revision or now.compilation is None:
        return now
    plans, digests = staged(before)
    published = before.published.plans
    affected = {
        node
        for node in now.compilation.plans
        if node in published and node in plans and now.digests[node] != published[node].digest
    }
    well = well_nodes(published, observation.reports, now.traits)
    waves = waves_of(affected, well, now.traits, now.strategy)
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


def moved_on(state: State, observation: Observation) -> State:
    """Return the state with its rollout one wave further, complete, or halted and taken back."""
    if state.rollout is None:
        return state
    outcome = step(state.rollout, state.published.plans, observation.reports, observation.elapsed)
    if isinstance(outcome, Halted):
        return replace(
            state,
            rollout=None,
            good=state.rollout.before,
            candidate=None,
            halted=outcome.problem,
            quarantined=state.rollout.revision,
            problems=(outcome.problem,),
        )
    return replace(state, rollout=outcome)


def staged(state: State) -> tuple[Mapping[NodeName, NodePlan], Mapping[NodeName, str]]:
    """Return the plans that nodes are to have now, with their digests."""
    assert state.compilation is not None
    plans, digests, rollout = state.compilation.plans, state.digests, state.rollout
    held = rollout.held & plans.keys() if rollout else frozenset[NodeName]()
    if rollout is None or not held:
        return plans, digests
    kept = {node: held_plan(rollout.plans[node], plans[node], rollout.revision) for node in held}
    same = {node for node in held if kept[node] is rollout.plans[node]}
    shown = {node: rollout.digests[node] if node in same else codec.digest(kept[node]) for node in held}
    return {**plans, **kept}, {**digests, **shown}


def kept_commit(state: State) -> Commit | None:
    """Return the commit that a restart goes on from: the one before, while a rollout is not complete."""
    return state.rollout.before if state.rollout else state.good


def rollout_words(rollout: Rollout) -> str:
    """Return `stage Canary, 1 of 12 nodes reached`."""
    return f"stage {rollout.stage}, {len(rollout.released)} of {rollout.total} nodes reached"
