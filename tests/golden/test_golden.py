"""Every golden case compiles to the files that stand in `expected/`, byte for byte."""

from __future__ import annotations

import pytest

from tests.golden.case import CASES, GOLDEN
from tests.golden.expected import expected_files, standard_chains
from tests.golden.held import hold


@pytest.mark.parametrize("name", CASES)
def test_a_case_gives_its_expected_files_and_no_others(name: str, updating: bool) -> None:
    hold(GOLDEN / name / "expected", expected_files(name), updating=updating)


def test_the_chains_are_the_same_in_every_case(updating: bool) -> None:
    files = {"chains.nft": standard_chains()}
    hold(GOLDEN, files, updating=updating, patterns=("chains.nft",))
