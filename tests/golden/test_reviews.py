"""Every golden review is the comment that stands beside it, byte for byte."""

from __future__ import annotations

import pytest

from review.markdown import LIMIT, markdown
from tests.golden.case import REVIEWS
from tests.golden.held import hold
from tests.golden.review_case import REVIEW_CASES, reviewed


@pytest.mark.parametrize("name", REVIEW_CASES)
def test_a_review_gives_its_comment(name: str, updating: bool) -> None:
    text = markdown(reviewed(name))
    hold(REVIEWS / name, {"review.md": text}, updating=updating, patterns=("review.md",))


@pytest.mark.parametrize("name", REVIEW_CASES)
def test_a_comment_is_never_longer_than_platforms_take(name: str) -> None:
    assert len(markdown(reviewed(name))) <= LIMIT
