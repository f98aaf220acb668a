"""Can A reach B? One packet is followed through the nodes by the verifier, and its answer back again.

What the packet does and what is declared are found out apart, by different code; where they differ, the
answer says so. For a network stands one of its pods.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from msgspec import structs

from compiler.device_names import outside_address
from compiler.inventory import Pod
from compiler.model import Address
from compiler.names import NodeName, ObjectName
from review.explain_answer import Answer, Family, Way
from review.explain_ends import End, EndKind, Unclear
from review.explain_ground import Ground
from review.explain_reasons import Declared, Judge
from review.explain_steps import steps_of
from review.headline import some
from verifier.address_text import address_text
from verifier.cluster import Cluster, Place
from verifier.due import Claim
from verifier.intervals import contains
from verifier.journey import Journey, answers, follow
from verifier.outcome import Fate
from verifier.packets import Packet
from verifier.rights import Rights
from verifier.ruleset import PROTOCOLS
from verifier.seating import Outside

DEFAULT_PORT = ("tcp", 443)
_CLIENT_PORTS = (40000, 40001)
"""Of a client, as Linux chooses it (ip_local_port_range); the VXLAN port is at most one of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    source: str
    target: str
    """As people write them (`review.explain_ends`)."""
    port: tuple[str, int] | None = None
    """Protocol (`tcp`, `udp`, `sctp`) and port. None: a Service's first, or DEFAULT_PORT."""


def explain(ground: Ground, question: Question) -> Answer:
    """Raises Unclear."""
    directory = ground.directory
    source = directory.find(question.source)
    target = directory.find(question.target, source)
    if source.kind is EndKind.SERVICE:
        raise Unclear(f"{question.source}: a Service sends nothing. Name a pod.")
    if source.kind is EndKind.ADDRESS and source.network is not None:
        raise Unclear(f"{question.source}: no pod has this address, so nobody sends from it. Name a pod.")
    if any(_is_of_many(address) for address in source.addresses):
        raise Unclear(f"{question.source}: it is of many, so nobody sends from it. Name a pod or a node.")
    return _Inquiry(ground, source, target, question.port or _port(target)).answer()


def _is_of_many(address: Address) -> bool:
    return address.is_multicast or address == IPv4Address("255.255.255.255")


def _port(target: End) -> tuple[str, int]:
    if target.service is not None and target.service.ports:
        first = target.service.ports[0]
        return first.protocol.lower(), first.port
    return DEFAULT_PORT


