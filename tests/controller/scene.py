"""A controller on stage: a repository, an inventory, a publication and a log, all in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Address

from compiler.inventory import Inventory, Namespace, Node, Pod
from compiler.names import NodeName, ObjectName
from controller.git_memory import MemoryRepository
from controller.inventory_file import MemoryInventory
from controller.log import MemoryLog
from controller.loop import Controller, first_state
from controller.observer import RepositoryObserver
from controller.publication import Report
from controller.publish_memory import MemoryPublisher
from controller.state import Place
from controller.status import Status
from controller.watch import ScriptedWaker, Stop, Wake


def inventory(pods: Mapping[str, str], *, nodes: int = 2) -> Inventory:
    """Nodes `node-1`, `node-2`, ..., and in namespace team-a pods named `<network>-<anything>` by node."""
    names = [ObjectName(namespace="team-a", name=name) for name in pods]
    return Inventory(
        nodes={
            NodeName(f"node-{n}"): Node(name=NodeName(f"node-{n}"), addresses=(IPv4Address(f"192.0.2.{n}"),))
            for n in range(1, nodes + 1)
        },
        namespaces={"team-a": Namespace(name="team-a", labels={})},
        pods={
            name: Pod(
                name=name, uid=name.name, node=NodeName(pods[name.name]), network=name.name.partition("-")[0]
            )
            for name in names
        },
    )


@dataclass(kw_only=True, slots=True)
class Scene:
    repository: MemoryRepository = field(default_factory=MemoryRepository)
    inventory: MemoryInventory = field(default_factory=MemoryInventory)
    publisher: MemoryPublisher = field(default_factory=MemoryPublisher)
    log: MemoryLog = field(default_factory=MemoryLog)
    waker: ScriptedWaker = field(default_factory=lambda: ScriptedWaker(steps=deque()))
    current: Controller | None = None

    @property
    def controller(self) -> Controller:
        if self.current is None:
            self.restart()
        assert self.current is not None
        return self.current

    def restart(self) -> None:
        """Begin with what the one before left in the publication, and nothing else."""
        place = Place(repository="memory", ref="main", folder="")
        observer = RepositoryObserver(
            source=self.repository,
            inventory=self.inventory,
            publisher=self.publisher,
            interval=30.0,
            clock=lambda: datetime(2026, 1, 2, 12, 0, tzinfo=UTC),
            spread=lambda low, high: (low + high) / 2,
        )
        self.current = Controller(
            observer=observer,
            publisher=self.publisher,
            waker=self.waker,
            log=self.log,
            state=first_state(place, self.publisher),
        )

    def turn(self, *, look: bool = True) -> list[str]:
        """Take one turn; return what was executed in it."""
        before = len(self.publisher.executed)
        self.controller.turn(look=look)
        return self.publisher.executed[before:]

    def run(self, *steps: Callable[[], Wake]) -> None:
        """Run until the steps are done."""
        self.waker.steps.extend(steps)
        try:
            self.controller.run()
        except Stop:
            return

    def agents_apply(self) -> None:
        """Every agent applies the plan that is published for it."""
        for node, stamp in self.publisher.published.plans.items():
            self.publisher.agents[node] = Report(generation=stamp.generation, digest=stamp.digest)

    @property
    def status(self) -> Status:
        status = self.publisher.published.status
        assert status is not None
        return status

    @property
    def story(self) -> list[str]:
        return [event for event, _ in self.log.events]

    def networks_of(self, node: str) -> list[str]:
        plan = self.publisher.plans[NodeName(node)].plan
        return [network.name.name for network in plan.networks]
