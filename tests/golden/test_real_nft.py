"""The real nft takes every golden ruleset, and holds afterwards exactly its elements.

All of them in one namespace and one process: starting nft for each takes longer than the rest.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import nftables
import pytest

from agent.netns import inside_new
from compiler.rendering import ruleset_of
from compiler.ruleset import TABLE, Ruleset, transaction
from tests.golden.case import CASES, case

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0,
    reason="loading rulesets needs root, for a network namespace of its own: run `sudo make test`",
)


class _RealNft:
    """libnftables in the network namespace of the thread that made it."""

    def __init__(self) -> None:
        self._context = nftables.Nftables()
        self._context.set_stateless_output(True)

    def load(self, transaction: str) -> None:
        code, _, error = self._context.cmd(transaction)
        assert code == 0, f"{error}\n{transaction}"

    def sizes(self) -> dict[str, int]:
        """How many elements each set of our table holds."""
        self._context.set_json_output(True)
        code, output, error = self._context.cmd(f"list table {TABLE}")
        self._context.set_json_output(False)
        assert code == 0, error
        listed: list[dict[str, Any]] = json.loads(output)["nftables"]
        sets = [entry.get("set") or entry.get("map") for entry in listed]
        return {found["name"]: len(found.get("elem", ())) for found in sets if found}


def _rulesets() -> dict[str, Ruleset]:
    return {
        f"{name}/{node}": ruleset_of(plan)
        for name in CASES
        if (compilation := case(name).after.compilation) is not None
        for node, plan in sorted(compilation.plans.items())
    }


def _changes() -> dict[str, tuple[Ruleset, Ruleset]]:
    """Of the cases where a commit follows on another, by node."""
    return {
        f"{name}/{node}": (ruleset_of(earlier), ruleset_of(plan))
        for name in CASES
        if (some := case(name)).before and some.before.compilation and some.after.compilation
        for node, plan in sorted(some.after.compilation.plans.items())
        if (earlier := some.before.compilation.plans.get(node)) is not None
    }


def _sizes_of(ruleset: Ruleset) -> dict[str, int]:
    return {name: len(elements) for name, elements in ruleset.sets.items()}


def _in_the_kernel(load: Callable[[_RealNft], dict[str, dict[str, int]]]) -> dict[str, dict[str, int]]:
    return inside_new(lambda: load(_RealNft()))


def test_every_ruleset_loads_and_is_read_back_with_its_elements() -> None:
    rulesets = _rulesets()

    def load(nft: _RealNft) -> dict[str, dict[str, int]]:
        seen = {}
        for name, ruleset in rulesets.items():
            nft.load(transaction(None, ruleset))
            seen[name] = nft.sizes()
        return seen

    assert len(rulesets) > len(CASES)
    assert _in_the_kernel(load) == {name: _sizes_of(ruleset) for name, ruleset in rulesets.items()}


def test_every_change_loads_upon_the_ruleset_before_and_leads_to_the_one_after() -> None:
    pairs = _changes()

    def load(nft: _RealNft) -> dict[str, dict[str, int]]:
        seen = {}
        for name, (before, after) in pairs.items():
            nft.load(transaction(None, before))
            nft.load(transaction(before, after))
            seen[name] = nft.sizes()
        return seen

    assert pairs
    assert _in_the_kernel(load) == {name: _sizes_of(after) for name, (_, after) in pairs.items()}
