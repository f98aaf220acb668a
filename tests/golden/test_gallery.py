"""The cases as a whole: each says what it shows, and together they show everything."""

from __future__ import annotations

import re

import pytest

from compiler.catalogue import CATALOGUE
from compiler.kubectl import read_inventory
from tests.golden.case import CASES, GOLDEN, folder

ELSEWHERE = {
    "ATL101": ("a file of more than 1 MiB is no golden", "compiler/test_yaml_text.py"),
    "ATL110": ("a file of 100,001 values is no golden", "compiler/test_yaml_text.py"),
    "ATL111": ("a file of 1,001 documents is no golden", "compiler/test_yaml_text.py"),
    "ATL115": ("a repository of 10,001 files is no golden", "compiler/test_parse.py"),
    "ATL116": ("a file with 101 errors is no golden", "compiler/test_parse.py"),
    "ATL117": ("not every file system holds such a path", "compiler/test_parse.py"),
    "ATL118": ("found by whoever reads the repository", "controller/test_directory.py"),
    "ATL119": ("found by whoever reads the repository", "controller/test_directory.py"),
    "ATL120": ("a file with 1,001 warnings is no golden", "compiler/test_warnings_are_bounded.py"),
    "ATL223": ("of the policy for reviews", "review/test_policy_text.py"),
    "ATL224": ("of the policy for reviews", "review/test_policy_text.py"),
    "ATL225": ("of the policy for reviews", "review/test_policy_text.py"),
    "ATL304": ("of the policy for reviews", "review/test_policy_text.py"),
    "ATL319": ("of the policy for reviews", "review/test_policy_text.py"),
    "ATL320": ("of the policy for reviews", "review/test_policy_text.py"),
    "ATL611": ("of a change under the policy for reviews", "review/test_policy_judge.py"),
    "ATL612": ("of a change under the policy for reviews", "review/test_policy_judge.py"),
    "ATL752": ("needs 65,535 networks", "compiler/test_numbers_run_out.py"),
    "ATL756": ("needs 65,535 nodes", "compiler/test_numbers_run_out.py"),
    "ATL801": ("of the repository, not of its content", "controller/test_location.py"),
    "ATL802": ("of the repository, not of its content", "contracts/test_git_source.py"),
    "ATL803": ("of the repository, not of its content", "contracts/test_git_source.py"),
    "ATL804": ("of the repository, not of its content", "controller/test_git.py"),
    "ATL805": ("of the repository's history, not of one commit", "controller/test_loop.py"),
    "ATL806": ("of the inventory file, not of its content", "controller/test_inventory_file.py"),
    "ATL810": ("of a commit's signature, not of its content", "controller/test_signatures.py"),
    "ATL811": ("of a commit's signature, not of its content", "controller/test_signatures.py"),
    "ATL812": ("of a commit's signature, not of its content", "controller/test_signatures.py"),
    "ATL813": ("of a Secret, not of the repository's content", "controller/test_signature_keys.py"),
    "ATL814": ("of a Secret, not of the repository's content", "controller/test_credentials.py"),
    "ATL815": ("of the controller's machine, not of one commit", "controller/test_signatures.py"),
    "ATL820": ("of a rollout", "controller/test_rollout.py"),
}
"""Codes that no case provokes: why, and which test does."""


def test_there_are_enough_cases_to_learn_from() -> None:
    assert len(CASES) >= 30


@pytest.mark.parametrize("name", CASES)
def test_a_case_says_in_its_readme_what_it_shows(name: str) -> None:
    title, blank, *body = (GOLDEN / name / "README.md").read_text().splitlines()
    assert re.fullmatch(r"# [A-Z].+[^.]", title)
    assert blank == ""
    assert body


@pytest.mark.parametrize("name", CASES)
def test_a_case_has_an_inventory_that_kubectl_could_have_printed(name: str) -> None:
    text = (folder(name) / "inventory.yaml").read_bytes()
    inventory, problems = read_inventory(text)
    broken = {"errors-inventory", "warnings-inventory"}
    assert name in broken or (inventory.nodes and not problems)


def test_every_case_is_listed_in_the_readme_and_every_line_there_is_a_case() -> None:
    listed = re.findall(
        r"^\| \[`([a-z0-9-]+)`\]\(([a-z0-9-]+)\) \|", (GOLDEN / "README.md").read_text(), re.MULTILINE
    )
    assert sorted(listed) == [(name, name) for name in CASES]


def test_every_code_is_shown_by_a_case_or_has_a_reason_why_not() -> None:
    shown = {
        code
        for file in GOLDEN.glob("*/expected/problems.txt")
        for code in re.findall(r"(?:error|warning) (ATL\d{3}):", file.read_text())
    }
    assert shown | ELSEWHERE.keys() == CATALOGUE.keys()
    assert not shown & ELSEWHERE.keys()


@pytest.mark.parametrize("code", ELSEWHERE)
def test_a_code_that_no_case_shows_is_tested_where_the_table_says(code: str) -> None:
    _, file = ELSEWHERE[code]
    assert code in (GOLDEN.parent / "tests" / file).read_text()
