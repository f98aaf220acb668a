"""Statuses as the API server keeps them: what the controller says in its resources, and agents in theirs.

The same classes read and write. Absent fields have their defaults, and defaults are not written, so
that two statuses are equal exactly where their JSON is.
"""

from __future__ import annotations

import msgspec

from controller.status import ProblemRecord

MAX_COUNT = 2**63 - 1
"""The largest integer of the API; an IPv6 subnet has more addresses."""


class Condition(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """As metav1.Condition has it."""

    type: str
    status: str
    """"True", "False" or "Unknown"."""
    observed_generation: int = 0
    last_transition_time: str
    """RFC 3339, UTC: when `status` became what it is."""
    reason: str
    message: str


class SubnetUse(msgspec.Struct, frozen=True, kw_only=True):
    subnet: str
    total: int
    used: int
    free: int


class NodeCount(msgspec.Struct, frozen=True, kw_only=True):
    ready: int
    needed: int


class NetworkStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()
    last_attempted_revision: str = ""
    last_applied_revision: str = ""
    last_handled_reconcile_at: str = ""
    number: int | None = None
    addresses: tuple[SubnetUse, ...] = ()
    free: int | None = None
    """Pods that still find an address of each family."""
    nodes: NodeCount | None = None
    pods: int | None = None


class RouterStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()
    last_attempted_revision: str = ""
    last_applied_revision: str = ""
    last_handled_reconcile_at: str = ""
    networks: int | None = None
    connected: tuple[str, ...] = ()
    """Routers with which it agreed, as `namespace/name`."""
    waiting_for: tuple[str, ...] = ()
    """Routers that it imports and that do not import it."""
    nodes: NodeCount | None = None


class NodeTotal(msgspec.Struct, frozen=True, kw_only=True):
    ready: int
    total: int


class RolloutStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    revision: str
    stage: str
    """`Canary`, `Share`, `All` or `Halted`."""
    released: int = 0
    total: int = 0
    since: str = ""


class Inventory(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    entries: tuple[str, ...] = ()
    """`VirtualNetwork/namespace/name`, as ResourceKey prints."""


class SourceStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()
    last_handled_reconcile_at: str = ""
    last_attempted_revision: str = ""
    last_applied_revision: str = ""
    last_seen_revision: str = ""
    generation: int | None = None
    """Of the allocations."""
    confirmed: int | None = None
    nodes: NodeTotal | None = None
    rollout: RolloutStatus | None = None
    problems: tuple[ProblemRecord, ...] = ()
    problem_count: int | None = None
    inventory: Inventory | None = None


class Applied(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    revision: str = ""
    generation: int = 0
    digest: str = ""
    at: str = ""


class UsedAddresses(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    network: str
    used: int = 0


class WantedAddresses(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    network: str
    addresses: int = 0


class NodeStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Of a NodeNetwork: written by its node's agent, never by the controller."""

    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()
    applied: Applied | None = None
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    leaving: tuple[str, ...] = ()
    networks: int = 0
    attachments: int = 0
    addresses: tuple[UsedAddresses, ...] = ()
    wanted: tuple[WantedAddresses, ...] = ()
    agent_version: str = ""


class ConfigStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()
    last_attempted_revision: str = ""
    last_applied_revision: str = ""
    last_handled_reconcile_at: str = ""


ResourceStatus = NetworkStatus | RouterStatus | ConfigStatus | SourceStatus
"""Those that the controller writes."""


def condition(conditions: tuple[Condition, ...], of: str) -> Condition | None:
    """The condition of this type, if it stands."""
    return next((one for one in conditions if one.type == of), None)
