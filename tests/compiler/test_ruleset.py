"""Rulesets as values: transactions between them, and what two of them both allow."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from compiler.rendering import ruleset_of
from compiler.ruleset import MAX_COMMENT, Element, Ruleset, comment, tightened, transaction
from compiler.sets import SET_NAMES, SETS, Sense
from tests.compiler.sample_plans import BLUE, GREEN, RED, node_plan

BEFORE = ruleset_of(node_plan(RED, BLUE, GREEN))
AFTER = ruleset_of(node_plan(replace(RED, peers=()), GREEN, services=(), isolated=()))


def test_equal_rulesets_need_no_transaction() -> None:
    assert transaction(BEFORE, ruleset_of(node_plan(RED, BLUE, GREEN))) == ""


def test_the_first_transaction_replaces_the_whole_table() -> None:
    assert transaction(None, BEFORE) == f"add table inet atoll\ndelete table inet atoll\n{BEFORE.text}"


def test_other_chains_replace_the_whole_table() -> None:
    assert transaction(replace(BEFORE, chains="chain x {\n}\n"), BEFORE) == transaction(None, BEFORE)


def test_a_transaction_names_only_what_changes() -> None:
    assert transaction(BEFORE, replace(BEFORE, sets={**BEFORE.sets, "peers": {}})) == (
        "delete element inet atoll peers { 1 . 1, 2 . 1, 3 . 3 }\n"
    )
    plus = {**BEFORE.sets["zones"], "9": Element("9", "team-z/late")}
    assert transaction(BEFORE, replace(BEFORE, sets={**BEFORE.sets, "zones": plus})) == (
        'add element inet atoll zones { 9 comment "team-z/late" : 9 }\n'
    )


def test_a_changed_value_is_deleted_and_added() -> None:
    zones = {**BEFORE.sets["zones"], "3": Element("1", "team-b/green")}
    assert transaction(BEFORE, replace(BEFORE, sets={**BEFORE.sets, "zones": zones})) == (
        "delete element inet atoll zones { 3 }\n"
        'add element inet atoll zones { 3 comment "team-b/green" : 1 }\n'
    )


def test_taking_reach_away_is_complete_in_the_tightening_step() -> None:
    both = tightened(BEFORE, AFTER)
    assert list(both.sets["peers"]) == ["1 . 1", "3 . 3"]


def test_giving_reach_waits_for_the_loosening_step() -> None:
    both = tightened(AFTER, BEFORE)
    assert list(both.sets["peers"]) == ["1 . 1", "3 . 3"]
    assert both.sets["zones"] == BEFORE.sets["zones"]


def test_what_either_side_refuses_stays_refused_meanwhile() -> None:
    assert list(tightened(BEFORE, AFTER).sets["isolated4"]) == ["10.96.0.20"]
    assert list(tightened(AFTER, BEFORE).sets["isolated4"]) == ["10.96.0.20"]


keys = st.sampled_from([f"{u} . {v}" for u in range(1, 4) for v in range(1, 4)])
rulesets = st.fixed_dictionaries(
    {name: st.dictionaries(keys, st.just(Element(None, ""))) for name in SET_NAMES}
).map(lambda sets: Ruleset(chains="", sets=sets))


@given(old=rulesets, new=rulesets)
def test_tightening_opens_nothing_that_either_side_does_not(old: Ruleset, new: Ruleset) -> None:
    both = tightened(old, new)
    for spec in SETS:
        if spec.sense is Sense.OPENS:
            assert set(both.sets[spec.name]) == set(old.sets[spec.name]) & set(new.sets[spec.name])
        elif spec.sense is Sense.CLOSES and not spec.interval:
            assert set(both.sets[spec.name]) == set(old.sets[spec.name]) | set(new.sets[spec.name])


@given(ruleset=rulesets)
def test_tightening_to_the_same_ruleset_changes_nothing(ruleset: Ruleset) -> None:
    assert transaction(ruleset, tightened(ruleset, ruleset)) == ""


def test_comments_fit_what_nft_takes() -> None:
    assert comment("team-a/red") == "team-a/red"
    assert len(comment("x" * 300)) == MAX_COMMENT


def test_no_set_is_named_twice_and_families_come_in_pairs() -> None:
    assert len(set(SET_NAMES)) == len(SET_NAMES)
    assert {n[:-1] for n in SET_NAMES if n.endswith("4")} == {n[:-1] for n in SET_NAMES if n.endswith("6")}