class _Inquiry:
    def __init__(self, ground: Ground, source: End, target: End, port: tuple[str, int]) -> None:
        self.ground = ground
        self.named = source, target
        self.port = port
        self.notes: list[str] = []
        self.source = self._standing(source, None)
        self.target = self._standing(target, self.source)

    def answer(self) -> Answer:
        pairs = [
            (one, other)
            for version in (4, 6)
            for one in self._sources(version)[:1]
            for other in [address for address in self.target.addresses if address.version == version][:1]
        ]
        declared = self._declared(pairs)
        families = tuple(self._family(one, other) for one, other in pairs if self._has_way)
        answer = Answer(
            reaches=bool(families) and all(f.reaches for f in families) if self._has_way else declared.may,
            source=str(self.named[0]),
            target=str(self.named[1]),
            protocol=self.port[0],
            port=self.port[1],
            declared=declared.may,
            reasons=tuple(declared.reasons),
            remedies=() if declared.may else tuple(declared.remedies),
            families=families,
            notes=tuple(self.notes),
        )
        if answer.as_declared:
            return answer
        return structs.replace(answer, notes=(*answer.notes, *self._strangers()))

    def _strangers(self) -> Iterator[str]:
        """Running pods whose addresses no block has: what was allocated in the cluster is something else."""
        seats = self.ground.meaning.seats
        names = [
            str(pod.name)
            for pod in self.ground.inventory.pods.values()
            if pod.node is not None
            and pod.node in self.ground.meaning.nodes
            and pod.addresses
            and isinstance(seats.seat_of(pod), ObjectName)
            and not all(seats.owner_of(pod.node, address) for address in pod.addresses)
        ]
        if names:
            whose = f"pod {names[0]} has" if len(names) == 1 else f"pods {some(names)} have"
            yield (
                f"Running {whose} addresses that are in no block of their node here: other blocks are in "
                "force. Give them: --allocations FILE takes those of the controller."
            )

    # --- who stands for the two ends ---

    def _standing(self, end: End, beside: End | None) -> End:
        """A pod for a network; an address for a pod that has none yet."""
        same = beside.pod.name if beside is not None and beside.pod is not None else None
        if end.kind is EndKind.NETWORK:
            others = (pod for pod in self._pods_of(end) if pod.name != same)
            pods = sorted(others, key=lambda pod: self._rank(pod, beside))
            if not pods:
                which = "No other pod" if same else "No pod"
                self.notes.append(f"{which} of {end} runs, so there is no way to look at.")
                return end
            self.notes.append(f"For {end} stands its pod {pods[0].name} on {pods[0].node}.")
            end = self.ground.directory.of_pod(pods[0])
        if beside is not None and end.pod is not None and end.pod.name == same:
            return beside
        seated = self.ground.seated(end, beside)
        if seated is not end:
            shown = ", ".join(map(str, seated.addresses)) or "none is free"
            running = end.pod is not None and end.pod.addresses
            has = "addresses that are in no block of its node here" if running else "no address yet"
            self.notes.append(f"Pod {end.name} has {has}; judged by one it may get: {shown}.")
        return seated

    def _pods_of(self, end: End) -> Iterator[Pod]:
        seats = self.ground.meaning.seats
        for pod in self.ground.inventory.pods.values():
            if pod.node in self.ground.meaning.nodes and seats.seat_of(pod) == end.network:
                yield pod

    def _rank(self, pod: Pod, beside: End | None) -> tuple[bool, bool, str]:
        """A running pod, on another node, the first by name."""
        near = beside is not None and beside.node == pod.node
        return not pod.addresses, near, str(pod.name)

    @property
    def _has_way(self) -> bool:
        """Whether both ends are somewhere."""
        if Outside.WAITING in (self.source.seat, self.target.seat):
            return False
        if self.target.network is not None and self.target.node is None:
            return False
        return self._home is not None

    @property
    def _home(self) -> NodeName | None:
        """The node where the packet comes in."""
        nodes = self.ground.meaning.nodes
        if self.source.node is not None:
            return self.source.node if self.source.node in nodes else None
        if self.source.network is not None or self.source.kind is EndKind.POD:
            return None
        return self.target.node if self.target.node in nodes else min(nodes, default=None)

    def _sources(self, version: int) -> list[Address]:
        """Where its packets come from: a node's processes go to its own pods by their host links."""
        config, network = self.ground.meaning.config, self.target.network
        if self.source.kind is EndKind.NODE and network and self.source.node == self.target.node:
            links = config.host_links_v4 if version == 4 else config.host_links_v6
            return [outside_address(links, self.ground.numbers[network])]
        return [address for address in self.source.addresses if address.version == version]

    # --- what is declared ---

    def _declared(self, pairs: list[tuple[Address, Address]]) -> Declared:
        judge = Judge.of(self.ground.meaning)
        claims = [self._claim(other) for _, other in pairs] if self._home else []
        declared = judge.declared(self.source, self.target, claims, self.port)
        if not pairs and self._has_way:
            declared.may = False
            declared.because("the two have no address family in common")
        return declared

    def _claim(self, address: Address) -> Claim:
        meaning, home = self.ground.meaning, self._home
        assert home is not None
        rights = Rights(meaning=meaning)
        place = (PROTOCOLS[self.port[0]], self.port[1])
        if self.source.network is not None:
            number = self.ground.numbers[self.source.network]
            return rights.of_network(number, home, address.version).of(int(address), place)
        here = meaning.nodes[home].addresses
        own = self.source.kind is EndKind.NODE
        due = rights.of_process if own else rights.of_outsider
        return due(home, address.version, here).of(int(address), place)

    # --- what a packet does ---

    def _family(self, one: Address, other: Address) -> Family:
        packet = Packet(
            family=one.version,
            saddr=int(one),
            daddr=int(other),
            protocol=PROTOCOLS[self.port[0]],
            dport=self.port[1],
        )
        cluster, start, went = self._followed(packet)
        there = [(journey, self._arrives(journey, cluster)) for journey in went]
        back = [
            (journey, self._comes_back(journey, start))
            for gone, arrived in there
            if arrived
            for journey in answers(cluster, gone, traced=True)
            if contains(journey.packets.dport, self._client_port)
        ]
        ways = [tuple(self._way(j, cluster, fine) for j, fine in some) for some in (there, back)]
        return Family(
            version=one.version,
            source=str(one),
            target=str(other),
            reaches=bool(there) and all(way.arrives for some in ways for way in some),
            there=ways[0],
            back=ways[1],
        )

    @property
    def _client_port(self) -> int:
        return next(port for port in _CLIENT_PORTS if port != self.ground.meaning.config.vxlan_port)

    def _followed(self, packet: Packet) -> tuple[Cluster, Place, tuple[Journey, ...]]:
        """With the nodes that it comes to, found as it comes to them."""
        assert self._home is not None
        at = {node.underlay: name for name, node in self.ground.meaning.nodes.items()}
        numbers: dict[tuple[int, int], NodeName] = {
            (address.version, int(address)): name for address, name in at.items()
        }
        names = {self._home} | (
            {self.target.node} if self.target.node in self.ground.meaning.nodes else set()
        )
        while True:
            cluster = self.ground.cluster([name for name in names if name], (self.source, self.target))
            start = self._start(cluster)
            went = follow(cluster, start, packet)
            remotes = {numbers.get(j.outcome.remote) for j in went if j.outcome.remote is not None}
            if remotes - {None} <= names:
                return cluster, start, went
            names |= remotes

    def _start(self, cluster: Cluster) -> Place:
        assert self._home is not None
        if self.source.network is not None:
            port = self.ground.port_of(self.source, cluster)
            if port is None:
                raise Unclear(f"{self.named[0]}: node {self._home} holds no port of it, so it sends nothing.")
            return port
        if self.source.kind is EndKind.NODE:
            return Place(node=self._home, link=None)
        return self.ground.outside_of(self.source, self._home, cluster)

    def _arrives(self, journey: Journey, cluster: Cluster) -> bool:
        fate = journey.outcome.fate
        if self.target.network is not None:
            return (
                self.target.pod is not None
                and fate is Fate.PORT
                and journey.end == self.ground.port_of(self.target, cluster)
            )
        if self.target.service is not None:
            return fate in (Fate.PORT, Fate.OUTSIDE, Fate.LOCAL)
        return fate in (Fate.OUTSIDE, Fate.LOCAL)

    def _comes_back(self, journey: Journey, start: Place) -> bool:
        fate = journey.outcome.fate
        if self.source.network is not None:
            return fate is Fate.PORT and journey.end == start
        return fate is (Fate.LOCAL if start.link is None else Fate.OUTSIDE)

    def _way(self, journey: Journey, cluster: Cluster, arrives: bool) -> Way:
        steps = steps_of(self.ground.meaning, journey.trace)
        return Way(arrives=arrives, end=self._end(journey, cluster), steps=steps)

    def _end(self, journey: Journey, cluster: Cluster) -> str:
        outcome, node = journey.outcome, journey.end.node
        match outcome.fate:
            case Fate.PORT:
                return f"delivered to {self._whose(journey, cluster)} on {node}"
            case Fate.LOCAL:
                return f"delivered to node {node} itself"
            case Fate.OUTSIDE:
                target = address_text((journey.arriving.family, journey.arriving.daddr[0][0]))
                where = f"on its way to {target} in the default network, from {node}"
                wanted = self.target.network if journey.arriving.daddr[0][0] in self._wanted else None
                return f"{where}: not to network {wanted}" if wanted else where
            case _:
                reason = f": {outcome.reason}" if outcome.reason else ""
                return f"{outcome.fate} on {node}{reason}"

    @property
    def _wanted(self) -> frozenset[int]:
        return frozenset(map(int, self.target.addresses))

    def _whose(self, journey: Journey, cluster: Cluster) -> str:
        number = journey.arriving.daddr[0][0]
        for pod in self.ground.inventory.pods.values():
            if pod.node == journey.end.node and any(int(address) == number for address in pod.addresses):
                return f"pod {pod.name}"
        for end in (self.source, self.target):
            if end.pod and end.node == journey.end.node and number in map(int, end.addresses):
                return f"pod {end.name}"
        return f"a pod's port ({journey.end.link})"
