"""A publication in memory that behaves as the directory does, full disks and power cuts included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from compiler.names import NodeName
from controller.actions import Action, PublishPlan, describe
from controller.advance import after
from controller.publication import PublicationError, Published, Report


class PowerCut(BaseException):
    """The process is no more; what was executed stays."""


@dataclass(kw_only=True, slots=True)
class MemoryPublisher:
    published: Published = field(default_factory=Published)
    agents: dict[NodeName, Report] = field(default_factory=dict)
    executed: list[str] = field(default_factory=list)
    """Descriptions of all actions, in their order."""
    plans: dict[NodeName, PublishPlan] = field(default_factory=dict)
    """The last publication of each node's plan."""
    room: int | None = None
    """How many more actions the disk takes."""
    power: int | None = None
    """How many more actions the power lasts."""

    def recover(self) -> Published:
        return self.published

    def execute(self, action: Action) -> None:
        if self.power is not None:
            if self.power == 0:
                raise PowerCut
            self.power -= 1
        if self.room is not None:
            if self.room == 0:
                raise PublicationError("memory: No space left on device.")
            self.room -= 1
        self.published = after(self.published, (action,))
        self.executed.append(describe(action))
        if isinstance(action, PublishPlan):
            self.plans[action.plan.name] = action

    def finish(self) -> None:
        """Nothing is left."""

    def reports(self) -> Mapping[NodeName, Report]:
        return dict(self.agents)
