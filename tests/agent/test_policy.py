from __future__ import annotations

from dataclasses import replace

import pytest

from agent.fake_nft import FakeNft
from agent.nft import NftRefused
from agent.policy import Policy
from compiler.rendering import ruleset_of
from compiler.ruleset import Element, Ruleset
from tests.compiler.sample_plans import GREEN, RED, node_plan

FIRST = ruleset_of(node_plan())
SECOND = ruleset_of(node_plan(replace(RED, peers=()), GREEN))


def _broken(ruleset: Ruleset) -> Ruleset:
    return replace(ruleset, chains="\x00elephant")


class Fussy(FakeNft):
    """Refuses every transaction that mentions a word."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.word = word

    def run(self, transaction: str) -> None:
        if self.word in transaction:
            raise NftRefused(f"syntax error: {self.word}")
        super().run(transaction)


def test_the_first_ruleset_replaces_the_whole_table() -> None:
    nft = FakeNft()
    Policy(nft).commit(FIRST)
    assert nft.listing() == nft.canonical(FIRST.text)


def test_the_same_ruleset_again_costs_no_transaction() -> None:
    policy = Policy(FakeNft())
    policy.commit(FIRST)
    policy.commit(FIRST)
    assert policy.transactions == 1


def test_tightening_takes_the_old_openings_away_and_gives_no_new_ones() -> None:
    nft = FakeNft()
    policy = Policy(nft)
    policy.commit(SECOND)
    policy.tighten(FIRST)
    assert policy.committed is not None
    assert set(policy.committed.sets["peers"]) == {"1 . 1", "3 . 3"}
    assert nft.listing() == nft.canonical(policy.committed.text)


def test_a_delta_that_meets_a_changed_table_becomes_a_replacement() -> None:
    nft = FakeNft()
    policy = Policy(nft)
    policy.commit(FIRST)
    nft.run("delete table inet atoll")
    policy.commit(SECOND)
    assert nft.listing() == nft.canonical(SECOND.text)


def test_a_ruleset_that_nft_refuses_leaves_the_former_in_force() -> None:
    nft = Fussy("elephant")
    policy = Policy(nft)
    policy.commit(FIRST)
    with pytest.raises(NftRefused, match="elephant"):
        policy.commit(_broken(FIRST))
    assert policy.committed is FIRST
    assert nft.listing() == nft.canonical(FIRST.text)


def test_a_table_that_is_as_it_should_be_is_adopted_without_a_transaction() -> None:
    nft = FakeNft()
    Policy(nft).commit(FIRST)
    policy = Policy(nft)
    assert policy.adopt(FIRST)
    policy.commit(FIRST)
    assert policy.transactions == 0


def test_a_table_of_something_else_is_not_adopted() -> None:
    nft = FakeNft()
    Policy(nft).commit(SECOND)
    policy = Policy(nft)
    assert not policy.adopt(FIRST)
    assert policy.committed is None


def test_no_table_is_not_adopted() -> None:
    assert not Policy(FakeNft()).adopt(FIRST)


def test_a_table_changed_by_another_hand_is_replaced() -> None:
    nft = FakeNft()
    policy = Policy(nft)
    policy.commit(FIRST)
    nft.run("add element inet atoll peers { 1 . 3 }")
    assert policy.repair()
    assert nft.listing() == nft.canonical(FIRST.text)
    assert not policy.repair()


def test_a_value_that_changes_is_taken_out_and_put_in_again() -> None:
    nft = FakeNft()
    policy = Policy(nft)
    policy.commit(FIRST)
    moved = replace(FIRST, sets={**FIRST.sets, "zones": {**FIRST.sets["zones"], "1": Element("9", "")}})
    policy.commit(moved)
    assert policy.transactions == 2
    assert nft.listing() == nft.canonical(moved.text)
