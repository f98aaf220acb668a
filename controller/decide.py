"""One turn as a pure function: from what is known and what was observed to actions and a story.

The law: a commit comes into force only by compiling without an error against the inventory at hand.
Until then the last good one stays, and goes on to be compiled when the inventory changes; a commit
that failed is tried again then, for its error may have been in the cluster's state.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from compiler.catalogue import found
from compiler.change import change_between
from compiler.compilation import Compilation, compile, recompile
from compiler.model import Declarations
from compiler.parse import FileCache, parse
from compiler.problem import Problem, Severity, in_reading_order
from controller.actions import Action, PublishPlan, PublishStatus, WithdrawPlan
from controller.advance import Wanted, actions_to, after, digests_of
from controller.confirmation import confirmed_by, frees
from controller.log import Value
from controller.reach import Reach, reach_of
from controller.reporting import status_of
from controller.snapshot import Snapshot
from controller.state import Commit, Observation, State


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
    now = _confirm(now, observation, notes)
    if _is_due(state, now):
        now = _compile(state, now, observation, notes)
    actions: tuple[Action, ...] = ()
    if now.good and now.compilation and now.reach:
        wanted = _wanted(now, now.good, now.compilation, now.reach)
        actions = tuple(actions_to(now.published, wanted))
    now = replace(now, published=after(now.published, actions))
    results = tuple(_published(actions, now))
    status = status_of(now, observation.reports)
    if status != now.published.status:
        actions = (*actions, PublishStatus(status=status))
        now = replace(now, published=replace(now.published, status=status))
    return Decision(state=now, actions=actions, findings=tuple(notes), results=results)


def read_commit(snapshot: Snapshot, cache: FileCache) -> tuple[Commit, FileCache]:
    """Parse a snapshot; what was refused while reading it is among the problems."""
    if snapshot.problems and not snapshot.files:
        return Commit(snapshot=snapshot, declarations=None, problems=snapshot.problems), cache
    parsed = parse(snapshot.files, revision=snapshot.revision, cache=cache)
    problems = in_reading_order((*snapshot.problems, *parsed.problems))
    declarations = None if has_errors(problems) else parsed.declarations
    return Commit(snapshot=snapshot, declarations=declarations, problems=problems), parsed.cache


def has_errors(problems: Iterable[Problem]) -> bool:
    return any(problem.severity is Severity.ERROR for problem in problems)


def _look(state: State, observation: Observation, notes: list[Note]) -> State:
    problem, sighting = observation.source_problem, observation.sighting
    if problem:
        if problem != state.source_problem:
            notes.append(Note(event="unreachable", facts={"problem": str(problem)}))
        return replace(state, source_problem=problem)
    if sighting is None:
        return state
    if state.source_problem:
        notes.append(Note(event="reachable"))
        state = replace(state, source_problem=None)
    if observation.snapshot is None:
        return state
    facts: dict[str, Value] = {"revision": sighting.revision, "files": len(observation.snapshot.files)}
    if sighting.rewritten:
        facts["rewritten"] = True
    notes.append(Note(event="seen", facts=facts))
    commit, cache = read_commit(observation.snapshot, state.cache)
    if commit.declarations is None:
        notes.append(_refusal(commit, commit.problems))
    return replace(
        state,
        seen=sighting.revision,
        seen_at=timestamp(observation),
        candidate=commit,
        cache=cache,
        problems=commit.problems,
        rewritten=_rewritten(state) if sighting.rewritten else None,
    )


def _rewritten(state: State) -> Problem:
    reason = f"{state.place.ref} no longer contains commit {state.seen}, which it named before"
    return found("ATL805", origin=None, subject=f"repository {state.place.repository}", reason=reason)


def _take_inventory(state: State, observation: Observation, notes: list[Note]) -> State:
    reading = observation.inventory
    if reading is None:
        return state
    if reading.inventory is None:
        notes.append(Note(event="inventory-refused", facts=_summary(reading.problems)))
        return replace(state, inventory_problems=reading.problems)
    facts: dict[str, Value] = {"nodes": len(reading.inventory.nodes), "pods": len(reading.inventory.pods)}
    if reading.problems:
        facts |= _summary(reading.problems)
    notes.append(Note(event="inventory", facts=facts))
    return replace(state, inventory=reading.inventory, inventory_problems=reading.problems)


def _confirm(state: State, observation: Observation, notes: list[Note]) -> State:
    """Advance `Allocations.confirmed` to what every node with a plan has applied."""
    confirmed = confirmed_by(state.published, observation.reports)
    if confirmed <= state.allocations.confirmed:
        return state
    notes.append(Note(event="confirmed", facts={"generation": confirmed}))
    return replace(state, allocations=replace(state.allocations, confirmed=confirmed))


def _is_due(before: State, now: State) -> bool:
    """Whether something has changed that a compilation depends on."""
    if now.inventory is None:
        return False
    return now.candidate is not before.candidate or _has_moved(before, now)


def _has_moved(before: State, now: State) -> bool:
    """Whether the ground under the good commit has changed."""
    return (
        now.compilation is None
        or now.inventory is not before.inventory
        or frees(now.allocations, since=before.allocations.confirmed)
    )


def _compile(before: State, now: State, observation: Observation, notes: list[Note]) -> State:
    """Bring the candidate into force, or else the good commit up to the inventory."""
    if now.candidate and now.candidate.declarations:
        compilation = _compiled(now, now.candidate.declarations)
        problems = in_reading_order((*now.candidate.problems, *compilation.problems))
        if not has_errors(problems):
            return _promoted(now, now.candidate, compilation, problems, observation, notes)
        if now.candidate is not before.candidate or problems != before.problems:
            notes.append(_refusal(now.candidate, problems))
        now = replace(now, problems=problems)
    return _refreshed(now, now.good, notes) if now.good and _has_moved(before, now) else now


def _compiled(state: State, declarations: Declarations) -> Compilation:
    """Compile, by what has changed where something is in force."""
    assert state.inventory is not None
    before = state.compilation
    if before is None:
        return compile(declarations, state.inventory, state.allocations)
    change = replace(
        change_between(before.inputs.inventory, state.inventory),
        declarations=None if declarations is before.inputs.declarations else declarations,
        confirmed=state.allocations.confirmed,
    )
    return recompile(before, change)


def _promoted(
    state: State,
    commit: Commit,
    compilation: Compilation,
    problems: tuple[Problem, ...],
    observation: Observation,
    notes: list[Note],
) -> State:
    notes.append(_compilation_note(commit, compilation, problems))
    same = state.good is not None and state.good.revision == commit.revision
    return replace(
        _in_force(state, compilation),
        good=commit,
        good_at=state.good_at if same else timestamp(observation),
        candidate=None,
        problems=problems,
    )


def _refreshed(state: State, good: Commit, notes: list[Note]) -> State:
    """With an inventory that the good commit cannot be compiled with, its last result stays."""
    if good.declarations is None:
        return state
    compilation = _compiled(state, good.declarations)
    problems = in_reading_order((*good.problems, *compilation.problems))
    if has_errors(problems):
        notes.append(_refusal(good, problems))
    else:
        notes.append(_compilation_note(good, compilation, problems))
        state = _in_force(state, compilation)
    return state if state.candidate else replace(state, problems=problems)


def _refusal(commit: Commit, problems: tuple[Problem, ...]) -> Note:
    return Note(event="refused", facts={"revision": commit.revision, **_summary(problems)})


def _in_force(state: State, compilation: Compilation) -> State:
    earlier = state.compilation.plans if state.compilation else {}
    return replace(
        state,
        compilation=compilation,
        allocations=compilation.allocations,
        digests=digests_of(compilation.plans, earlier, state.digests),
        reach=reach_of(compilation, state.reach),
    )


def _wanted(state: State, good: Commit, compilation: Compilation, reach: Reach) -> Wanted:
    return Wanted(
        commit=good.snapshot,
        allocations=state.allocations,
        plans=compilation.plans,
        digests=state.digests,
        reachability=reach.reachability,
        reachability_text=reach.text,
    )


def timestamp(observation: Observation) -> str:
    return observation.time.isoformat(timespec="seconds").replace("+00:00", "Z")


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
