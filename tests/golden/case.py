"""A golden case: its input read, compiled, and written down as a network engineer reads it.

`golden/README.md` says what each file holds. What comes out of a case depends on its files alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from compiler.allocations import Allocations
from compiler.codec import decode_allocations
from compiler.compilation import Compilation, compile
from compiler.kubectl import read_inventory
from compiler.parse import parse
from compiler.problem import Problem, Severity, in_reading_order

GOLDEN: Final = Path(__file__).parents[2] / "golden"
REVIEWS: Final = GOLDEN / "reviews"
CASES: Final = tuple(sorted(path.name for path in GOLDEN.iterdir() if path.is_dir() and path != REVIEWS))

INVENTORY: Final = "inventory.yaml"
ALLOCATIONS: Final = "allocations.json"
ATTACHMENTS: Final = "attachments.json"
BEFORE: Final = "before"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What one commit gives: a compilation, or none where a problem is an error."""

    compilation: Compilation | None
    problems: tuple[Problem, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """`before` is the commit in force when the input's own arrives; None where nothing was."""

    name: str
    before: Outcome | None
    after: Outcome


def folder(name: str) -> Path:
    return GOLDEN / name / "input"


@cache
def case(name: str) -> Case:
    """The case, compiled; once in each process."""
    at = folder(name)
    allocations = _allocations(at)
    before = None
    if (at / BEFORE).exists():
        before = _outcome(at / BEFORE, at, allocations)
        assert before.compilation is not None, f"{name}/before is refused: {before.problems}"
        allocations = before.compilation.allocations
    return Case(name=name, before=before, after=_outcome(at, at, allocations))


def _allocations(at: Path) -> Allocations:
    file = at / ALLOCATIONS
    return decode_allocations(file.read_bytes()) if file.exists() else Allocations()


def _outcome(repository: Path, fallback: Path, allocations: Allocations) -> Outcome:
    """As `atoll compile` does it: an error anywhere, and nothing is written but problems."""
    at = repository / INVENTORY
    inventory, problems = read_inventory(
        (at if at.exists() else fallback / INVENTORY).read_bytes(), path=INVENTORY
    )
    parsed = parse(_files(repository), revision="")
    problems = (*problems, *parsed.problems)
    compilation = None
    if parsed.declarations is not None:
        compilation = compile(parsed.declarations, inventory, allocations)
        problems = (*problems, *compilation.problems)
    if any(problem.severity is Severity.ERROR for problem in problems):
        compilation = None
    return Outcome(compilation=compilation, problems=in_reading_order(problems))


def _files(repository: Path) -> dict[str, bytes]:
    """The network repository: all files but those that stand beside it for the compilation."""
    beside = {INVENTORY, ALLOCATIONS, ATTACHMENTS}
    return {
        path.relative_to(repository).as_posix(): path.read_bytes()
        for path in sorted(repository.rglob("*"))
        if path.is_file() and path.relative_to(repository).parts[0] not in {*beside, BEFORE}
    }
