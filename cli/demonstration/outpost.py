"""The nodes' side of the demo: the lab with its packets, and two agents that know a kubeconfig each."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cli.demonstration.cluster import Cluster
from cli.demonstration.liaison import Headquarters, host
from cli.demonstration.process import Process
from cli.demonstration.relay import Relay
from cli.demonstration.sandbox import attach
from cli.lab.lab import LabNode, LabService

API_ADDRESS: Final = "192.0.2.1"
"""What the API server of cli/lab/control_plane.py says is its own."""
API_SERVICE: Final = "default/kubernetes"


class Outpost:
    def __init__(self, folder: Path, headquarters: Headquarters) -> None:
        self._folder = folder
        self._headquarters = headquarters
        self._exit = ExitStack()
        self._port = headquarters.api_port()
        self._agents: list[Process] = []
        self.commands: list[str] = []
        """Of the agents, with paths relative to the demo's folder."""

    def build(self) -> None:
        self.cluster = Cluster(f"atoll-demo-{os.getpid()}")
        self._exit.callback(self.cluster.close)
        self._place_api_server()

    def _place_api_server(self) -> None:
        """The API server's Service is what the real one says; a listener stands where it points to."""
        lab = self.cluster.lab
        lab.underlay.ip(f"address add {API_ADDRESS} dev lo")
        address = ip_address(API_ADDRESS)
        lab.traffic.listen(lab.underlay, "api", [("TCP", self._port)], [address])
        service = LabService(
            name=API_SERVICE,
            addresses=lab.service_addresses(1)[:1],
            port=443,
            target_port=self._port,
            protocols=("TCP",),
            plain_endpoints=(address,),
        )
        lab.add_service(service)

    def start_agents(self) -> None:
        for node in self.cluster.lab.nodes:
            relay = Relay(node.place, (host(), self._port))
            self._exit.callback(relay.close)
            kubeconfig = self._folder / f"{node.name}.kubeconfig"
            kubeconfig.touch(mode=0o600)
            kubeconfig.write_text(self._headquarters.kubeconfig(node.name))
            self._start_agent(node, kubeconfig)

    def _start_agent(self, node: LabNode, kubeconfig: Path) -> None:
        places = ["--socket", str(self._socket(node)), "--state", str(self._folder / f"state-{node.name}")]
        arguments = ["agent", "--node", node.name, "--kubeconfig", str(kubeconfig), *places]
        process = Process(f"agent-{node.name}", arguments, folder=self._folder, place=node.place)
        self.commands.append(" ".join(["atoll", *arguments]).replace(f"{self._folder}/", ""))
        self._exit.callback(process.end)
        self._agents.append(process)

    def _socket(self, node: LabNode) -> Path:
        return self._folder / f"{node.name}.sock"

    def last_lines(self) -> str:
        """Of the agents' logs."""
        return "\n".join(agent.last_lines() for agent in self._agents)

    def attach_pods(self) -> None:
        """As the container runtimes of both nodes do, at the same time; then the kubelets report."""
        uids = self._headquarters.pod_uids()
        pods = self.cluster.pods
        with ThreadPoolExecutor() as threads:
            sockets = [self._socket(pod.node) for pod in pods]
            list(threads.map(attach, pods, sockets, [uids[pod.name] for pod in pods]))
        self._headquarters.report_pods(self._addresses())
        self.cluster.add_services()
        self.cluster.lab.start_kube_proxy()

    def _addresses(self) -> Mapping[str, Sequence[str]]:
        pods = self.cluster.lab.pods.values()
        return {pod.name: [str(address) for address in pod.addresses] for pod in pods}

    def close(self) -> None:
        self._exit.close()
        shutil.rmtree(self._folder, ignore_errors=True)
