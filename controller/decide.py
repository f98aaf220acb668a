"""One turn as a pure function: from what is known and what was observed to actions and a story.

What is observed becomes the state first; then follows what is to be in force (`controller.enforcement`),
and from that, with what is published, the actions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from compiler.catalogue import found
from compiler.change import Change, change_between, changed_inventory, merged
from compiler.inventory import Inventory
from compiler.names import NodeName, ObjectName
from compiler.parse import FileCache, parse
from compiler.problem import Problem
from controller.actions import Action, PublishPlan, PublishStatus, WithdrawPlan
from controller.advance import Wanted, actions_to, after
from controller.commit import Commit
from controller.composition import PREFIX
from controller.confirmation import confirmed_by
from controller.enforcement import enforced, is_due
from controller.inventory_file import InventoryReading
from controller.log import Value
from controller.note import Note, summary
from controller.reach import Reach
from controller.reporting import status_of
from controller.snapshot import Snapshot
from controller.staging import kept_commit, kept_up, lagging_after, moved_on, staged
from controller.state import Observation, State, timestamp


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    state: State
    """As it will be when every action has been executed."""
    actions: tuple[Action, ...]
    findings: tuple[Note, ...]
    """To be told before the actions are executed."""
    results: tuple[Note, ...]
    """True once they have been."""


def decide(state: State, observation: Observation) -> Decision:
    """Return what to do about an observation. The actions are to be executed in their order."""
    notes: list[Note] = []
    now = _look(state, observation, notes)
    now = _take_inventory(now, observation, notes)
    now = _take_wishes(now, observation)
    now = _take_cluster(now, observation)
    now = _move_on(now, observation, notes)
    now = _confirm(now, observation, notes)
    if is_due(state, now, observation):
        now = enforced(state, now, observation, notes)
    now = kept_up(now)
    actions: tuple[Action, ...] = ()
    kept = kept_commit(now)
    if kept and now.compilation and now.reach:
        actions = tuple(actions_to(now.published, _wanted(now, kept, now.reach)))
    lagging = lagging_after(now, observation, actions)
    now = replace(now, published=after(now.published, actions), lagging=lagging)
    results = tuple(_published(actions, now))
    status = status_of(now, observation.reports)
    if status != now.published.status:
        actions = (*actions, PublishStatus(status=status))
        now = replace(now, published=replace(now.published, status=status))
    return Decision(state=now, actions=actions, findings=tuple(notes), results=results)


def recovered_commit(kept: Snapshot, cache: FileCache) -> tuple[Commit, FileCache]:
    """Return the commit in force that an earlier controller kept, cluster's objects included."""
    parsed = parse(kept.files, revision=kept.revision, cache=cache)
    foreign = {path: content for path, content in kept.files.items() if path.startswith(PREFIX)}
    files = {path: content for path, content in kept.files.items() if path not in foreign}
    commit = Commit(
        snapshot=Snapshot(revision=kept.revision, files=files),
        foreign=foreign,
        declarations=parsed.declarations,
        problems=parsed.problems,
    )
    return commit, parsed.cache


def _look(state: State, observation: Observation, notes: list[Note]) -> State:
    problem, sighting = observation.source_problem, observation.sighting
    if observation.forget:
        state = replace(state, candidate=None)
    if observation.place:
        state = replace(state, place=observation.place)
    if problem:
        if problem != state.source_problem:
            notes.append(Note(event="unreachable", facts={"problem": str(problem)}))
        return replace(state, source_problem=problem)
    if sighting is None:
        return state
    if state.source_problem:
        notes.append(Note(event="reachable"))
        state = replace(state, source_problem=None)
    if observation.handled != state.handled:
        # Somebody asked for a look by name: that is how a quarantined commit gets another chance.
        state = replace(state, handled=observation.handled, quarantined=None, halted=None)
    if observation.snapshot is None:
        return state
    facts: dict[str, Value] = {"revision": sighting.revision, "files": len(observation.snapshot.files)}
    if sighting.rewritten:
        facts["rewritten"] = True
    notes.append(Note(event="seen", facts=facts))
    return replace(
        state,
        seen=sighting.revision,
        seen_at=timestamp(observation.time),
        candidate=None if sighting.revision == state.quarantined else observation.snapshot,
        halted=state.halted if sighting.revision == state.quarantined else None,
        verification=observation.verification,
        rewritten=_rewritten(state) if sighting.rewritten else None,
    )


