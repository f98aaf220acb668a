"""Every golden review is the comment that stands beside it, byte for byte; some in the other forms too."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

import pytest

from cli.diff_text import review_lines
from review.document import document
from review.html import html
from review.markdown import LIMIT, markdown
from review.model import Review
from tests.golden.case import GOLDEN, REVIEWS
from tests.golden.held import hold
from tests.golden.review_case import REVIEW_CASES, reviewed


def _plain(review: Review) -> str:
    return "".join(f"{line.plain}\n" for line in review_lines(review))


FORMS: Final[Mapping[str, Mapping[str, Callable[[Review], str]]]] = {
    "consent-given": {"review.json": document},
    "guarded-rules-broken": {"review.html": html, "review.txt": _plain},
    "network-removed-confirmed": {"review.html": html, "review.txt": _plain},
}
"""Beside the comment, which every case has."""


@pytest.mark.parametrize("name", REVIEW_CASES)
def test_a_review_gives_its_comment_and_what_else_stands_there(name: str, updating: bool) -> None:
    forms = {"review.md": markdown, **FORMS.get(name, {})}
    files = {file: form(reviewed(name)) for file, form in forms.items()}
    hold(REVIEWS / name, files, updating=updating, patterns=("review.*",))


@pytest.mark.parametrize("name", REVIEW_CASES)
def test_a_comment_is_never_longer_than_platforms_take(name: str) -> None:
    assert len(markdown(reviewed(name))) <= LIMIT


@pytest.mark.parametrize("name", REVIEW_CASES)
def test_a_review_says_in_its_readme_what_it_shows(name: str) -> None:
    title, blank, *body = (REVIEWS / name / "README.md").read_text().splitlines()
    assert re.fullmatch(r"# .+[^.]", title)
    assert blank == ""
    assert body


def test_every_review_is_listed_in_the_readme_of_goldens() -> None:
    listed = re.findall(
        r"^\| \[`([a-z0-9-]+)`\]\(reviews/([a-z0-9-]+)\) \|", (GOLDEN / "README.md").read_text(), re.MULTILINE
    )
    assert sorted(listed) == [(name, name) for name in REVIEW_CASES]
