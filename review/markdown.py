"""A review as a Markdown comment: the verdict first, details folded, never longer than a platform takes.

Every section has forms from full to brief. While the whole is too long, sections give way from the last,
which is the most detailed, to the first; what the summary says is never left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from review import markdown_details as parts
from review import markdown_reach
from review.headline import title
from review.markdown_parts import SHORT_COMMIT, Section, clipped, fixed, quoted
from review.markdown_text import code, fenced, prose
from review.mermaid import mermaid
from review.model import Review, Revision
from review.picture import remarks

LIMIT: Final = 60_000
"""Characters. GitHub takes 65,536 for a comment."""


def markdown(review: Review, *, limit: int = LIMIT) -> str:
    """Ends in a newline. The same review gives the same text."""
    sections = [section for section in _sections(review) if section is not None]
    chosen = [0] * len(sections)
    length = sum(_length(section.forms[0]) for section in sections)
    for index in reversed(range(len(sections))):
        forms = sections[index].forms
        while length > limit and chosen[index] + 1 < len(forms):
            length -= _length(forms[chosen[index]])
            chosen[index] += 1
            length += _length(forms[chosen[index]])
    taken = (section.forms[form] for section, form in zip(sections, chosen, strict=True))
    return "\n".join("".join(f"{line}\n" for line in lines) for lines in taken if lines)


def _length(lines: tuple[str, ...]) -> int:
    """With the line ends, and the empty line behind it."""
    return sum(len(line) + 1 for line in lines) + 1


def _sections(review: Review) -> Iterator[Section | None]:
    yield fixed(_summary(review))
    yield parts.errors(review)
    yield parts.policy(review)
    yield _picture(review)
    yield from markdown_reach.sections(review)
    yield from parts.warnings(review)
    yield parts.unknown(review)
    yield parts.numbers(review)
    yield from parts.nodes(review)


def _summary(review: Review) -> Iterator[str]:
    yield f"## {title(review)}"
    yield ""
    yield from (f"- {prose(clipped(sentence, 700))}" for sentence in review.headline)
    yield ""
    if review.policy_line:
        yield f"**Policy:** {prose(clipped(review.policy_line, 700))}"
        yield ""
    if review.certificate:
        proof = "Proved" if review.certificate.proved else "Not proved"
        yield f"**{proof}:** {prose(clipped(review.certificate.line, 700))}"
        yield ""
    yield f"From {_revision(review.base)} to {_revision(review.head)}."


def _revision(revision: Revision) -> str:
    if not revision.commit or revision.commit.startswith(revision.name):
        return quoted(revision.name)
    return f"{quoted(revision.name)} ({code(revision.commit[:SHORT_COMMIT])})"


def _picture(review: Review) -> Section | None:
    drawn = mermaid(review.picture)
    if not drawn:
        return None
    told = [f"{remark}." for remark in remarks(review.picture)]
    note = [*told, ""] if told else []
    full = (*fenced(drawn, "mermaid"), "", *_LEGEND, *note)
    return Section(forms=(full, ("The picture is left out here: `--format html` has it.",)))


_LEGEND: Final = ("Green and thick: new. Red and dashed: gone. Thin: as before.",)
