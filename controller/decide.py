"""One turn as a pure function: from what is known and what was observed to actions and a story.

The law: a commit comes into force only by compiling without an error against the inventory at hand.
Until then the last good one stays, and goes on to be compiled when the inventory changes; a commit
that failed is tried again then, for its error may have been in the cluster's state.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from compiler.catalogue import found
from compiler.change import Change, change_between, changed_inventory, merged
from compiler.compilation import Compilation, compile, recompile
from compiler.guards import deleted_networks
from compiler.inventory import Inventory
from compiler.model import Declarations
from compiler.names import ObjectName
from compiler.parse import FileCache, parse
from compiler.problem import Problem, Severity, in_reading_order
from controller.actions import Action, PublishPlan, PublishStatus, WithdrawPlan
from controller.advance import Wanted, actions_to, after
from controller.commit import Commit
from controller.composition import PREFIX, Composition, Offer, compose
from controller.confirmation import confirmed_by, frees
from controller.inventory_file import InventoryReading
from controller.log import Value
from controller.plan_text import digests_of
from controller.reach import Reach, reach_of
from controller.reporting import status_of
from controller.snapshot import Revision, Snapshot
from controller.staging import begun, kept_commit, kept_up, lagging_after, moved_on, staged
from controller.state import Observation, State, timestamp


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """One line of the story, for the log."""

    event: str
    facts: Mapping[str, Value] = field(default_factory=dict)


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
    now = _take_cluster(now, observation)
    now = _move_on(now, observation, notes)
    now = _confirm(now, observation, notes)
    if _is_due(state, now) or (now.stale and observation.retry):
        now = _compile(state, now, observation, notes)
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


def has_errors(problems: Iterable[Problem]) -> bool:
    return any(problem.severity is Severity.ERROR for problem in problems)


def _look(state: State, observation: Observation, notes: list[Note]) -> State:
    problem, sighting = observation.source_problem, observation.sighting
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
        notes.append(Note(event="inventory-refused", facts=_summary(reading.problems)))
        return replace(state, inventory_problems=reading.problems)
    facts: dict[str, Value] = {"nodes": len(reading.inventory.nodes), "pods": len(reading.inventory.pods)}
    if reading.problems:
        facts |= _summary(reading.problems)
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


def _is_due(before: State, now: State) -> bool:
    """Whether something has changed that a compilation, or at least a judgement, depends on."""
    if now.candidate is not before.candidate or now.offer is not before.offer:
        return True
    return _has_moved(before, now)


def _has_moved(before: State, now: State) -> bool:
    """Whether the ground under the good commit has changed."""
    if now.inventory is None:
        return False
    return (
        now.compilation is None
        or now.good is not before.good
        or now.inventory is not before.inventory
        or frees(now.allocations, since=before.allocations.confirmed)
    )


def _compile(before: State, now: State, observation: Observation, notes: list[Note]) -> State:
    """Bring the candidate into force, or else the good commit up to the cluster."""
    waits = now.curable or (now.candidate is not None and not now.hopeless)
    now = replace(now, stale=waits and not observation.retry)
    if now.candidate and now.good and now.inventory and (now.compilation is None or _reverts(now)):
        # What was in force is what a new commit is rolled out over: after a restart, and after a halt.
        now = _recomposed(now, notes)
    if now.candidate and _may_pass(before, now, observation):
        composition = _composed(now, now.candidate)
        now = replace(now, cache=composition.cache, hopeless=has_errors(composition.texts))
        if composition.compilation:
            return _promoted(now, composition, composition.compilation, observation, notes)
        problems = composition.problems
        if has_errors(problems) and (now.candidate is not before.candidate or problems != before.problems):
            notes.append(_refusal(composition.snapshot.revision, problems))
        now = replace(now, problems=problems)
    if _must_recompose(before, now, observation):
        return _recomposed(now, notes)
    return _refreshed(now, now.good, notes) if now.good and _has_moved(before, now) else now


def _may_pass(before: State, now: State, observation: Observation) -> bool:
    """Whether a candidate may be accepted now: a new one, or one that was refused."""
    if now.candidate is not before.candidate or now.offer is not before.offer:
        return True
    return observation.retry and not now.hopeless


def _reverts(state: State) -> bool:
    """Whether the good commit is in force again, and the compilation still that of one that halted."""
    return state.rollout is not None and state.rollout.reverting


def _composed(state: State, snapshot: Snapshot) -> Composition:
    in_force = state.good.foreign if state.good else {}
    is_new = state.good is None or snapshot is not state.good.snapshot
    excused = () if is_new else _leftovers(state)
    compiler = None
    if state.inventory is not None:
        compiler = lambda declared: _compiled(state, _excusing(declared, excused))  # noqa: E731
    return compose(snapshot, state.offer or Offer(), in_force, state.cache, compiler, is_new=is_new)


def _leftovers(state: State) -> tuple[ObjectName, ...]:
    """Networks of a commit whose rollout did not end: to go back, no confirmation is needed."""
    if state.good is None or state.good.declarations is None:
        return ()
    return deleted_networks(state.good.declarations, state.allocations)


def _excusing(declarations: Declarations, deleted: tuple[ObjectName, ...]) -> Declarations:
    if not deleted:
        return declarations
    confirmed = (*declarations.config.confirm_deletion_of, *deleted)
    return replace(declarations, config=replace(declarations.config, confirm_deletion_of=confirmed))


def _compiled(state: State, declarations: Declarations) -> Compilation:
    """Compile, by what has changed where something is in force."""
    assert state.inventory is not None
    before = state.compilation
    if before is None:
        return compile(declarations, state.inventory, state.allocations)
    change = replace(
        state.pending,
        declarations=None if declarations is before.inputs.declarations else declarations,
        confirmed=state.allocations.confirmed,
    )
    return recompile(before, change)


def _promoted(
    state: State,
    composition: Composition,
    compilation: Compilation,
    observation: Observation,
    notes: list[Note],
) -> State:
    commit = _commit(composition)
    notes.append(_compilation_note(commit, compilation, composition.problems))
    same = state.good is not None and state.good.revision == commit.revision
    now = replace(
        _in_force(state, compilation),
        good=commit,
        good_at=state.good_at if same else timestamp(observation.time),
        candidate=None,
        problems=composition.problems,
        objections=composition.objections,
        curable=composition.curable,
        composed=state.offer,
    )
    return begun(state, now, observation)


def _commit(composition: Composition) -> Commit:
    return Commit(
        snapshot=composition.snapshot,
        foreign=composition.foreign,
        declarations=composition.declarations,
        problems=composition.texts,
    )


def _must_recompose(before: State, now: State, observation: Observation) -> bool:
    """Whether objects of the cluster may come into force, or leave it, beside the good commit."""
    if now.offer is None or now.inventory is None or (now.good is None and not now.offer.files):
        return False
    moved = now.inventory is not before.inventory or before.stale
    waiting = now.curable and observation.retry and moved
    return now.offer is not now.composed or now.compilation is None or _reverts(now) or waiting


def _recomposed(state: State, notes: list[Note]) -> State:
    good = state.good
    base = good.snapshot if good else Snapshot(revision=Revision(""), files={})
    composition = _composed(state, base)
    state = replace(state, cache=composition.cache)
    if composition.compilation is None:
        if composition.problems != state.problems:
            notes.append(_refusal(base.revision, composition.problems))
        return _with_problems(state, composition.problems)
    state = replace(
        state, objections=composition.objections, curable=composition.curable, composed=state.offer
    )
    if good and good.foreign == composition.foreign and state.compilation and not _reverts(state):
        # Who waited still waits: what is in force stays the same value, and costs what has changed.
        return _refreshed(state, good, notes)
    commit = _commit(composition)
    notes.append(_compilation_note(commit, composition.compilation, composition.problems))
    state = replace(_in_force(state, composition.compilation), good=commit)
    return _with_problems(state, composition.problems)


def _refreshed(state: State, good: Commit, notes: list[Note]) -> State:
    """With an inventory that the good commit cannot be compiled with, its last result stays."""
    if good.declarations is None:
        return state
    compilation = _compiled(state, _excusing(good.declarations, _leftovers(state)))
    problems = in_reading_order((*good.problems, *compilation.problems))
    if has_errors(problems):
        notes.append(_refusal(good.revision, problems))
    else:
        notes.append(_compilation_note(good, compilation, problems))
        state = _in_force(state, compilation)
    return _with_problems(state, problems)


def _with_problems(state: State, problems: tuple[Problem, ...]) -> State:
    """Those of the good commit are told while no other is waiting or in quarantine."""
    return state if state.candidate or state.halted else replace(state, problems=problems)


def _refusal(revision: Revision, problems: tuple[Problem, ...]) -> Note:
    return Note(event="refused", facts={"revision": revision, **_summary(problems)})


def _in_force(state: State, compilation: Compilation) -> State:
    earlier = state.compilation.plans if state.compilation else {}
    return replace(
        state,
        compilation=compilation,
        pending=Change(),
        allocations=compilation.allocations,
        digests=digests_of(compilation.plans, earlier, state.digests),
        reach=reach_of(compilation, state.reach),
        rollout=None if _reverts(state) else state.rollout,
    )


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


def _compilation_note(commit: Commit, compilation: Compilation, problems: tuple[Problem, ...]) -> Note:
    facts: dict[str, Value] = {
        "revision": commit.revision,
        "generation": compilation.allocations.generation,
        "plans": len(compilation.plans),
        "warnings": len(problems),
    }
    return Note(event="compiled", facts=facts)


def _summary(problems: tuple[Problem, ...]) -> dict[str, Value]:
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    first = (errors or list(problems))[:1]
    return {
        "errors": len(errors),
        "warnings": len(problems) - len(errors),
        "first": str(first[0]) if first else "",
    }


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
