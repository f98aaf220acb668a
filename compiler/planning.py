"""Node plans: a node gets what its pods' networks need, and nothing else.

Present are the networks with pods here, carried those that a present one may talk to. Of a carried
network only what judges its packets matters: its blocks, and the present networks among its peers.
Everything else in a plan follows from these: remote nodes have blocks of a network here, Services
have backends that a present network may reach. Remote nodes are mutual: a block that its pods have left
still counts elsewhere as a sender's, and so its node keeps forged VXLAN packets from there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import compress
from typing import Final

from compiler.asked import Asked
from compiler.model import ClusterConfig, Egress, Prefix
from compiler.names import DEFAULT_NETWORK, NetworkNumber, NodeNumber, ObjectName
from compiler.network_table import WholeNetwork
from compiler.placement import Seat
from compiler.plan import Datapath, NetworkPlan, PodBinding, Presence, RemoteNode

Networks = Mapping[NetworkNumber, WholeNetwork]


def datapath_of(config: ClusterConfig) -> Datapath:
    host_links: tuple[Prefix, ...] = (config.host_links_v4, config.host_links_v6)
    return Datapath(
        number_base=config.number_base,
        vxlan_port=config.vxlan_port,
        mtu=config.mtu,
        host_links_v4=config.host_links_v4,
        host_links_v6=config.host_links_v6,
        service_ranges=config.service_ranges,
        cluster_ranges=(*config.pod_ranges, *config.service_ranges, *config.node_ranges, *host_links),
    )


@dataclass(slots=True)
class NetworkPlanner:
    """Networks on nodes; equal carried variants are one value."""

    networks: Networks
    _carried: dict[tuple[NetworkNumber, frozenset[NetworkNumber]], NetworkPlan] = field(default_factory=dict)

    def visible_from(self, present: frozenset[NetworkNumber]) -> frozenset[NetworkNumber]:
        """The networks that a node holds: present and carried."""
        return present.union(*(self.networks[number].peers for number in present))

    def plans(
        self,
        present: frozenset[NetworkNumber],
        visible: frozenset[NetworkNumber],
        kept: Mapping[NetworkNumber, NetworkPlan],
    ) -> tuple[NetworkPlan, ...]:
        """By number; `kept` are known to be as they must be."""
        return tuple(
            kept.get(number)
            or (self.networks[number].plan if number in present else self._carried_plan(number, present))
            for number in sorted(visible)
        )

    def nodes(self, visible: Iterable[NetworkNumber]) -> int:
        """The nodes with blocks of these networks, as a bit set."""
        nodes = 0
        for number in visible:
            nodes |= self.networks[number].nodes
        return nodes

    def _carried_plan(self, number: NetworkNumber, present: frozenset[NetworkNumber]) -> NetworkPlan:
        whole = self.networks[number]
        peers = whole.peers & present
        plan = self._carried.get((number, peers))
        if plan is None:
            plan = self._carried[number, peers] = replace(
                whole.plan,
                presence=Presence.CARRIED,
                egress=Egress.NONE,
                peers=tuple(sorted(peers)),
                infrastructure=(),
            )
        return plan


def remote_table(remotes: Collection[RemoteNode]) -> tuple[RemoteNode | None, ...]:
    """By node number."""
    table: list[RemoteNode | None] = [None] * (max((remote.number for remote in remotes), default=0) + 1)
    for remote in remotes:
        table[remote.number] = remote
    return tuple(table)


def remotes_in(nodes: int, own: NodeNumber, table: Iterable[RemoteNode | None]) -> tuple[RemoteNode, ...]:
    """The members of a bit set of node numbers, by number, without the node itself."""
    digits = bin(nodes & ~(1 << own))[:1:-1]  # the lowest number first
    return tuple(filter(None, compress(table, digits.encode().translate(_DIGITS))))


_DIGITS: Final = bytes.maketrans(b"01", b"\0\1")


def bindings_of(
    seats: Mapping[ObjectName, Seat], numbers: Mapping[ObjectName, NetworkNumber], asked: Asked
) -> tuple[PodBinding, ...]:
    """The node's pods, by name."""
    return tuple(
        _binding(pod, seats[pod], numbers, asked)
        for pod in sorted(seats, key=lambda pod: (pod.namespace, pod.name))
    )


def _binding(
    pod: ObjectName, seat: Seat, numbers: Mapping[ObjectName, NetworkNumber], asked: Asked
) -> PodBinding:
    membership = seat.membership
    refusal = membership.refusal or asked.refusals.get(pod)
    if refusal is not None:
        return PodBinding(name=pod, uid=seat.uid, network=None, refusal=str(refusal))
    number = numbers[membership.network] if membership.network else DEFAULT_NETWORK
    return PodBinding(name=pod, uid=seat.uid, network=number, addresses=asked.granted.get(pod, ()))
