"""What each sender may, as maps of what is due: a network's pods, the default network, a node's processes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Final, TypeAlias

from compiler.model import Address, Prefix
from compiler.names import DEFAULT_NETWORK, NetworkNumber, NodeName
from verifier.due import Claim, Due, DueMap, Painting
from verifier.meaning import Answer, Answers, Meaning, MeantNetwork
from verifier.passage import Shared
from verifier.service_meaning import Closure

NOBODYS: Final[tuple[Prefix, ...]] = (
    IPv4Network("0.0.0.0/8"),
    IPv4Network("127.0.0.0/8"),
    IPv4Network("169.254.0.0/16"),
    IPv4Network("224.0.0.0/3"),
    IPv6Network("::/127"),
    IPv6Network("fe80::/10"),
    IPv6Network("ff00::/8"),
)
"""No address of one host anywhere (RFC 6890): not in a network, and not outside the cluster."""

LOOPBACK: Final[tuple[Prefix, ...]] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
Here: TypeAlias = tuple[Address, ...]
"""Addresses that a node has outside VRFs, those of host links included."""

REFUSED: Final = Claim(due=Due.REFUSED)
UNREACHED: Final = Claim(due=Due.UNREACHED)
UNSENT: Final = Claim(due=Due.UNSENT)
UNTOUCHED: Final = Claim(due=Due.UNTOUCHED)
CONTESTED: Final = Claim(due=Due.CONTESTED)
NODES_END: Final = Claim(due=Due.NODES_END)
INSIDE_END: Final = Claim(due=Due.INSIDE_END)
EGRESS: Final = Claim(due=Due.EGRESS)
INFRASTRUCTURE: Final = Claim(due=Due.INFRASTRUCTURE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rights:
    """The maps of one meaning, each painted once."""

    meaning: Meaning
    shared: Shared = field(default_factory=Shared)
    """What the kernels of nodes have in common."""
    _of_networks: dict[tuple[NodeName | None, NetworkNumber, int], DueMap] = field(default_factory=dict)
    _of_host_links: dict[tuple[NetworkNumber, int], DueMap] = field(default_factory=dict)
    _of_everyone: dict[tuple[str, int], DueMap] = field(default_factory=dict)

    def of_network(self, network: NetworkNumber, node: NodeName, family: int) -> DueMap:
        """Of the network's pods on a node. Nodes differ only where Services answer locally."""
        answers = self.meaning.answers(node, network)
        key = (node if self.meaning.services.local_only else None, network, family)
        if key not in self._of_networks:
            self._of_networks[key] = _of_network(
                self.meaning, self.meaning.networks[network], answers, family
            )
        return self._of_networks[key]

    def of_outsider(self, node: NodeName, family: int, here: Here = ()) -> DueMap:
        """Of whoever comes to the node by a device that is not ours. `here`: the node's addresses."""
        painting = self._of_others("outsider", node, family, here)
        for place, answer in self.meaning.answers(node, DEFAULT_NETWORK).items():
            painting.port(place.address, place.protocol, place.port, _service(answer))
        return painting.finished()

    def of_process(self, node: NodeName, family: int, here: Here = ()) -> DueMap:
        """Of the node's own processes, its pods aside."""
        return self._of_others("process", node, family, here).finished()

    def _of_others(self, who: str, node: NodeName, family: int, here: Here) -> Painting:
        """What is the same on every node is painted once."""
        key = (who, family)
        if key not in self._of_everyone:
            self._of_everyone[key] = _of_everyone(self.meaning, who, family)
        painting = Painting(family, self._of_everyone[key])
        _host_links(self.meaning, node, UNREACHED if who == "process" else INSIDE_END, painting)
        for address in here:
            for protocol, port in self.meaning.services.closed_ports:
                painting.port(address, protocol, port, REFUSED)
        return painting

    def of_host_link(self, network: NetworkNumber, family: int, here: Here = ()) -> DueMap:
        """Of a network's packets once they have left its VRF by the host link."""
        meant, key = self.meaning.networks[network], (network, family)
        if key not in self._of_host_links:
            self._of_host_links[key] = _of_host_link(self.meaning, meant, family)
        if not meant.may_leave:
            return self._of_host_links[key]
        painting = Painting(family, self._of_host_links[key])
        for address in here:
            if address not in self.meaning.services.closed:
                painting.address(address, UNSENT)
        return painting.finished()


