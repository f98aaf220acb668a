"""The demo's cluster: pods and Services for the networks of the template, on two nodes.

`shop/storefront` and `analytics/reports` have the same subnets on purpose, so that two pods of
different nodes end up with one address.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

from cli.lab.lab import (
    ECHO_PORTS,
    FOREIGN_RULE,
    NODE_RANGES,
    POD_RANGES,
    SERVICE_RANGES,
    Lab,
    LabNamespace,
    LabNode,
    LabPod,
    LabService,
)
from compiler.names import ObjectName

PODS: Final = (
    ("shared-services/git", 1, None),
    ("shop/web-1", 1, None),
    ("shop/web-2", 2, None),
    ("payments/pay", 2, None),
    ("analytics/etl", 2, "warehouse"),
    ("analytics/bi-1", 1, "reports"),
    ("analytics/bi-2", 2, "reports"),
)
"""Name, number of the node, annotation of the pod where its namespace has none."""
SERVICES: Final = {
    "shared-services/git": ("shared-services/git",),
    "shop/web": ("shop/web-1", "shop/web-2"),
    "payments/pay": ("payments/pay",),
    "analytics/etl": ("analytics/etl",),
    "analytics/bi": ("analytics/bi-1", "analytics/bi-2"),
}
PORT: Final = 80
NODE_PORT: Final = 30080
"""Of shop/web: closed, because its pods are in a network."""
NAMESPACES: Final = {
    "shared-services": LabNamespace(network="platform"),
    "shop": LabNamespace(network="storefront"),
    "payments": LabNamespace(network="ledger"),
    "analytics": LabNamespace(),
}
TABLE: Final = "inet atoll"
_FOREIGN: Final = f"route show table main\nlink show group default\nrule show pref {FOREIGN_RULE}\n"
PLAIN: Final = "default/plain-1"
"""A pod of the default network."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """What a node's kernel holds, as text to compare."""

    ruleset: str
    """Atoll's table, without counters; "" where there is none."""
    foreign: str
    """Tables, links, routes and rules that are not Atoll's."""


class Cluster:
    def __init__(self, prefix: str) -> None:
        self.lab = Lab(nodes=2, prefix=prefix)
        try:
            self._populate()
        except BaseException:
            self.close()
            raise

    def _populate(self) -> None:
        lab = self.lab
        lab.namespaces.update(NAMESPACES)
        for name, node, network in PODS:
            pod = lab.add_pod(name, lab.nodes[node - 1], network=network)
            lab.traffic.listen(pod.place, name, ECHO_PORTS)
        self.pods = tuple(lab.pods[name] for name, _node, _network in PODS)
        self.plain = lab.pods[PLAIN]

    def add_services(self) -> None:
        """As their endpoints become ready: when the pods have addresses."""
        for index, (name, pods) in enumerate(SERVICES.items()):
            service = LabService(
                name=name,
                addresses=self.lab.service_addresses(20 + index),
                port=PORT,
                target_port=8080,
                pods=[self.lab.pods[pod] for pod in pods],
                node_port=NODE_PORT if name == "shop/web" else None,
            )
            self.lab.add_service(service)

    def network_of(self, pod: LabPod) -> ObjectName | None:
        """None: the default network."""
        namespace = pod.name.partition("/")[0]
        chosen = pod.network or self.lab.namespaces[namespace].network
        return ObjectName.parse(chosen, default_namespace=namespace) if chosen else None

    def rulesets(self) -> dict[str, str]:
        """Atoll's table on each node, as nft lists it, without counters."""
        return self._of_nodes(lambda node: node.place.run("nft", "-s", "list", "table", *TABLE.split()))

    def states(self) -> dict[str, State]:
        return self._of_nodes(_state)

    def _of_nodes(self, look: Callable[[LabNode], T]) -> dict[str, T]:
        with ThreadPoolExecutor() as threads:
            nodes = self.lab.nodes
            return dict(zip((node.name for node in nodes), threads.map(look, nodes), strict=True))

    def close(self) -> None:
        self.lab.close()


def _state(node: LabNode) -> State:
    """By few processes: each takes its time on an emulated processor."""
    tables = node.place.run("nft", "-s", "list", "ruleset")
    start = tables.find(f"table {TABLE} {{\n")
    end = tables.index("\n}\n", start) + 3 if start >= 0 else start
    rest = [node.place.run("ip", f"-{version}", "-batch", "-", text=_FOREIGN) for version in (4, 6)]
    # The kernel lists the route that comes with an address of Atoll's host links.
    foreign = [line for line in "".join(rest).splitlines(keepends=True) if " dev hh" not in line]
    own = tables[start:end]
    return State(ruleset=own, foreign=tables.replace(own, "") + "".join(foreign))


def with_own_ranges(cluster_yaml: str) -> str:
    """The template's ClusterConfig with the ranges of the lab."""
    lines = cluster_yaml.split("\n")
    own = {"podRanges": POD_RANGES, "serviceRanges": SERVICE_RANGES, "nodeRanges": NODE_RANGES}
    for key, ranges in own.items():
        start = lines.index(f"  {key}:") + 1
        end = start
        while lines[end].startswith("    - "):
            end += 1
        lines[start:end] = [f"    - {ranges[version]}" for version in (4, 6)]
    return "\n".join(lines)
