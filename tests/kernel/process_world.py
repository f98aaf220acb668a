"""A world whose agents are processes, and whose pods are attached by the CNI plugin's binary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cli.lab.lab import LabPod
from tests.kernel.agent_process import AgentProcess
from tests.kernel.world import Agent, World


class ProcessWorld(World):
    processes: Mapping[str, AgentProcess]
    kind: type[AgentProcess] = AgentProcess

    def __init__(
        self,
        folder: Path,
        *,
        nodes: int = 2,
        versions: tuple[int, ...] = (4, 6),
        options: Sequence[str] = (),
    ) -> None:
        """`options`: further ones of the agents' command lines."""
        self._options = options
        super().__init__(folder, nodes=nodes, versions=versions)

    def _started(self, folder: Path) -> Mapping[str, Agent]:
        started: dict[str, AgentProcess] = {}
        self.processes = started
        try:
            for node in self.lab.nodes:
                started[node.name] = self.kind(node, folder, self._options)
            for agent in started.values():
                agent.await_answering()
        except BaseException:
            for agent in started.values():
                agent.close()
            self.lab.close()
            raise
        return started

    def process(self, node: int) -> AgentProcess:
        """Nodes count from 1."""
        return self.processes[self.nodes[node - 1].name]

    def forget(self, *pods: LabPod) -> None:
        """They are gone, as far as the API server knows; sandboxes and all."""
        for pod in pods:
            self.lab.remove_pod(pod.name)