def _of_network(meaning: Meaning, network: MeantNetwork, answers: Answers, family: int) -> DueMap:
    config, painting = meaning.config, Painting(family)
    painting.everything(REFUSED)
    if network.may_leave and family in network.versions:
        painting.everything(EGRESS)
    painting.ranges(_inside(meaning, network), REFUSED)
    painting.ranges(NOBODYS, UNREACHED)
    for number in sorted(network.reach):
        for node, prefixes in meaning.networks[number].blocks.items():
            if node in meaning.nodes:
                painting.ranges(prefixes, Claim(due=Due.BLOCK, network=number, node=node))
    for link in (config.host_links_v4, config.host_links_v6):
        painting.address(link.network_address + 2 * network.number, NODES_END)
        painting.address(link.network_address + 2 * network.number + 1, UNREACHED)
    _infrastructure(painting, meaning, network)
    for place, answer in answers.items():
        painting.port(place.address, place.protocol, place.port, _service(answer))
    return painting.finished()


def _service(answer: Answer) -> Claim:
    backends = frozenset((int(address), port) for address, port in answer.backends)
    return Claim(due=Due.SERVICE, service=answer.service, backends=backends)


def _inside(meaning: Meaning, network: MeantNetwork) -> Iterator[Prefix]:
    """Where the network's egress never leads: the cluster's ranges, and subnets that it has routes for."""
    config = meaning.config
    yield from (*config.pod_ranges, *config.service_ranges, *config.node_ranges)
    yield from (config.host_links_v4, config.host_links_v6)
    for number in network.reach:
        yield from (subnet.prefix for subnet in meaning.networks[number].declared.subnets)


def _of_host_link(meaning: Meaning, network: MeantNetwork, family: int) -> DueMap:
    """What was let out goes on; nothing else comes this way. On a node whose own addresses are nowhere."""
    painting = Painting(family)
    painting.everything(UNTOUCHED if network.may_leave else UNSENT)
    painting.ranges(_inside(meaning, network), UNSENT)
    painting.ranges(NOBODYS, UNSENT)
    for address in meaning.services.closed if network.may_leave else ():
        painting.address(address, REFUSED)
    for place in network.infrastructure:
        claim = CONTESTED if place.address in meaning.services.closed else UNTOUCHED
        painting.port(place.address, place.protocol, place.port, claim)
    return painting.finished()


def _infrastructure(painting: Painting, meaning: Meaning, network: MeantNetwork) -> None:
    """An endpoint that is said to be where a network has its pods has no place of its own."""
    subnets = [s.prefix for number in network.reach for s in meaning.networks[number].declared.subnets]
    contested = {
        place.address
        for place in network.infrastructure
        if any(place.address in subnet for subnet in subnets)
    }
    for address in contested:
        painting.address(address, CONTESTED)
    for place in network.infrastructure:
        claim = CONTESTED if place.address in contested else INFRASTRUCTURE
        painting.port(place.address, place.protocol, place.port, claim)


def _of_everyone(meaning: Meaning, who: str, family: int) -> DueMap:
    painting = Painting(family)
    painting.everything(UNTOUCHED)
    painting.ranges(LOOPBACK, UNSENT)
    for address, closure in meaning.services.closed.items():
        painting.address(address, _closed(closure, who))
    return painting.finished()


def _closed(closure: Closure, who: str) -> Claim:
    """The node's own go on to kube-proxy where the default network has endpoints as well."""
    if who == "process" and any(closure.mixed):
        return UNTOUCHED if all(closure.mixed) else CONTESTED
    return REFUSED


def _host_links(meaning: Meaning, node: NodeName, claim: Claim, painting: Painting) -> None:
    """The far ends of the links are the networks': nobody talks to them."""
    for number in sorted(meaning.nodes[node].present):
        for link in _links(meaning, number):
            painting.address(link.network_address + 2 * number + 1, claim)


def _links(meaning: Meaning, number: NetworkNumber) -> Iterable[IPv4Network | IPv6Network]:
    config, versions = meaning.config, meaning.networks[number].versions
    return [link for link in (config.host_links_v4, config.host_links_v6) if link.version in versions]
