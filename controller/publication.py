"""The publication: what the controller hands to the agents, and what they report back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from compiler.allocations import Allocations
from compiler.names import NodeName
from controller.actions import Action
from controller.snapshot import Revision, Snapshot
from controller.status import Status


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanStamp:
    """Which plan of a node is published."""

    revision: Revision
    """Of the commit with which the plan last changed."""
    generation: int
    digest: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What the agent of a node applied last."""

    generation: int
    digest: str
    errors: tuple[str, ...] = ()
    leaving: tuple[str, ...] = ()
    """Devices of networks that the plan no longer has and that are still there, within their grace."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """All of a publication that the controller goes on from."""

    commit: Snapshot | None = None
    """The files of the last good commit."""
    allocations: Allocations = field(default_factory=Allocations)
    plans: Mapping[NodeName, PlanStamp] = field(default_factory=dict)
    reachability: str = ""
    status: Status | None = None


class PublicationError(Exception):
    """What stands in a publication cannot be read or written: one line for the operator."""


class Publisher(Protocol):
    def recover(self) -> Published:
        """Return what earlier actions left, after whatever end. Raise PublicationError if it is damaged."""

    def execute(self, action: Action) -> None:
        """Do it durably, at the latest before the next action of another kind, or raise PublicationError."""

    def finish(self) -> None:
        """Return when everything is durable; raise PublicationError for what could not be done."""

    def reports(self) -> Mapping[NodeName, Report]:
        """Return the last report of each agent; what cannot be read counts as no report."""
