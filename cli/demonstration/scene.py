"""The lab, the repository, the controller and the agents of the demo, from their start to their end."""

from __future__ import annotations

import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from agent.files import replace_file
from cli.demonstration.bus import Applied, Bus
from cli.demonstration.cluster import Cluster, with_own_ranges
from cli.demonstration.process import Process
from cli.demonstration.repository import BRANCH, Repository
from cli.demonstration.sandbox import attach
from cli.lab.lab import LabNode
from cli.lab.objects import inventory_json, pod_uid
from compiler.names import NodeName

NODES: Final = ("node-1", "node-2")
INTERVAL: Final = 10
"""Seconds between two looks of the controller at the repository."""
_CHANGES: Final = re.compile(r"in force: (\d+) changes")


class Scene:
    def __init__(self, folder: Path, template: Path) -> None:
        self._folder = folder
        self._template = template
        self._exit = ExitStack()
        self._agents: dict[str, Process] = {}
        self.commands: list[str] = []
        """Of the processes, with paths relative to the demo's folder."""
        self.bus = Bus(folder / "bus", NODES)
        self._exit.callback(self.bus.close)
        self._inventory = folder / "cluster" / "inventory.json"
        self._inventory.parent.mkdir()

    def build(self) -> None:
        """The lab, and meanwhile the repository and its controller: Python takes its time to start."""
        with ThreadPoolExecutor(1) as thread:
            repository = thread.submit(self._begin_repository)
            self.cluster = Cluster(f"atoll-demo-{os.getpid()}")
            self._exit.callback(self.cluster.close)
            repository.result()

    def start_agents(self) -> None:
        for node in self.cluster.lab.nodes:
            self._start_agent(node)
        self.cluster.lab.start_kube_proxy()

    def _begin_repository(self) -> None:
        self.repository = Repository(self._folder / "networks", self._template, os.environ["PATH"])
        cluster = with_own_ranges(self.repository.read("cluster.yaml"))
        self.revision = self.repository.commit(
            "Platform", "The ranges of our own cluster", {"cluster.yaml": cluster}
        )
        repository = ["--repo", str(self.repository.path), "--ref", BRANCH, "--interval", str(INTERVAL)]
        inventory = ["--inventory", str(self._inventory)]
        arguments = ["controller", *repository, *inventory, "--plans", str(self.bus.root)]
        self.controller = self._start("controller", arguments)

    def _start_agent(self, node: LabNode) -> None:
        places = ["--socket", str(self.socket(node)), "--state", str(self._folder / f"state-{node.name}")]
        arguments = ["agent", "--node", node.name, "--plans", str(self.bus.root), *places]
        self._agents[node.name] = self._start(f"agent-{node.name}", arguments, node)

    def _start(self, name: str, arguments: list[str], node: LabNode | None = None) -> Process:
        process = Process(name, arguments, folder=self._folder, place=node.place if node else None)
        self.commands.append(" ".join(["atoll", *arguments]).replace(f"{self._folder}/", ""))
        self.bus.processes.append(process)
        self._exit.callback(process.end)
        return process

    def socket(self, node: LabNode) -> Path:
        return self._folder / f"{node.name}.sock"

    def tell_inventory(self) -> None:
        """What kubectl would print now."""
        replace_file(self._inventory, inventory_json(self.cluster.lab))

    def attach_pods(self) -> None:
        """As the container runtimes of both nodes do, at the same time."""
        with ThreadPoolExecutor() as threads:
            pods = self.cluster.pods
            sockets = [self.socket(pod.node) for pod in pods]
            list(threads.map(attach, pods, sockets, map(pod_uid, pods)))

    def commit(self, author: str, message: str, files: dict[str, str]) -> str:
        self.revision = self.repository.commit(author, message, files)
        return self.revision

    def await_revision(self, revision: str) -> dict[NodeName, Applied]:
        """The commit's plans, in force on both nodes."""
        return self.bus.await_applied(
            lambda applied: all(one.report.revision == revision for one in applied.values()),
            f"commit {revision[:7]} on both nodes",
        )

    def await_change(self, former: dict[NodeName, Applied]) -> dict[NodeName, Applied]:
        """Other plans than the former, in force on both nodes."""
        return self.bus.await_applied(
            lambda applied: all(
                one.report.digest != former[node].report.digest for node, one in applied.items()
            ),
            "the Services' endpoints on both nodes",
        )

    def await_refusal(self, revision: str) -> None:
        def seen() -> bool:
            status = self.bus.status()
            return status is not None and status.seen is not None and status.seen.revision == revision

        self.bus.until(seen, f"commit {revision[:7]} in status.json")

    def changes_on(self, node: NodeName) -> int:
        """Links and routes that the last plan changed, as the agent's log says."""
        found = _CHANGES.search(self._agents[node].line_with("in force: "))
        return int(found[1]) if found else 0

    def close(self) -> None:
        for process in self.bus.processes:
            process.ask_to_end()
        self._exit.close()
        shutil.rmtree(self._folder, ignore_errors=True)
