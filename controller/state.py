"""What the controller knows between two turns, and what it observes in one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from compiler.allocations import Allocations
from compiler.change import Change
from compiler.compilation import Compilation
from compiler.inventory import Inventory
from compiler.model import Declarations
from compiler.names import NodeName
from compiler.parse import FileCache
from compiler.problem import Problem
from controller.composition import Files, Offer
from controller.git import Sighting
from controller.inventory_file import InventoryReading
from controller.publication import PlanStamp, Published, Report
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
    """A commit, and the objects of the cluster that are in force beside it."""

    snapshot: Snapshot
    foreign: Files = field(default_factory=dict)
    """By pseudo path; empty in the embedded mode."""
    declarations: Declarations | None
    """Of both. None where an error stands among the problems."""
    problems: tuple[Problem, ...]

    @property
    def revision(self) -> Revision:
        return self.snapshot.revision

    @property
    def kept(self) -> Snapshot:
        """Everything that a restart must find again."""
        return Snapshot(revision=self.revision, files={**self.snapshot.files, **self.foreign})


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
    offer: Offer | None = None
    """The declarations among the cluster's objects, where they changed."""
    stamps: Mapping[NodeName, PlanStamp | None] = field(default_factory=dict)
    """Published plans that another hand changed, as they stand there now; None for one that is gone."""
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
    candidate: Snapshot | None = None
    """The commit seen, while it is not in force."""
    good: Commit | None = None
    """The commit in force: the last that compiled without an error."""
    good_at: str = ""
    problems: tuple[Problem, ...] = ()
    """Of the last attempt to compile the commit seen."""
    source_problem: Problem | None = None
    rewritten: Problem | None = None
    offer: Offer | None = None
    """What the cluster declares; None in the embedded mode, where nothing does."""
    objections: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)
    """Why an object of the cluster is not in force as it stands there, by pseudo path."""
    inventory: Inventory | None = None
    pending: Change = field(default_factory=Change)
    """What the inventory gained over the compilation's."""
    inventory_problems: tuple[Problem, ...] = ()
    compilation: Compilation | None = None
    """Of the good commit with the inventory: what is, or is about to be, published."""
    digests: Mapping[NodeName, str] = field(default_factory=dict)
    """Of the compilation's plans."""
    reach: Reach | None = None
    """Of the compilation."""
