"""What the controller knows between two turns, and what it observes in one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from compiler.allocations import Allocations
from compiler.change import Change
from compiler.compilation import Compilation
from compiler.inventory import Inventory
from compiler.names import NodeName
from compiler.parse import FileCache
from compiler.problem import Problem
from controller.commit import Commit
from controller.composition import Offer
from controller.git import Sighting
from controller.inventory_file import InventoryReading
from controller.publication import PlanStamp, Published, Report
from controller.reach import Reach
from controller.rollout import NodeTraits, Rollout, Strategy
from controller.signatures import Verification
from controller.snapshot import Revision, Snapshot


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Which repository, ref and folder the operator named; as the status shows them."""

    repository: str
    ref: str
    folder: str


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
    place: Place | None = None
    """Of the repository that the sighting is of, where it may be another than before."""
    verification: Verification | None = None
    """Of the commits up to the one sighted, where signatures are required."""
    handled: str = ""
    """The request for a look that this one answers, as it was written."""
    strategy: Strategy | None = None
    """How a commit is to go out; None: to all nodes at once."""
    traits: Mapping[NodeName, NodeTraits] = field(default_factory=dict)
    elapsed: float = 0.0
    """Seconds of a clock that only ever goes forward."""
    forget: bool = False
    """What was seen before is of another place, or verified by other keys, if at all."""
    retry: bool = True
    """Whether what was refused may be tried again, if something has changed: only now and then."""
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
    composed: Offer | None = None
    """The one that the good commit was last put together with."""
    hopeless: bool = False
    """The candidate's own files refuse it: nothing in the inventory could mend that."""
    curable: bool = False
    """Some of the objections come of the inventory, and another one may lift them."""
    stale: bool = False
    """Something has changed since what was refused was last tried: it is to be tried again."""
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
    strategy: Strategy | None = None
    traits: Mapping[NodeName, NodeTraits] = field(default_factory=dict)
    lagging: Mapping[NodeName, float] = field(default_factory=dict)
    """Nodes that have not reported the plan published for them, and since when."""
    handled: str = ""
    rollout: Rollout | None = None
    """Of the good commit, while it has not reached every node; of one that halted until it is taken back."""
    halted: Problem | None = None
    """Why the commit seen went back; None once another has been seen."""
    quarantined: Revision | None = None
    verification: Verification | None = None
    """Of the commit seen."""


def timestamp(time: datetime) -> str:
    """RFC 3339 in UTC, to the second."""
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")
