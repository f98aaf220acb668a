"""What must hold for any compilation, held against every case: they are the most varied clusters at hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compiler.change import change_between
from compiler.codec import decode_allocations, decode_plan, encode_allocations, encode_plan
from compiler.compilation import Compilation, compile, recompile
from tests.golden.case import CASES, case


def _accepted(name: str) -> Compilation:
    compilation = case(name).after.compilation
    assert compilation is not None
    return compilation


ACCEPTED = [name for name in CASES if case(name).after.compilation is not None]
FOLLOWING = [name for name in ACCEPTED if case(name).before is not None]


@pytest.mark.parametrize("name", ACCEPTED)
def test_plans_and_allocations_survive_their_encoding(name: str) -> None:
    compilation = _accepted(name)
    assert decode_allocations(encode_allocations(compilation.allocations)) == compilation.allocations
    for plan in compilation.plans.values():
        assert decode_plan(encode_plan(plan)) == plan


@pytest.mark.parametrize("name", ACCEPTED)
def test_compiling_again_with_the_new_allocations_changes_nothing(name: str) -> None:
    first = _accepted(name)
    again = compile(first.inputs.declarations, first.inputs.inventory, first.allocations)
    assert again.allocations == first.allocations
    assert again.plans == first.plans


@pytest.mark.parametrize("name", FOLLOWING)
def test_recompiling_after_the_commit_gives_what_compiling_gives(name: str) -> None:
    before, after = case(name).before, _accepted(name)
    assert before is not None
    assert before.compilation is not None
    change = change_between(before.compilation.inputs.inventory, after.inputs.inventory)
    assert recompile(before.compilation, replace(change, declarations=after.inputs.declarations)) == after
