"""The plan of this node as the controller publishes it, and as the agent keeps its last good one."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.plan import NodePlan


class PlanRejected(Exception):
    """A plan file is not one that this node can apply. The text names the file, what and why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Publication:
    """A plan with what the controller says of it."""

    revision: str
    generation: int
    digest: str
    plan: NodePlan
    content: bytes
    """The file, as it was read."""
