"""Names and folders that may come from a repository."""

from __future__ import annotations

import pytest

from controller.snapshot import ReadLimits, Refusal, is_plain_name, normal_folder, printable, refusal_problem


@pytest.mark.parametrize("name", ["red.yaml", "..yaml", "a b", "größe.yaml"])
def test_plain_names(name: str) -> None:
    assert is_plain_name(name)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "a\nb", "\x1b[2J", "a\udcff", "cluster:x"])
def test_names_that_lead_elsewhere_or_do_not_print(name: str) -> None:
    assert not is_plain_name(name)


@pytest.mark.parametrize(
    ("text", "folder"), [("", ""), (".", ""), ("./", ""), ("a", "a"), ("a/b/", "a/b"), ("./a//b/.", "a/b")]
)
def test_folders_are_normalised(text: str, folder: str) -> None:
    assert normal_folder(text) == folder


@pytest.mark.parametrize("text", ["/", "/etc", "..", "a/../b", "a\\b", "a\n"])
def test_folders_outside_the_repository_are_none(text: str) -> None:
    assert normal_folder(text) is None


def test_control_characters_and_undecodable_bytes_are_escaped() -> None:
    assert printable("a\x1b[2J\nb\udcff") == "a\\x1b[2J\\nb\\udcff"


@pytest.mark.parametrize("refusal", list(Refusal))
def test_every_refusal_is_a_problem_of_the_catalogue(refusal: Refusal) -> None:
    problem = refusal_problem(refusal, "a/b.yaml", ReadLimits())

    assert problem.severity.value == "error"
    assert str(problem.origin) == "a/b.yaml"
    assert "{" not in problem.reason
