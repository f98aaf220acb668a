"""What comes into force: a commit that compiles, and beside it what the cluster declares; all else waits.

The law: a commit comes into force only by compiling without an error against the inventory at hand.
Until then the last good one stays, and goes on to be compiled when the inventory changes; a commit
that failed is tried again then, for its error may have been in the cluster's state.
"""

from __future__ import annotations

from dataclasses import replace

from compiler.change import Change
from compiler.compilation import Compilation, compile, recompile
from compiler.guards import deleted_networks
from compiler.model import Declarations
from compiler.names import ObjectName
from compiler.problem import Problem, in_reading_order
from controller.commit import Commit
from controller.composition import Composition, Offer, compose
from controller.confirmation import frees
from controller.log import Value
from controller.note import Note, has_errors, summary
from controller.plan_text import digests_of
from controller.reach import reach_of
from controller.snapshot import Revision, Snapshot
from controller.staging import begun
from controller.state import Observation, State, timestamp


def is_due(before: State, now: State, observation: Observation) -> bool:
    """Whether something has changed that a compilation, or at least a judgement, depends on."""
    if now.candidate is not before.candidate or now.offer is not before.offer:
        return True
    return _has_moved(before, now) or (now.stale and observation.retry)


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


def enforced(before: State, now: State, observation: Observation, notes: list[Note]) -> State:
    """Return the state with the candidate in force, or else the good commit brought up to the cluster."""
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
        if problems != state.problems:
            notes.append(_refusal(good.revision, problems))
    else:
        notes.append(_compilation_note(good, compilation, problems))
        state = _in_force(state, compilation)
    return _with_problems(state, problems)


def _with_problems(state: State, problems: tuple[Problem, ...]) -> State:
    """Those of the good commit are told while no other is waiting or in quarantine."""
    return state if state.candidate or state.halted else replace(state, problems=problems)


def _refusal(revision: Revision, problems: tuple[Problem, ...]) -> Note:
    return Note(event="refused", facts={"revision": revision, **summary(problems)})


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


def _compilation_note(commit: Commit, compilation: Compilation, problems: tuple[Problem, ...]) -> Note:
    facts: dict[str, Value] = {
        "revision": commit.revision,
        "generation": compilation.allocations.generation,
        "plans": len(compilation.plans),
        "warnings": len(problems),
    }
    return Note(event="compiled", facts=facts)
