"""A lab with Atoll on it: declarations become plans, plans become the kernel's state, pods get attached.

`settle` does what controller, agents and kubelets do together until nothing changes any more: compile,
apply on every node, attach waiting pods, report their addresses, and once more with the addresses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Protocol

import pytest

from cli.lab.check import PATIENCE, Check, Expected, run_checks, wrong
from cli.lab.lab import ECHO_PORTS, Lab, LabNode, LabPod
from cli.lab.namespace import Namespace
from cli.lab.objects import inventory_json
from cli.lab.traffic import Address, Probe
from compiler.allocations import Allocations
from compiler.compilation import Compilation, compile
from compiler.inventory import Inventory
from compiler.kubectl import read_inventory
from compiler.model import Declarations
from compiler.names import ObjectName
from compiler.parse import parse
from compiler.plan import NodePlan
from tests.kernel.meaning import may_talk
from tests.kernel.node_agent import NodeAgent

CLUSTER = """\
apiVersion: atoll.dev/v1alpha1
kind: ClusterConfig
metadata: {name: cluster}
spec:
  podRanges: [10.244.0.0/16, "fd00:10:244::/56"]
  serviceRanges: [10.96.0.0/16, "fd00:10:96::/112"]
  nodeRanges: [172.18.0.0/16, "fd00:172:18::/64"]
  dns: {service: kube-system/kube-dns}
  api: {service: default/kubernetes}
"""
PROTOCOLS = ("TCP", "UDP", "ICMP")


class Agent(Protocol):
    """Of one node; in this process (NodeAgent) or in its own (AgentProcess)."""

    def apply(self, plan: NodePlan) -> object:
        """Return when the plan is in force."""
        ...

    def add(self, pod: LabPod) -> None:
        """CNI ADD; the pod's addresses are then known."""
        ...

    def close(self) -> None: ...


