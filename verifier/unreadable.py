"""What a reader does not understand is an error with its place: nothing is ever skipped."""

from __future__ import annotations


class Unreadable(ValueError):
    """A text, listing or dump that the verifier cannot judge. Says where, what and why."""

    def __init__(self, reason: str, *, text: str = "", line: int = 0) -> None:
        place = f"line {line}: " if line else ""
        quoted = f"`{text}`: " if text else ""
        super().__init__(f"{place}{quoted}{reason}")
        self.reason = reason
        self.text = text
        self.line = line

    def at(self, line: int, text: str) -> Unreadable:
        """The same with the line that it was found in, where it has none."""
        if self.line:
            return self
        found = self.reason if not self.text or self.text == text else f"`{self.text}`: {self.reason}"
        return Unreadable(found, text=text, line=line)
