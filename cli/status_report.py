"""What `atoll status` has to say, as a value: text and JSON are two ways to print it.

Its JSON is documented in docs/guides/operations.md.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from controller.cluster.resource_status import (
    Applied,
    NodeCount,
    NodeTotal,
    RolloutStatus,
    SubnetUse,
)
from controller.status import ProblemRecord


class Level(StrEnum):
    ERROR = "error"
    """Somebody must act, or something is not as declared."""
    WARNING = "warning"
    """It works, and somebody should look."""
    WAITING = "waiting"
    """On its way, or up to others."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What is not well, and what to do about it."""

    level: Level
    subjects: tuple[str, ...]
    """`NodeNetwork node-1`; several where the same holds for each."""
    reason: str
    message: str
    next: str
    """Empty where nothing is to be done but to wait."""
    since: str = ""
    """RFC 3339; "" where it cannot be told."""


class Unread(msgspec.Struct, frozen=True, kw_only=True):
    resource: str
    reason: str


class ControllerEntry(msgspec.Struct, frozen=True, kw_only=True):
    leader: str
    since: str
    renewed: str
    transitions: int


class State(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Of any object: what its condition Ready says."""

    ready: str = ""
    """"True", "False", "Unknown", or "" where nobody has said."""
    reason: str = ""
    message: str = ""
    since: str = ""


class SourceEntry(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    name: str
    url: str
    ref: str
    path: str
    counts: bool
    """Whether it is the one that is followed."""
    suspended: bool
    state: State
    seen: str
    attempted: str
    applied: str
    verified: str
    """What the condition SourceVerified says; "" where no signatures are demanded."""
    in_sync: str
    """What the condition InSync says."""
    nodes: NodeTotal | None
    rollout: RolloutStatus | None
    problems: tuple[ProblemRecord, ...]
    problem_count: int


class NetworkEntry(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    name: str
    number: int | None
    origin: str
    """`path:line`; "" for one that only the cluster has."""
    revision: str
    state: State
    in_sync: str
    pods: int | None
    free: int | None
    addresses: tuple[SubnetUse, ...]
    nodes: NodeCount | None
    deleting: str


class RouterEntry(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    name: str
    type: str
    origin: str
    revision: str
    state: State
    in_sync: str
    networks: int | None
    connected: tuple[str, ...]
    waiting_for: tuple[str, ...]
    nodes: NodeCount | None
    deleting: str


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    revision: str
    generation: int
    digest: str
    at: str


class CarriedEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A network on a node."""

    name: str
    presence: str
    blocks: tuple[str, ...]
    used: int


class NodeEntry(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    name: str
    number: int
    address: str
    state: State
    planned: Planned
    applied: Applied | None
    up_to_date: bool
    """The plan in force is the newest one."""
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    leaving: tuple[str, ...]
    networks: int
    pods: int
    agent_version: str
    carries: tuple[CarriedEntry, ...]
    """Only where a network or a node was asked for by name."""


class EventEntry(msgspec.Struct, frozen=True, kw_only=True):
    at: str
    type: str
    regarding: str
    reason: str
    note: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    at: str
    well: bool
    findings: tuple[Finding, ...]
    unread: tuple[Unread, ...]
    controller: ControllerEntry | None
    sources: tuple[SourceEntry, ...]
    networks: tuple[NetworkEntry, ...]
    routers: tuple[RouterEntry, ...]
    nodes: tuple[NodeEntry, ...]
    events: tuple[EventEntry, ...]
    """Newest last."""
