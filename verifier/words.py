"""Text as words: what a rule of nft, a `typeof`, a value or a command of ip is read from."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from verifier.unreadable import Unreadable

_WORD: Final = re.compile(r'\s+|"[^"\n]*"|[{},]|[^\s{},"]+')
END: Final = ""
"""What `peek` returns behind the last word."""


class Words:
    """The words of one piece of text, taken from the front."""

    __slots__ = ("_at", "_words", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._words = _words(text)
        self._at = 0

    @property
    def peek(self) -> str:
        return self.ahead(0)

    def ahead(self, count: int) -> str:
        at = self._at + count
        return self._words[at] if at < len(self._words) else END

    def take(self) -> str:
        word = self.peek
        if word == END:
            raise self.error("it ends where something must follow")
        self._at += 1
        return word

    def takes(self, *words: str) -> bool:
        """Take these words if they come next, all of them."""
        if tuple(self._words[self._at : self._at + len(words)]) != words:
            return False
        self._at += len(words)
        return True

    def expect(self, *words: str) -> None:
        for word in words:
            if not self.takes(word):
                raise self.error(f"`{word}` is expected where {self._found()} stands")

    def unknown(self, known: Iterable[str]) -> Unreadable:
        return self.error(f"{self._found()} is not understood: {', '.join(sorted(known))} would be")

    def finish(self) -> None:
        if self.peek != END:
            raise self.error(f"{self._found()} is not understood")

    def error(self, reason: str) -> Unreadable:
        return Unreadable(reason, text=self.text)

    def _found(self) -> str:
        return f"`{self.peek}`" if self.peek != END else "nothing"


def _words(text: str) -> list[str]:
    found, at = [], 0
    while at < len(text):
        match = _WORD.match(text, at)
        if match is None:
            raise Unreadable("a text in quotes does not end", text=text)
        at = match.end()
        if not match.group().isspace():
            found.append(match.group())
    return found
