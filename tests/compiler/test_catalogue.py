"""The catalogue of problems: complete, documented, and its examples really provoke what they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from compiler.catalogue import CATALOGUE, found, reference
from compiler.problem import Code, Origin, Severity
from tests.compiler.repository import parsed

ROOT = Path(__file__).parents[2]
BY_PARSING_ALONE = [
    code
    for code, entry in sorted(CATALOGUE.items())
    if (code[3] in "12" or code in ("ATL301", "ATL302", "ATL303") or "ATL401" <= code <= "ATL409")
    and not entry.example.startswith("#")
]


@pytest.mark.parametrize("code", BY_PARSING_ALONE)
def test_an_example_provokes_its_problem(code: Code) -> None:
    files: dict[str, str | bytes] = {"example.yaml": CATALOGUE[code].example}
    seen = (*parsed(files).problems, *parsed(files, with_cluster=False).problems)
    assert code in {problem.code for problem in seen}


def test_the_reference_is_made_from_the_catalogue() -> None:
    written = (ROOT / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
    assert written == reference(), "run: python -m compiler.catalogue > docs/reference/errors.md"


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_every_entry_is_written_to_the_same_form(code: Code) -> None:
    entry = CATALOGUE[code]
    assert re.fullmatch(r"ATL[1-8][0-9]{2}", code)
    assert not entry.title.endswith(".")
    assert entry.explanation.endswith(".")
    assert not entry.remedy.endswith((".", "?"))
    assert entry.example.strip()


def test_titles_differ() -> None:
    titles = [entry.title for entry in CATALOGUE.values()]
    assert len(set(titles)) == len(titles)


def test_every_code_that_the_sources_mention_is_in_the_catalogue() -> None:
    sources = [
        p for package in ("compiler", "controller", "agent", "cli") for p in (ROOT / package).rglob("*.py")
    ]
    mentioned = {code for path in sources for code in re.findall(r'"(ATL\d{3})"', path.read_text())}
    assert mentioned - set(CATALOGUE) == set()


def test_a_problem_has_the_severity_and_remedy_of_its_entry() -> None:
    problem = found(
        "ATL302", origin=Origin(path="a.yaml", line=2, column=1), subject="Subnet a/b", reason="why"
    )
    assert problem.severity is Severity.WARNING
    assert str(problem) == (
        "a.yaml:2:1: warning ATL302: Subnet a/b: why. Reference it from a VirtualNetwork, or remove it."
    )


def test_a_problem_may_have_a_remedy_of_its_own() -> None:
    problem = found("ATL101", origin=None, subject="x", reason="why", remedy="Do this")
    assert str(problem) == "error ATL101: x: why. Do this."
