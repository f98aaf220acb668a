"""One line of the controller's story, for the log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from compiler.problem import Problem, Severity
from controller.log import Value


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """One line of the story, for the log."""

    event: str
    facts: Mapping[str, Value] = field(default_factory=dict)


def has_errors(problems: Iterable[Problem]) -> bool:
    return any(problem.severity is Severity.ERROR for problem in problems)


def summary(problems: tuple[Problem, ...]) -> dict[str, Value]:
    """Return how many problems there are, and the first."""
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    first = (errors or list(problems))[:1]
    return {
        "errors": len(errors),
        "warnings": len(problems) - len(errors),
        "first": str(first[0]) if first else "",
    }
