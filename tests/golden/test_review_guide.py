"""The example of docs/guides/review.md is a golden review: its words, and its picture."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from review.svg import svg
from tests.golden.case import REVIEWS
from tests.golden.held import hold
from tests.golden.review_case import reviewed

DOCS: Final = Path(__file__).parents[2] / "docs"
CASE: Final = "guarded-rules-broken"
STYLE: Final = """\
<style>
text { font: 12.5px "DejaVu Sans Mono", monospace; fill: #1f2328; text-anchor: middle }
rect { fill: #f6f8fa; stroke: #59636e; stroke-width: 1.2 }
.new rect { stroke: #1a7f37; stroke-width: 3 }
.gone rect { stroke: #cf222e; stroke-width: 2; stroke-dasharray: 6 4 }
.router rect { fill: #d1d9e0 }
.service rect, .outside rect { fill: #ffffff }
.edge { fill: none; stroke: #59636e; stroke-width: 1.2 }
.edge.new { stroke: #1a7f37; stroke-width: 3.5 }
.edge.gone { stroke: #cf222e; stroke-width: 2.5; stroke-dasharray: 7 5 }
.tip { fill: #59636e }
.tip.new { fill: #1a7f37 }
.tip.gone { fill: #cf222e }
</style>
<rect width="100%" height="100%" style="fill: #ffffff; stroke: none"/>
"""
"""The report's own, for a picture that stands alone."""


def test_its_picture_is_the_one_that_the_review_draws(updating: bool) -> None:
    opening, rest = svg(reviewed(CASE).picture).split("\n", 1)
    alone = opening.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ')
    hold(
        DOCS / "pictures",
        {"review.svg": f"{alone}\n{STYLE}{rest}"},
        updating=updating,
        patterns=("review.svg",),
    )


def test_its_words_are_those_of_the_comment() -> None:
    guide = (DOCS / "guides" / "review.md").read_text(encoding="utf-8")
    quoted = guide.split("````markdown\n", 1)[1].split("````", 1)[0]
    comment = (REVIEWS / CASE / "review.md").read_text(encoding="utf-8")
    assert quoted
    assert comment.startswith(quoted)
