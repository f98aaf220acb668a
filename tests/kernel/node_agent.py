"""The agent of one node, inside this process: its engine and its attachments, on the real kernel.

Starting a Python process costs seconds on an emulated processor; a thread that enters the node's
namespace costs nothing and runs the same code. tests/kernel/test_agent_process.py runs the real
process, with its socket and its watched directory.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from agent.addresses import AddressStore
from agent.attach import Attachments
from agent.cni import CniError, Command, Pod, Request
from agent.engine import Engine
from agent.lease import LeaseKey
from agent.links import Links
from agent.nft import Libnftables
from agent.plan_file import Publication
from agent.policy import Policy
from cli.lab.lab import LabNode, LabPod
from compiler.names import ObjectName
from compiler.plan import NodePlan

T = TypeVar("T")


class NodeAgent:
    """What the node's kernel holds outlives it; `restart` is a new agent on the same files."""

    def __init__(self, node: LabNode, folder: Path) -> None:
        self.node = node
        self.folder = folder / node.name
        self.folder.mkdir(parents=True, exist_ok=True)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=node.name)
        self._generation = 0
        self.start()

    def start(self) -> None:
        def inside() -> None:
            with self.node.place.entered():
                self.links = Links()
                self.policy = Policy(Libnftables())
            self.engine = Engine(
                kernel=self.links,
                policy=self.policy,
                store=AddressStore(self.folder / "addresses"),
                last_good=self.folder / "last-good.json",
                grace=0.0,
                clock=time.monotonic,
            )
            self.attachments = Attachments(self.engine, patience=0.0)

        self.run(inside)

    def restart(self) -> None:
        """The process ended, without a word, and a new one begins."""
        self.run(self.links.close)
        self.start()

    def run(self, work: Callable[[], T]) -> T:
        """On the agent's thread, in the node's namespace."""

        def inside() -> T:
            with self.node.place.entered():
                return work()

        return self._thread.submit(inside).result()

    def apply(self, plan: NodePlan, *, revision: str = "") -> list[str]:
        """Brings the plan into force; the actions that it took on links, routes and rules."""
        self._generation += 1
        publication = Publication(
            revision=revision,
            generation=self._generation,
            digest="",
            plan=plan,
            content=f"{revision} {self._generation}".encode(),
        )
        return [str(action) for action in self.run(lambda: self.engine.apply(publication))]

    def add(self, pod: LabPod) -> None:
        """CNI ADD; the pod's addresses are then known. Raises CniError."""
        answer = self._ask(Command.ADD, pod)
        if "delegate" in answer:
            raise CniError(0, f"{pod.name} belongs to the default network")
        lease = self.engine.store.leases[self._key(pod)]
        pod.addresses = lease.attachment.addresses

    def delete(self, pod: LabPod) -> None:
        """CNI DEL."""
        self._ask(Command.DEL, pod)
        pod.addresses = ()

    def _ask(self, command: Command, pod: LabPod) -> dict[str, object]:
        namespace, _slash, name = pod.name.partition("/")
        request = Request(
            command=command,
            version="1.1.0",
            key=self._key(pod),
            netns=str(pod.place.path),
            pod=Pod(name=ObjectName(namespace=namespace, name=name), uid=""),
            valid=(),
        )
        return self.run(lambda: self.attachments.answer(request))

    def _key(self, pod: LabPod) -> LeaseKey:
        return LeaseKey(container=pod.place.name, interface="eth0")

    def close(self) -> None:
        self.run(self.links.close)
        self._thread.shutdown()
