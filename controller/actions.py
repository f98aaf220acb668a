"""What the controller does to its publication, as inert values; executed in the order decided.

At every instant between two actions the publication is consistent: a plan only ever rests on
allocations that are already durable, and on a commit that a restart finds again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from compiler.allocations import Allocations
from compiler.names import NodeName
from compiler.plan import NodePlan
from controller.snapshot import Revision
from controller.status import Status


@dataclass(frozen=True, kw_only=True, slots=True)
class KeepCommit:
    """Make the files of the commit in force durable, for a restart while Git is away."""

    revision: Revision
    files: Mapping[str, bytes] = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class KeepAllocations:
    allocations: Allocations = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishPlan:
    plan: NodePlan = field(repr=False)
    revision: Revision
    generation: int
    digest: str


@dataclass(frozen=True, kw_only=True, slots=True)
class WithdrawPlan:
    node: NodeName


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishReachability:
    text: str = field(repr=False)
    json: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishStatus:
    status: Status = field(repr=False)


Action = KeepCommit | KeepAllocations | PublishPlan | WithdrawPlan | PublishReachability | PublishStatus


def describe(action: Action) -> str:
    """Return one line for people."""
    match action:
        case KeepCommit():
            return f"keep commit {action.revision}"
        case KeepAllocations():
            return f"keep allocations of generation {action.allocations.generation}"
        case PublishPlan():
            return f"publish plan of {action.plan.name}, generation {action.generation}"
        case WithdrawPlan():
            return f"withdraw plan of {action.node}"
        case PublishReachability():
            return "publish reachability"
        case PublishStatus():
            return "publish status"