class World:
    def __init__(self, folder: Path, *, nodes: int = 2, versions: tuple[int, ...] = (4, 6)) -> None:
        self.lab = Lab(nodes=nodes, versions=versions)
        self.cluster = CLUSTER
        self.declarations: Declarations
        self.allocations = Allocations()
        self.foreign: dict[str, tuple[str, str]] = {}
        """Of each node, what is not Atoll's: before the first plan, and just after it."""
        self.compilation: Compilation | None = None
        self.agents: Mapping[str, NodeAgent] = {}
        self._agents = self._started(folder)

    def _started(self, folder: Path) -> Mapping[str, Agent]:
        self.agents = {node.name: NodeAgent(node, folder) for node in self.lab.nodes}
        return self.agents

    @property
    def nodes(self) -> tuple[LabNode, ...]:
        return self.lab.nodes

    def declare(self, text: str) -> None:
        """The network declarations, all of them, as YAML."""
        files = {"cluster.yaml": self.cluster.encode(), "networks.yaml": text.encode()}
        parsed = parse(files, revision="")
        assert parsed.declarations is not None, [str(problem) for problem in parsed.problems]
        self.declarations = parsed.declarations

    def pod(self, name: str, node: int, *, network: str | None = None) -> LabPod:
        """A pod that listens on its echo ports; attached by the next `settle`. Nodes count from 1."""
        pod = self.lab.add_pod(name, self.nodes[node - 1], network=network)
        self.lab.traffic.listen(pod.place, name, ECHO_PORTS)
        return pod

    def settle(self, *, attach: bool = True) -> Compilation:
        compilation = self.apply()
        waiting = [pod for pod in self.lab.pods.values() if not pod.addresses]
        if not attach or not waiting:
            return compilation
        for pod in waiting:
            self._agents[pod.node.name].add(pod)
        return self.apply()

    def apply(self) -> Compilation:
        """kube-proxy and Atoll take the cluster's state as it is now."""
        self.lab.start_kube_proxy()
        first = {} if self.foreign else {node.name: self.lab.foreign_state(node) for node in self.nodes}
        compilation = self.compile()
        for name, plan in compilation.plans.items():
            self._agents[name].apply(plan)
        for node in self.nodes if first else ():
            self.foreign[node.name] = (first[node.name], self.lab.foreign_state(node))
        self.confirm()
        return compilation

    def compile(self) -> Compilation:
        compilation = compile(self.declarations, self.inventory(), self.allocations)
        errors = [str(problem) for problem in compilation.problems]
        assert not compilation.refused, errors
        self.allocations = compilation.allocations
        self.compilation = compilation
        return compilation

    def confirm(self) -> None:
        """Every node has applied the last plans: what was retired is free."""
        self.allocations = replace(self.allocations, confirmed=self.allocations.generation)

    def inventory(self) -> Inventory:
        inventory, problems = read_inventory(inventory_json(self.lab))
        assert not problems, problems
        return inventory

    def network_of(self, pod: LabPod) -> ObjectName | None:
        """By its annotation, else its namespace's; None: the default network."""
        namespace = pod.name.partition("/")[0]
        chosen = pod.network or self.lab.namespaces[namespace].network
        return ObjectName.parse(chosen, default_namespace=namespace) if chosen else None

    def network_pods(self) -> list[LabPod]:
        return [pod for pod in self.lab.pods.values() if self.network_of(pod) is not None]

    def answerer(self, source: LabPod, address: Address) -> LabPod | None:
        """Who must answer `source` at an address, by what was declared; None: it must be refused."""
        namespaces = self.labels()
        mine = self.network_of(source)
        for pod in self.network_pods():
            theirs = self.network_of(pod)
            if address not in pod.addresses or mine is None or theirs is None:
                continue
            if may_talk(self.declarations, namespaces, mine, theirs):
                return pod
        return None

    def labels(self) -> dict[str, dict[str, str]]:
        return {
            name: {"kubernetes.io/metadata.name": name, **namespace.labels}
            for name, namespace in self.lab.namespaces.items()
        }

    def pair_checks(
        self,
        sources: Iterable[LabPod],
        targets: Iterable[LabPod],
        *,
        protocols: Sequence[str] = PROTOCOLS,
    ) -> Iterator[Check]:
        """Every source to every address of every other target, as declared."""
        for source, target in product(sources, list(targets)):
            for address in target.addresses:
                answerer = self.answerer(source, address)
                expected = self._expected(source, address, answerer)
                if source is not target:
                    yield from checks_to(
                        source.place,
                        f"{source.name} -> {target.name}",
                        [address],
                        port=8080,
                        expected=expected,
                        by=answerer.name if answerer else "",
                        protocols=protocols,
                    )

    def _expected(self, source: LabPod, address: Address, answerer: LabPod | None) -> Expected:
        """An address of an own or a peer's subnet that no pod of those has promises no answer at all."""
        if answerer is not None:
            return Expected.REACHED
        mine = self.network_of(source)
        namespaces = self.labels()
        within = (
            network
            for network in self.declarations.networks
            if any(address in subnet.prefix for subnet in network.subnets)
        )
        own = any(mine and may_talk(self.declarations, namespaces, mine, network.name) for network in within)
        return Expected.UNREACHED if own else Expected.REFUSED

    def check(self, checks: Iterable[Check]) -> None:
        """Fails with every check that does not hold, in words."""
        seen = run_checks(self.lab.traffic, checks)
        assert seen, "nothing was checked"
        if complaints := wrong(seen):
            shown = "\n".join(complaints[:40])
            pytest.fail(f"{len(complaints)} of {len(seen)} checks do not hold:\n{shown}", pytrace=False)

    def close(self) -> None:
        for agent in self._agents.values():
            agent.close()
        self.lab.close()


def checks_to(
    start: Namespace,
    title: str,
    addresses: Iterable[Address],
    *,
    port: int,
    expected: Expected,
    by: str = "",
    protocols: Sequence[str] = ("TCP", "UDP"),
) -> list[Check]:
    """One expectation of several addresses and protocols."""
    return [
        Check(
            title=title,
            probe=Probe(
                start=start, address=address, protocol=protocol, port=port, patience=PATIENCE[expected]
            ),
            expected=expected,
            by=by,
        )
        for address, protocol in product(addresses, protocols)
    ]
