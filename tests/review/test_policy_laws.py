"""What holds for every change: nothing that happens is passed over, and what is not known is not either."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.inventory import Namespace
from compiler.label_index import NAME_LABEL
from compiler.model import Declarations, VirtualNetworkRouter
from compiler.problem import Origin
from compiler.reachability import ReachabilityChange, changes, reachability_of
from compiler.resolve import resolve
from review.policy import Approvers, Guard, Guarded, Policy
from review.policy_judge import Judgement, judge
from review.policy_text import PolicyReading
from review.policy_unknown import uncertain_pairs
from tests.compiler import clusters
from tests.compiler.declared import EVERYTHING, declarations, network, router, where

SPACES = ("a", "b", "c")
WHERE = Origin(path="policy.yaml", line=1, column=1)
POLICY = PolicyReading(
    policy=Policy(
        guards=(
            Guard(
                name="still",
                reason="",
                networks=EVERYTHING,
                namespaces=frozenset(),
                refuses=frozenset(Guarded),
                approvers=Approvers(people=frozenset({"carol"})),
                origin=WHERE,
            ),
        ),
        changes=Approvers(),
        origin=WHERE,
    ),
    content=b"policy",
)


def change_between(
    before: Declarations, after: Declarations, spaces: dict[str, Namespace] | None = None
) -> ReachabilityChange:
    reach = [reachability_of(side, resolve(side, spaces or {})) for side in (before, after)]
    return changes(*reach)


def judged(before: Declarations, after: Declarations, *, approved_by: tuple[str, ...] = ()) -> Judgement:
    change = change_between(before, after)
    return judge((before, POLICY), (after, POLICY), change, approved_by=approved_by)


@settings(deadline=None)
@given(before=clusters.declarations(), after=clusters.declarations())
def test_whoever_newly_talks_no_longer_talks_or_goes_is_named(
    before: Declarations, after: Declarations
) -> None:
    change = change_between(before, after)
    done = {
        *(str(name) for pair in (*change.gained, *change.lost) for name in (pair.left, pair.right)),
        *map(str, change.networks_removed),
    }
    told = {act.what.split(" ")[0] for breach in judged(before, after).breaches for act in breach.acts}
    assert done <= told


@settings(deadline=None)
@given(before=clusters.declarations(), after=clusters.declarations())
def test_an_approval_never_adds_a_breach_and_decides_all_of_them(
    before: Declarations, after: Declarations
) -> None:
    without, approved = judged(before, after), judged(before, after, approved_by=("carol",))
    assert [breach.acts for breach in without.breaches] == [breach.acts for breach in approved.breaches]
    assert approved.kept
    assert without.kept is not bool(without.breaches)


@settings(deadline=None)
@given(declared=clusters.declarations())
def test_what_changes_nothing_breaks_nothing(declared: Declarations) -> None:
    assert judged(declared, declared).breaches == ()


# --- without an inventory ---

_tiers = st.sampled_from(("web", "db"))
_labels = st.sampled_from(({"env": "prod"}, {"env": "test"}, {}))
_spaces = st.one_of(
    st.none(),
    st.just(EVERYTHING),
    st.sampled_from(("prod", "test")).map(lambda env: where(env=env)),
    st.sampled_from(SPACES).map(lambda space: where(**{NAME_LABEL: space})),
)


@st.composite
def states(draw: st.DrawFn) -> Declarations:
    """Few networks and routers, so that selectors meet, with imports by labels of namespaces."""
    networks = [
        network(f"{space}/n", f"10.{index}.0.0/16", tier=draw(_tiers)) for index, space in enumerate(SPACES)
    ]
    routers: list[VirtualNetworkRouter] = []
    for space in SPACES:
        kind = draw(st.sampled_from(("mesh", "hub", "spoke", "none")))
        if kind != "none":
            selector = draw(st.one_of(st.just(EVERYTHING), _tiers.map(lambda tier: where(tier=tier))))
            imports = draw(st.lists(st.tuples(st.just(EVERYTHING), _spaces), max_size=2))
            routers.append(router(f"{space}/r", kind, selector, imports=imports))
    return declarations(*networks, *routers)


@settings(deadline=None, max_examples=400)
@given(before=states(), after=states(), labels=st.fixed_dictionaries(dict.fromkeys(SPACES, _labels)))
def test_whatever_labels_namespaces_have_who_newly_talks_is_certain_or_uncertain(
    before: Declarations, after: Declarations, labels: dict[str, dict[str, str]]
) -> None:
    spaces = {space: Namespace(name=space, labels=some) for space, some in labels.items()}
    known = {(pair.left, pair.right) for pair in change_between(before, after).gained}
    known |= {(pair.left, pair.right) for pair in uncertain_pairs(before, after)}
    assert {(pair.left, pair.right) for pair in change_between(before, after, spaces).gained} <= known
