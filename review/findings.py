"""What compiler and policy say of HEAD, sorted by what a reviewer does with it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from compiler.problem import Problem, Severity
from review.lines import printable
from review.model import Finding, Matter

_WITHOUT_EFFECT: Final = frozenset(
    {"ATL219", "ATL302", "ATL311", "ATL312", "ATL313", "ATL318", "ATL319", "ATL502", "ATL503", "ATL603"}
)
_CAPACITY: Final = frozenset({"ATL751", "ATL752", "ATL753", "ATL754", "ATL756"})
_WAITING: Final = frozenset({"ATL317", "ATL501"})
_ORDER: Final = tuple(Matter)


def findings(base: Iterable[Problem], head: Iterable[Problem]) -> tuple[Finding, ...]:
    """Of HEAD: errors first, then what is new, then by matter; in reading order otherwise."""
    known = {_key(problem) for problem in base}
    found = [_finding(problem, new=_key(problem) not in known) for problem in head]
    return tuple(sorted(found, key=_rank))


def _rank(finding: Finding) -> tuple[bool, bool, int]:
    return finding.matter is not Matter.ERROR, not finding.new, _ORDER.index(finding.matter)


_PLACE: Final = re.compile(r"\(\S+:\d+\)")


def _key(problem: Problem) -> tuple[str, str, str]:
    """Without places: a line that moved is no news."""
    return problem.code, problem.subject, _PLACE.sub("", problem.reason)


def _finding(problem: Problem, *, new: bool) -> Finding:
    return Finding(
        code=problem.code,
        matter=matter_of(problem),
        new=new,
        place=printable(str(problem.origin)) if problem.origin else "",
        subject=printable(problem.subject),
        reason=printable(problem.reason),
        remedy=printable(problem.remedy),
    )


def matter_of(problem: Problem) -> Matter:
    if problem.severity is Severity.ERROR:
        return Matter.ERROR
    if problem.code in _CAPACITY:
        return Matter.CAPACITY
    if problem.code in _WITHOUT_EFFECT:
        return Matter.WITHOUT_EFFECT
    return Matter.WAITING if problem.code in _WAITING else Matter.OTHER
