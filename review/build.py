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
from review.digests import Digest, digests_of
from review.findings import findings
from review.headline import headline_of, verdict_of
from review.lines import Blame, Comparison, Place, places_in, with_authors
from review.members import members_of, moves
from review.model import Certificate, Review, Revision, Verdict
from review.node_groups import differing, lines_of, node_groups
from review.picture import Shown, picture_of
from review.policy_judge import Judgement, judge
from review.policy_report import headline, judgement_record
from review.policy_text import read_policy
from review.policy_unknown import uncertain_pairs
from review.reach import Scene, arrivals, concerned, consents, cuts, departures, network_of, reachers, rezoned
from review.settings import settings
from review.side import Source, State, States
from review.unknown import unknown


def _nobody(_: frozenset[Place]) -> tuple[Blame, tuple[str, ...]]:
    return {}, ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """What else is known of the change, and how to find out more."""

    blame: Callable[[frozenset[Place]], tuple[Blame, tuple[str, ...]]] = _nobody
    """Asked once, for all lines that matter; with what it could not find out."""
    digest: Digest = codec.digest
    remarks: tuple[str, ...] = ()
    """What could not be known for reasons that lie outside the two states."""
    approved_by: tuple[str, ...] = ()
    """People who have approved the change, its author not among them."""
    certificate: Certificate | None = None


def review_of(states: States, sources: Sources | None = None) -> Review:
    sources = sources or Sources()
    pairs = differing(_plans(states.base), _plans(states.head)) if states.head.accepted else []
    with digests_of(pairs, sources.digest) as digests:
        review, remarks = _of_networks(states, sources)
        groups = node_groups(lines_of(pairs), digests())
    judged = sources.certificate is not None
    review = replace(
        review,
        node_groups=groups,
        nodes=len(_plans(states.head)),
        unknown=(*unknown(states, groups, judged=judged), *sources.remarks, *remarks),
    )
    review = replace(review, verdict=verdict_of(review))
    return replace(review, headline=headline_of(review))


def _of_networks(states: States, sources: Sources) -> tuple[Review, tuple[str, ...]]:
    """All but what is told of nodes, with authors; and why some have none."""
    base, head = states.base, states.head
    judgement = _judgement(states, sources.approved_by)
    review = replace(
        _reach(states),
        findings=findings(base.problems, (*head.problems, *_of_policy(judgement))),
        moves=moves(base, head),
        allotted=allotted(_allocations(base), _allocations(head)) if head.accepted else (),
        knows_pods=states.cluster.inventory is not None,
        certificate=sources.certificate,
    )
    if judgement is not None:
        review = replace(review, policy=judgement_record(judgement), policy_line=headline(judgement))
    blame, remarks = sources.blame(places_in(review))
    return with_authors(review, blame), remarks


def _reach(states: States) -> Review:
    base, head = states.base, states.head
    blank = Review(
        verdict=Verdict.NOTHING, headline=(), base=_revision(base.source), head=_revision(head.source)
    )
    if head.declarations is None:
        return blank
    change = changes(base.reachability, head.reachability)
    comparison = Comparison.of(base, head)
    altered = settings(base, head, comparison)
    names = concerned(base.reachability, head.reachability, change).union(rezoned(base, head))
    names = names.union(map(network_of, altered))
    scene = Scene(
        base=base,
        head=head,
        change=change,
        comparison=comparison,
        differing=Differing(base.declarations, head.declarations),
        before=members_of(base, names),
        after=members_of(head if head.accepted else base, names),
    )
    added, removed = arrivals(scene), departures(scene)
    gained = bonds(change.gained, base.declarations, head.declarations, comparison)
    lost = bonds(change.lost, base.declarations, head.declarations, comparison)
    shown = Shown(
        added=added, removed=removed, gained=gained, lost=lost, settings=altered, after=head.reachability
    )
    return replace(
        blank,
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


def _allocations(state: State) -> Allocations:
    return state.accepted.allocations if state.accepted else Allocations()


def _judgement(states: States, approved_by: tuple[str, ...]) -> Judgement | None:
    """By the policy of BASE; None where HEAD cannot be understood, or there is no policy."""
    base, head = states.base, states.head
    was, is_now = read_policy(base.source.files), read_policy(head.source.files)
    if head.declarations is None or not (was.content or is_now.content):
        return None
    before, after = base.declarations, head.declarations
    blind = states.cluster.inventory is None
    return judge(
        (before, was),
        (after, is_now),
        changes(base.reachability, head.reachability),
        approved_by=approved_by,
        uncertain=uncertain_pairs(before, after) if before and blind else (),
    )


def _of_policy(judgement: Judgement | None) -> tuple[Problem, ...]:
    """What keeps a policy from being read. What breaks it is told on its own."""
    return judgement.problems if judgement else ()
