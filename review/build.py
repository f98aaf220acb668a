"""Two states become a Review: who reaches whom first, then what follows from it, node by node at last."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from compiler import codec
from compiler.allocations import Allocations
from compiler.names import NodeName
from compiler.plan import NodePlan
from compiler.problem import Problem
from compiler.reachability import changes
from review.allotted import allotted
from review.bonds import Differing, bonds
from review.findings import findings
from review.headline import headline_of, verdict_of
from review.lines import Blame, Comparison, Place, places_in, with_authors
from review.members import members_of, moves
from review.model import Certificate, NodeGroup, Review, Revision, Verdict
from review.node_groups import Digest, node_groups
from review.picture import Shown, picture_of
from review.policy_judge import Judgement, breach_problem
from review.policy_report import headline, judgement_record
from review.reach import Scene, arrivals, concerned, consents, cuts, departures, reachers
from review.settings import settings
from review.side import Source, State, States
from review.unknown import unknown


def _nobody(places: frozenset[Place]) -> Blame:
    return {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """What else is known of the change, and how to find out more."""

    blame: Callable[[frozenset[Place]], Blame] = _nobody
    """Asked once, for all lines that matter."""
    digest: Digest = codec.digest
    remarks: tuple[str, ...] = ()
    """What could not be known for reasons that lie outside the two states."""
    judgement: Judgement | None = None
    certificate: Certificate | None = None


def review_of(states: States, sources: Sources | None = None) -> Review:
    sources = sources or Sources()
    base, head = states.base, states.head
    groups = _node_groups(states, sources.digest)
    review = _reach(states)
    review = replace(
        review,
        findings=findings(base.problems, (*head.problems, *_breaches(sources.judgement))),
        moves=moves(base, head),
        allotted=allotted(_allocations(base), _allocations(head)) if head.accepted else (),
        node_groups=groups,
        nodes=len(head.accepted.plans) if head.accepted else 0,
        unknown=(*unknown(states, groups), *sources.remarks),
        certificate=sources.certificate,
    )
    if sources.judgement is not None:
        record, line = judgement_record(sources.judgement), headline(sources.judgement)
        review = replace(review, policy=record, policy_line=line)
    review = replace(review, verdict=verdict_of(review))
    review = replace(review, headline=headline_of(review))
    return with_authors(review, sources.blame(places_in(review)))


def _reach(states: States) -> Review:
    base, head = states.base, states.head
    change = changes(base.reachability, head.reachability)
    comparison = Comparison.of(base, head)
    names = concerned(base.reachability, head.reachability, change)
    scene = Scene(
        base=base,
        head=head,
        change=change,
        comparison=comparison,
        differing=Differing(base.declarations, head.declarations),
        before=members_of(base, names),
        after=members_of(head, names),
    )
    altered = settings(base, head, comparison)
    added, removed = arrivals(scene), departures(scene)
    gained = bonds(change.gained, base.declarations, head.declarations, comparison)
    lost = bonds(change.lost, base.declarations, head.declarations, comparison)
    shown = Shown(
        added=added, removed=removed, gained=gained, lost=lost, settings=altered, after=head.reachability
    )
    return Review(
        verdict=Verdict.NOTHING,
        headline=(),
        base=_revision(base.source),
        head=_revision(head.source),
        networks_added=added,
        networks_removed=removed,
        gained=gained,
        lost=lost,
        reachers=reachers(scene),
        settings=altered,
        consents=consents(scene),
        cuts=cuts(scene, altered),
        picture=picture_of(shown),
    )


def _revision(source: Source) -> Revision:
    return Revision(name=source.name, commit=source.commit)


def _plans(state: State) -> Mapping[NodeName, NodePlan]:
    return state.accepted.plans if state.accepted else {}


def _node_groups(states: States, digest: Digest) -> tuple[NodeGroup, ...]:
    if states.head.accepted is None:
        return ()
    return node_groups(_plans(states.base), _plans(states.head), digest)


def _allocations(state: State) -> Allocations:
    return state.accepted.allocations if state.accepted else Allocations()


def _breaches(judgement: Judgement | None) -> tuple[Problem, ...]:
    if judgement is None:
        return ()
    return (*judgement.problems, *map(breach_problem, judgement.unapproved))
