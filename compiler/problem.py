"""What is wrong with an input, in words for the person who wrote it.

Problems are values. Every stage collects all that it finds; nothing is thrown one at a time.
The codes and their documentation are in `compiler.catalogue`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

Code = NewType("Code", str)
"""Stable identifier of a kind of problem, `ATL` and three digits."""


class Severity(StrEnum):
    """An error refuses the whole commit; a warning is reported and changes nothing."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Origin:
    """Where a compiled fact came from. Lines and columns count from 1; 0 means the file as a whole."""

    path: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}" if self.line else self.path

    @property
    def place(self) -> str:
        """`path:line`, for texts that mention a place in passing."""
        return f"{self.path}:{self.line}" if self.line else self.path


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One finding: what it is about, the rule that it breaks and what to do."""

    code: Code
    severity: Severity
    origin: Origin | None
    subject: str
    """The object, as `VirtualNetwork team-a/red`; the file's path where no object could be read."""
    reason: str
    remedy: str

    def __str__(self) -> str:
        place = f"{self.origin}: " if self.origin else ""
        return f"{place}{self.severity} {self.code}: {self.subject}: {self.reason}. {self.remedy}."


def in_reading_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Sort by place, then code, without repeats: the same order on every machine."""
    unique = dict.fromkeys(problems)
    return tuple(
        sorted(
            unique,
            key=lambda p: (p.origin or Origin(path="~"), p.severity, p.code, p.subject, p.reason),
        )
    )
