"""What the controller knows between two turns, and what it observes in one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from compiler.allocations import Allocations
from compiler.compilation import Compilation
from compiler.inventory import Inventory
from compiler.model import Declarations
from compiler.names import NodeName
from compiler.parse import FileCache
from compiler.problem import Problem
from controller.git import Sighting
from controller.inventory_file import InventoryReading
from controller.publication import Published, Report
from controller.reach import Reach
from controller.snapshot import Revision, Snapshot


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Which repository, ref and folder the operator named; as the status shows them."""

    repository: str
    ref: str
    folder: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Commit:
    """A commit as far as it could be parsed."""

    snapshot: Snapshot
    declarations: Declarations | None
    """None where an error stands among the problems."""
    problems: tuple[Problem, ...]

    @property
    def revision(self) -> Revision:
        return self.snapshot.revision


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """What one turn found new; None where it did not look, or found what it knew."""

    time: datetime
    sighting: Sighting | None = None
    snapshot: Snapshot | None = None
    """Of the commit sighted, where it is another than before."""
    source_problem: Problem | None = None
    """The look at the repository failed."""
    inventory: InventoryReading | None = None
    reports: Mapping[NodeName, Report] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    place: Place
    published: Published
    """What stands in the publication; `allocations` may be ahead of it within a turn."""
    allocations: Allocations
    cache: FileCache = field(default_factory=FileCache)
    """What parsing found out about files; most of a new commit's are the old ones."""
    seen: Revision | None = None
    seen_at: str = ""
    candidate: Commit | None = None
    """The commit seen, while it is not in force."""
    good: Commit | None = None
    """The commit in force: the last that compiled without an error."""
    good_at: str = ""
    problems: tuple[Problem, ...] = ()
    """Of the last attempt to compile the commit seen."""
    source_problem: Problem | None = None
    rewritten: Problem | None = None
    inventory: Inventory | None = None
    inventory_problems: tuple[Problem, ...] = ()
    compilation: Compilation | None = None
    """Of the good commit with the inventory: what is, or is about to be, published."""
    digests: Mapping[NodeName, str] = field(default_factory=dict)
    """Of the compilation's plans."""
    reach: Reach | None = None
    """Of the compilation."""
