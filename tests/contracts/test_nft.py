"""Both nftables, the real and the simulated, keep the promises of `agent.nft.Nft`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from agent.fake_nft import FakeNft
from agent.nft import Libnftables, Nft, NftRefused
from cli.lab.namespace import Namespace
from compiler.rendering import ruleset_of
from compiler.ruleset import Element, Ruleset, transaction
from tests.compiler.sample_plans import GREEN, RED, node_plan

BEFORE = ruleset_of(node_plan())
AFTER = ruleset_of(node_plan(replace(RED, peers=()), GREEN))


@pytest.fixture(params=["fake", "real"])
def nft(request: pytest.FixtureRequest) -> Iterator[Nft]:
    if request.param == "fake":
        yield FakeNft()
        return
    namespace = Namespace(f"contract-nft-{os.getpid()}")
    with namespace.entered():
        yield Libnftables()
    namespace.close()


def _with(ruleset: Ruleset, name: str, **elements: Element) -> Ruleset:
    return replace(ruleset, sets={**ruleset.sets, name: {**ruleset.sets[name], **elements}})


def test_there_is_no_listing_before_the_first_transaction(nft: Nft) -> None:
    assert nft.listing() is None


def test_a_table_loaded_is_listed_as_its_text_is_shown(nft: Nft) -> None:
    nft.run(transaction(None, BEFORE))
    assert nft.listing() == nft.canonical(BEFORE.text)


def test_a_delta_leads_to_the_same_listing_as_the_whole(nft: Nft) -> None:
    nft.run(transaction(None, BEFORE))
    nft.run(transaction(BEFORE, AFTER))
    assert nft.listing() == nft.canonical(AFTER.text)
    assert nft.canonical(AFTER.text) != nft.canonical(BEFORE.text)


def test_replacing_the_whole_table_leaves_nothing_of_the_former(nft: Nft) -> None:
    nft.run(transaction(None, BEFORE))
    nft.run(transaction(None, AFTER))
    assert nft.listing() == nft.canonical(AFTER.text)


def test_a_refused_transaction_changes_nothing(nft: Nft) -> None:
    nft.run(transaction(None, BEFORE))
    listing = nft.listing()
    with pytest.raises(NftRefused):
        nft.run("add element inet atoll peers { 9 . 9 }\ndelete element inet atoll peers { 8 . 8 }\n")
    assert nft.listing() == listing


def test_deleting_an_element_that_is_not_there_is_refused(nft: Nft) -> None:
    nft.run(transaction(None, BEFORE))
    with pytest.raises(NftRefused, match="No such file or directory"):
        nft.run("delete element inet atoll peers { 8 . 8 }\n")


def test_a_delta_on_a_table_that_another_hand_deleted_is_refused(nft: Nft) -> None:
    nft.run(transaction(None, BEFORE))
    nft.run("delete table inet atoll\n")
    with pytest.raises(NftRefused, match="No such file or directory"):
        nft.run(transaction(BEFORE, AFTER))
    assert nft.listing() is None


def test_giving_a_key_of_a_map_another_value_is_refused(nft: Nft) -> None:
    nft.run(transaction(None, BEFORE))
    with pytest.raises(NftRefused, match="File exists"):
        nft.run("add element inet atoll zones { 1 : 77 }\n")


def test_a_text_that_is_not_nft_is_refused(nft: Nft) -> None:
    with pytest.raises(NftRefused, match="syntax error"):
        nft.run("add elephant inet atoll\n")


def test_a_text_that_is_not_a_table_has_no_canonical_form(nft: Nft) -> None:
    with pytest.raises(NftRefused):
        nft.canonical("delete table inet atoll\n")


def test_showing_a_text_loads_nothing(nft: Nft) -> None:
    nft.canonical(BEFORE.text)
    assert nft.listing() is None


def test_a_comment_with_commas_survives_a_delta(nft: Nft) -> None:
    changed = _with(BEFORE, "underlay4", **{"192.0.2.9": Element(None, "node-x, spare")})
    nft.run(transaction(None, BEFORE))
    nft.run(transaction(BEFORE, changed))
    assert nft.listing() == nft.canonical(changed.text)
