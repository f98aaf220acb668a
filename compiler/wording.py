"""Input quoted in messages: short, on one line, printable; and what a misspelt word was meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LONGEST = 60
_NEAR = 0.7


def cut(text: object) -> str:
    """The text as it may stand in a message: at most 60 characters, none of them a control character."""
    shown = "".join(c if c.isprintable() else "�" for c in str(text)[: _LONGEST + 1])
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"


def listed(words: Iterable[str]) -> str:
    """`a`, `b` and `c`."""
    *first, last = [f"`{word}`" for word in words]
    return f"{', '.join(first)} and {last}" if first else last


def meant(word: str, choices: Iterable[str], *, near: float = _NEAR) -> str | None:
    """The choice that the word is a misspelling of, letter case aside; None if it resembles none."""
    by_lower = {choice.lower(): choice for choice in choices}
    # Comparison takes quadratic time: a word much longer than any choice resembles none.
    if len(word) > _LONGEST:
        return None
    close = difflib.get_close_matches(word.lower(), list(by_lower), n=1, cutoff=near)
    return by_lower[close[0]] if close else None
