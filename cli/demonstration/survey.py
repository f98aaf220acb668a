"""Every question that the demo asks, each with the answer that the declarations promise.

What is promised follows from the reachability of the commit and from the table of 'who answers at an
address'; nothing here looks at nodes, rules or routes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Final

from cli.demonstration.checks import Mark, Question
from cli.demonstration.cluster import NODE_PORT, PORT, Cluster
from cli.lab.lab import LabNode, LabPod, LabService
from cli.lab.traffic import Address, Probe
from compiler.model import Egress
from compiler.names import ObjectName
from compiler.reachability import Reachability

NODE: Final = "node"
BY_ADDRESS: Final = "pods, by address"
BY_SERVICE: Final = "pods, by Service"
INFRASTRUCTURE: Final = "infrastructure"
NODES: Final = "nodes and outside"
FORGED: Final = "forged source"
API_SERVER: Final = "API server"
_PORT: Final = 8080
_PATIENCE: Final = 10.0
"""Seconds until an answer that was promised is missing: an emulated processor may be slow."""
_QUIET_SECONDS: Final = 3.0
"""Until it is believed that none comes, where none was promised."""


def short(name: str) -> str:
    return name.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True, slots=True)
class Client:
    """Who asks. `network` None: the default network, or the node itself."""

    title: str
    node: LabNode
    pod: LabPod | None
    network: ObjectName | None

    def probe(self, address: Address, protocol: str, port: int, promised: Mark) -> Probe:
        return Probe(
            start=self.pod.place if self.pod else self.node.place,
            address=address,
            protocol=protocol,
            port=port,
            patience=_QUIET_SECONDS if promised is Mark.SILENT else _PATIENCE,
        )


class Survey:
    def __init__(self, cluster: Cluster, reachability: Reachability) -> None:
        self._cluster = cluster
        self._reach = {network.name: network for network in reachability.networks}
        self._networks = {pod.name: cluster.network_of(pod) for pod in cluster.pods}
        pods = (*cluster.pods, cluster.plain)
        self._clients = tuple(
            Client(title=short(p.name), node=p.node, pod=p, network=self._networks.get(p.name)) for p in pods
        )
        first = cluster.lab.nodes[0]
        self._node = Client(title=NODE, node=first, pod=None, network=None)

    @property
    def groups(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Networks with their pods: the columns."""
        columns: dict[str, list[str]] = {}
        for client in self._clients:
            columns.setdefault(client.network.name if client.network else "default", []).append(client.title)
        return (*((network, tuple(titles)) for network, titles in columns.items()), (NODE, (NODE,)))

    def questions(self) -> Iterator[Question]:
        yield from self._pods()
        yield from self._services()
        yield from self._infrastructure()
        yield from self._nodes()
        yield from self._forgeries()

    def _may_talk(self, one: ObjectName | None, other: ObjectName | None) -> bool:
        if one is None or other is None:
            return False
        return one == other or any(peer.name == other for peer in self._reach[one].peers)

    def _pods(self) -> Iterator[Question]:
        for target in (*self._cluster.pods, self._cluster.plain):
            for client in (*self._clients, self._node_of(target)):
                if client.pod is target:
                    continue
                for address, protocol in product(target.addresses, ("TCP", "UDP", "ICMP")):
                    promised, answerer = self._promise(client, target, address)
                    yield Question(
                        section=BY_ADDRESS,
                        target=short(target.name),
                        client=client.title,
                        probe=client.probe(address, protocol, _PORT, promised),
                        promised=promised,
                        answerers=frozenset({answerer}),
                    )

    def _node_of(self, pod: LabPod) -> Client:
        """The kubelet is a process of the pod's own node."""
        return Client(title=NODE, node=pod.node, pod=None, network=None)

    def _promise(self, client: Client, target: LabPod, address: Address) -> tuple[Mark, str]:
        if client.pod is None:
            return Mark.REACHED, target.name
        theirs = self._networks.get(target.name)
        if client.network is None:
            return Mark.SILENT, ""
        if self._may_talk(client.network, theirs):
            return Mark.REACHED, target.name
        for pod in self._cluster.pods:
            if address in pod.addresses and self._may_talk(client.network, self._networks[pod.name]):
                return Mark.OTHER, pod.name
        # An address of nobody that it may talk to is outside; who has egress may ask there, in vain.
        leaves = self._reach[client.network].egress is Egress.SNAT and theirs is not None
        return (Mark.SILENT if leaves else Mark.REFUSED), ""

    def _services(self) -> Iterator[Question]:
        services = self._cluster.lab.services.values()
        for service in (one for one in services if one.port == PORT):
            for client in (*self._clients, self._node):
                visible = {
                    pod.name
                    for pod in service.pods
                    if self._may_talk(client.network, self._networks[pod.name])
                }
                promised = Mark.REACHED if visible else Mark.REFUSED
                yield from self._at((BY_SERVICE, short(service.name)), client, service, promised, visible)

    def _infrastructure(self) -> Iterator[Question]:
        services = self._cluster.lab.services
        named = {
            "dns": ("cluster DNS", services["kube-system/kube-dns"]),
            "api": (API_SERVER, services["default/kubernetes"]),
        }
        for (name, (title, service)), client in product(named.items(), (*self._clients, self._node)):
            listed = client.network is None or name in self._reach[client.network].infrastructure
            promised = Mark.REACHED if listed else Mark.REFUSED
            yield from self._at((INFRASTRUCTURE, title), client, service, promised, {name})

    def _at(
        self, row: tuple[str, str], client: Client, service: LabService, promised: Mark, answerers: set[str]
    ) -> Iterator[Question]:
        for address, protocol in product(service.addresses, service.protocols):
            yield Question(
                section=row[0],
                target=row[1],
                client=client.title,
                probe=client.probe(address, protocol, service.port, promised),
                promised=promised,
                answerers=frozenset(answerers),
            )

    def _nodes(self) -> Iterator[Question]:
        outside = tuple(self._cluster.lab.outside.values())
        for client in (*self._clients, self._node):
            other = next(node for node in self._cluster.lab.nodes if node is not client.node)
            free = client.network is None
            leaves = client.network is None or self._reach[client.network].egress is Egress.SNAT
            if client.pod is not None:
                yield from self._place(client, "its own node", client.node.addresses, free, client.node.name)
            yield from self._place(client, "another node", other.addresses, free, other.name)
            yield from self._place(client, "a node port", client.node.addresses, False, "", port=NODE_PORT)
            yield from self._place(client, "outside", outside, leaves, "outside")

    def _place(
        self,
        client: Client,
        title: str,
        addresses: tuple[Address, ...],
        reached: bool,
        answerer: str,
        *,
        port: int = _PORT,
    ) -> Iterator[Question]:
        promised = Mark.REACHED if reached else Mark.REFUSED
        # Refusals differ by protocol: a reset, or an ICMP error. Where it is reached, TCP tells enough.
        for address, protocol in product(addresses, ("TCP",) if reached else ("TCP", "UDP")):
            yield Question(
                section=NODES,
                target=title,
                client=client.title,
                probe=client.probe(address, protocol, port, promised),
                promised=promised,
                answerers=frozenset({answerer}),
            )

    def _forgeries(self) -> Iterator[Question]:
        """Each pod writes to one that it may reach, in the name of a third that may reach it as well."""
        for client in self._clients:
            if client.pod is None or client.network is None:
                continue
            target, victim = self._forgery_of(client)
            for address in target.addresses:
                yield Question(
                    section=FORGED,
                    target=FORGED,
                    client=client.title,
                    probe=Probe(
                        start=client.pod.place,
                        address=address,
                        protocol="UDP",
                        port=_PORT,
                        source=victim.address(address.version),
                    ),
                    promised=Mark.SILENT,
                    forged=True,
                )

    def _forgery_of(self, client: Client) -> tuple[LabPod, LabPod]:
        """Whom to write to, and in whose name: of one who may do so, lest anything else be wrong with it."""
        others = [pod for pod in self._cluster.pods if pod is not client.pod]
        target = next(pod for pod in others if self._may_talk(client.network, self._networks[pod.name]))
        theirs = self._networks[target.name]
        victims = (pod for pod in others if pod is not target)
        return target, next(pod for pod in victims if self._may_talk(theirs, self._networks[pod.name]))
