"""Untrusted text in Markdown: names of files and authors, lines of YAML, sentences that quote them.

Nothing of it may become markup, a link, a mention or a reference, on any platform. What is quoted goes into
code spans and fences longer than any that it holds: there platforms look for none of these. Prose has its
punctuation escaped, and what platforms look for in plain text is parted by a character without width.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from typing import Final

_TICKS: Final = re.compile("`+")
_MARKUP: Final = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_[]<#|~$"})
_AT_THE_START: Final = re.compile(r"^(?=[-+=>])|^\d+(?=[.)])")
_LOOKED_FOR: Final = re.compile(r"@|#(?=\d)|!(?=\d)|&|://|www\.", re.IGNORECASE)
BAR: Final = "\\|"
_PARTING: Final = "\N{WORD JOINER}"


def code(text: str) -> str:
    """A code span that shows the text as it is."""
    if not text:
        return ""
    fence = "`" * (max((len(run) for run in _TICKS.findall(text)), default=0) + 1)
    edge = " " if text.startswith(("`", " ")) or text.endswith(("`", " ")) else ""
    return f"{fence}{edge}{text}{edge}{fence}"


def prose(text: str) -> str:
    """A sentence that reads as it is."""
    escaped = _AT_THE_START.sub(r"\g<0>\\", text.translate(_MARKUP))
    return _LOOKED_FOR.sub(_parted, escaped)


def _parted(match: re.Match[str]) -> str:
    found = match[0]
    if found == "&":
        return "&amp;"
    return f"{found[0]}{_PARTING}{found[1:]}"


def fenced(lines: Iterable[str], language: str = "") -> list[str]:
    """A block of code, fenced so that no line of it ends it."""
    content = list(lines)
    longest = max((len(run) for line in content for run in _TICKS.findall(line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{language}", *content, fence]


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Cells are Markdown already, on one line each."""
    titles = list(head)
    return [_row(titles), _row(["---"] * len(titles)), *map(_row, rows)]


def _row(cells: Iterable[str]) -> str:
    """A bar ends a cell even inside code, unless it is escaped."""
    return f"| {' | '.join(cell.replace('|', BAR) for cell in cells)} |"


def details(summary: str, content: Iterable[str]) -> list[str]:
    """Folded; the empty lines let Markdown be Markdown inside, which the summary is not."""
    return ["<details>", f"<summary>{escape(summary)}</summary>", "", *content, "", "</details>"]
