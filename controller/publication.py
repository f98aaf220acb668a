"""The publication: what the controller hands to the agents, and what they report back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

from compiler.allocations import Allocations
from compiler.names import NodeName, ObjectName, is_label, is_subdomain
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
    """Devices of networks that the plan no longer has and that are still there, within their grace, and ports
    of pods with an address that was taken from the node.
    """
    wanted: Mapping[ObjectName, int] = field(default_factory=dict)
    """By network: the addresses that the node needs, while pods wait for one there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """All of a publication that the controller goes on from."""

    commit: Snapshot | None = None
    """The files of the last good commit."""
    allocations: Allocations = field(default_factory=Allocations)
    plans: Mapping[NodeName, PlanStamp] = field(default_factory=dict)
    reachability: str = ""
    status: Status | None = None


MOST_WISHES = 1000
"""Of one node; more are not looked at."""


def wishes_of(pairs: Iterable[tuple[str, int]]) -> Mapping[ObjectName, int]:
    """What a node wants, by network as `namespace/name`; what names none is passed over."""
    wishes: dict[ObjectName, int] = {}
    for text, addresses in islice(pairs, MOST_WISHES):
        namespace, slash, name = text.partition("/")
        if slash and is_label(namespace) and is_subdomain(name) and addresses > 0:
            wishes[ObjectName(namespace=namespace, name=name)] = addresses
    return wishes


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
