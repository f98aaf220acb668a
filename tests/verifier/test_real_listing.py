"""What the real nft lists of a golden ruleset, as text and as JSON, reads as what was loaded.

All in one namespace and one process: starting nft for each takes longer than the rest.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import nftables
import pytest

from agent.netns import inside_new
from compiler.rendering import ruleset_of
from tests.golden.case import CASES, case
from verifier.nft_elements import Columns, Elements
from verifier.nft_json import read_ruleset_json
from verifier.nft_rule import statements
from verifier.nft_text import Reader

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0,
    reason="loading rulesets needs root, for a network namespace of its own: run `sudo make test`",
)

TABLE = "inet atoll"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Listing:
    text: str
    json: str


def _listed(texts: Mapping[str, str]) -> dict[str, _Listing]:
    """Each text loaded and listed, with handles and counters."""
    context = nftables.Nftables()
    context.set_handle_output(True)

    def run(command: str, *, json: bool = False) -> str:
        context.set_json_output(json)
        code, output, error = context.cmd(command)
        assert code == 0, f"{error}\n{command}"
        return str(output)

    found = {}
    for name, text in texts.items():
        run(f"add table {TABLE}\ndelete table {TABLE}\n{text}")
        found[name] = _Listing(text=run(f"list table {TABLE}"), json=run(f"list table {TABLE}", json=True))
    return found


@pytest.fixture(scope="module")
def rendered() -> dict[str, str]:
    return {
        f"{name}/{node}": ruleset_of(plan).text
        for name in CASES
        if (compilation := case(name).after.compilation) is not None
        for node, plan in sorted(compilation.plans.items())
    }


@pytest.fixture(scope="module")
def listings(rendered: dict[str, str]) -> dict[str, _Listing]:
    return inside_new(lambda: _listed(rendered))


def test_the_listing_of_every_golden_reads_as_the_text_that_was_loaded(
    rendered: dict[str, str], listings: dict[str, _Listing]
) -> None:
    reader = Reader()
    assert len(rendered) > len(CASES)
    differing = [
        name for name, text in rendered.items() if reader.read(text) != reader.read(listings[name].text)
    ]
    assert differing == []


def test_the_json_listing_of_every_golden_reads_as_the_text_that_was_loaded(
    rendered: dict[str, str], listings: dict[str, _Listing]
) -> None:
    reader = Reader()
    differing = [
        name for name, text in rendered.items() if reader.read(text) != read_ruleset_json(listings[name].json)
    ]
    assert differing == []


def test_rules_and_elements_from_json_are_put_in_words_that_read_the_same(
    listings: dict[str, _Listing],
) -> None:
    ruleset, elements = read_ruleset_json(listings["service-mixed/node-1"].json), Elements()
    rules = [rule for chain in ruleset.chains.values() for rule in chain.rules]
    assert len(rules) > 50
    assert [statements(rule.text, elements) for rule in rules] == [rule.statements for rule in rules]
    for named in ruleset.sets.values():
        columns = Columns(key=named.types, value=named.value_types, verdicts=named.verdicts)
        assert elements.read(columns, ", ".join(e.text for e in named.elements)) == named.elements