def _rewritten(state: State) -> Problem:
    reason = f"{state.place.ref} no longer contains commit {state.seen}, which it named before"
    return found("ATL805", origin=None, subject=f"repository {state.place.repository}", reason=reason)


def _take_inventory(state: State, observation: Observation, notes: list[Note]) -> State:
    reading = observation.inventory
    if reading is None:
        return state
    if reading.change is not None:
        return _changed(state, reading.change, reading)
    if reading.inventory is None:
        notes.append(Note(event="inventory-refused", facts=summary(reading.problems)))
        return replace(state, inventory_problems=reading.problems)
    facts: dict[str, Value] = {"nodes": len(reading.inventory.nodes), "pods": len(reading.inventory.pods)}
    if reading.problems:
        facts |= summary(reading.problems)
    notes.append(Note(event="inventory", facts=facts))
    compiled = state.compilation.inputs.inventory if state.compilation else Inventory()
    return replace(
        state,
        inventory=reading.inventory,
        pending=change_between(compiled, reading.inventory),
        inventory_problems=reading.problems,
    )


def _changed(state: State, change: Change, reading: InventoryReading) -> State:
    return replace(
        state,
        inventory=changed_inventory(state.inventory or Inventory(), change),
        pending=merged(state.pending, change),
        inventory_problems=reading.problems,
    )


def _take_wishes(state: State, observation: Observation) -> State:
    """Agents whose blocks are full while pods wait say how many addresses they need."""
    if state.inventory is None:
        return state
    known = state.inventory.wanted
    wishes: dict[NodeName, Mapping[ObjectName, int] | None] = {
        node: report.wanted or None
        for node, report in observation.reports.items()
        if report.wanted != known.get(node, {})
    }
    wishes.update({node: None for node in known if node not in observation.reports})
    if not wishes:
        return state
    change = Change(wanted=wishes)
    return replace(
        state,
        inventory=changed_inventory(state.inventory, change),
        pending=merged(state.pending, change),
    )


def _take_cluster(state: State, observation: Observation) -> State:
    """What stands in the cluster: declarations by other hands, and our own plans if others changed them."""
    if observation.offer is not None:
        state = replace(state, offer=observation.offer)
    state = replace(state, strategy=observation.strategy, traits=observation.traits)
    if not observation.stamps:
        return state
    found_plans = {**state.published.plans, **observation.stamps}
    plans = {node: stamp for node, stamp in found_plans.items() if stamp is not None}
    return replace(state, published=replace(state.published, plans=plans))


def _move_on(state: State, observation: Observation, notes: list[Note]) -> State:
    """The rollout, one wave further where the nodes are ready for it."""
    before, state = state.rollout, moved_on(state, observation)
    rollout = state.rollout
    if before is None or before.reverting:
        return state
    facts: dict[str, Value] = {"revision": before.revision}
    if rollout is None:
        notes.append(Note(event="rolled-out", facts=facts))
    elif rollout.reverting:
        notes.append(Note(event="halted", facts={**facts, "problem": str(state.problems[0])}))
    elif rollout.wave != before.wave:
        facts |= {"stage": rollout.stage, "nodes": len(rollout.released)}
        notes.append(Note(event="rollout", facts=facts))
    return state


def _confirm(state: State, observation: Observation, notes: list[Note]) -> State:
    """Advance `Allocations.confirmed` to what every node has applied; never during a rollout."""
    if state.rollout:
        return state
    confirmed = confirmed_by(state.published, observation.reports)
    if confirmed <= state.allocations.confirmed:
        return state
    notes.append(Note(event="confirmed", facts={"generation": confirmed}))
    return replace(state, allocations=replace(state.allocations, confirmed=confirmed))


def _wanted(state: State, kept: Commit, reach: Reach) -> Wanted:
    plans, digests = staged(state)
    return Wanted(
        commit=kept.kept,
        revision=state.good.revision if state.good else kept.revision,
        held=state.rollout.held if state.rollout else frozenset(),
        allocations=state.allocations,
        plans=plans,
        digests=digests,
        reachability=reach.reachability,
        reachability_text=reach.text,
    )


def _published(actions: tuple[Action, ...], state: State) -> Iterator[Note]:
    changed = sum(isinstance(action, PublishPlan) for action in actions)
    withdrawn = sum(isinstance(action, WithdrawPlan) for action in actions)
    if state.good and (changed or withdrawn):
        facts: dict[str, Value] = {
            "revision": state.good.revision,
            "generation": state.allocations.generation,
            "changed": changed,
            "withdrawn": withdrawn,
        }
        yield Note(event="published", facts=facts)
