"""A section of a comment in several forms, from full to brief, each saying what it leaves out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from review.headline import counted
from review.markdown_text import code
from review.model import Line

CLIPPED: Final = 300
"""Characters of any one text that somebody else wrote."""
SHORT_COMMIT: Final = 10
ELSEWHERE: Final = "`--format json` and `--format html` have all"


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """Lines of Markdown. The last form has a length that does not depend on the change."""

    forms: tuple[tuple[str, ...], ...]


def fixed(lines: Iterable[str]) -> Section:
    return Section(forms=(tuple(lines),))


def graded(sizes: Sequence[int], form: Callable[[int], Iterable[str]]) -> Section:
    """One form for each bound, the largest first; equal ones only once."""
    return Section(forms=tuple(dict.fromkeys(tuple(form(size)) for size in sizes)))


def clipped(text: str, length: int = CLIPPED) -> str:
    return text if len(text) <= length else f"{text[: length - 3]}..."


def quoted(text: str) -> str:
    return code(clipped(text))


def bullets(items: Sequence[str], size: int, noun: str) -> list[str]:
    """The first items, and how many were left out."""
    return [*(f"- {item}" for item in items[:size]), *left_out(len(items) - size, noun)]


def left_out(number: int, noun: str) -> list[str]:
    """Nothing where nothing is."""
    return ["", f"And {counted(number, noun)} more, left out here: {ELSEWHERE}."] if number > 0 else []


def line_text(line: Line) -> str:
    """Where, what, and by whom."""
    place = f"{line.path}:{line.line}" if line.line else line.path
    parts = [quoted(place)]
    if line.text:
        parts.append(quoted(line.text))
    parts.append(f"of {quoted(line.object)}")
    verb = "removed" if line.side == "base" else "written"
    if line.commit:
        author = f" of {quoted(line.author)}" if line.author else ""
        parts.append(f"{verb} by {code(line.commit[:SHORT_COMMIT])}{author}")
    elif line.side == "base":
        parts.append("removed")
    return " ".join(parts)


def names(some: Sequence[str], size: int) -> str:
    """In one line."""
    listed = ", ".join(quoted(name) for name in some[:size])
    return listed if len(some) <= size else f"{listed} and {len(some) - size:,} more"
