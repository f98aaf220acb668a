"""Three ways to know who reaches whom, over generated topologies: they agree.

What was declared (in the tests' own words and in the verifier's), what the verifier finds in the compiled
texts, and what packets do in the kernel. Groups of networks stand side by side in one cluster, with a few
subnets among them all, so that each of their addresses is many pods'. Round after round every group gets
other routers while its pods run on: 300 topologies, and the ways from one to the next.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address
from random import Random

import pytest

from cli.lab.check import PATIENCE, Check, Expected
from cli.lab.lab import LabNamespace, LabPod
from cli.lab.namespace import Namespace
from cli.lab.traffic import Address, Probe
from compiler.compilation import Compilation
from compiler.layering import layout_of
from compiler.layout_text import layout_text
from compiler.model import Declarations
from compiler.names import NodeName, ObjectName
from compiler.rendering import ruleset_of
from tests.kernel.meaning import may_talk
from tests.kernel.world import World
from tests.verifier.side_by_side import Topology, many, placed, redrawn, together
from verifier.cluster import Cluster, Place
from verifier.journey import follow
from verifier.layout_text import read_layout
from verifier.meaning import Meaning, meaning_of
from verifier.nft_text import read_ruleset
from verifier.outcome import Fate, Outcome
from verifier.packets import Packet
from verifier.state import Node
from verifier.surroundings import surrounded

GROUPS = 20
"""Side by side. Attaching a pod is what takes long on an emulated processor, so groups are used again."""
ROUNDS = int(os.environ.get("ATOLL_ROUNDS", "15"))
SEED = 5
NODES = 2
PORT = 8080
ACROSS = 30
"""Probes of a round from one topology to an address of another's."""


class Bare(Namespace):
    """Without its loopback, which costs a process and which no pod here asks for anything."""

    def ip(self, commands: str) -> None:
        if commands != "link set lo up":
            super().ip(commands)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pod:
    """A pod of the lab, with what the three ways call it."""

    lab: LabPod
    network: ObjectName
    group: int
    node: NodeName
    port: str


@dataclass(kw_only=True, slots=True)
class Stage:
    world: World
    topologies: tuple[Topology, ...]
    pods: tuple[Pod, ...]
    groups: Mapping[int, list[Pod]]
    """The pods of each topology."""
    random: Random
    meaning: Meaning
    cluster: Cluster

    def turn(self) -> None:
        """Every group gets other routers, and every node what is compiled of them."""
        self.topologies = tuple(redrawn(topology, self.random) for topology in self.topologies)
        declared = together(self.topologies)
        self.world.declarations = replace(
            self.world.declarations, networks=declared.networks, routers=declared.routers
        )
        compilation = self.world.compile()
        for name, plan in compilation.plans.items():
            self.world.agents[name].apply(plan)
        self.world.confirm()
        self.meaning = _meaning(compilation)
        self.cluster = Cluster(_nodes(self.world, compilation, self.meaning))


@pytest.fixture(scope="module")
def stage(make_world: Callable[..., World]) -> Stage:
    world = make_world(nodes=NODES)
    topologies = many(GROUPS, SEED, most_networks=3)
    world.declarations = _declared(world, topologies)
    for topology in topologies:
        for space in topology.namespaces:
            world.lab.namespaces[space] = LabNamespace()
    waiting = [(name, _pod(world, name, node), node) for name, node in placed(topologies, NODES, SEED)]
    compilation = world.settle()
    group_of = {name: topology.index for topology in topologies for name in topology.names}
    pods = tuple(
        Pod(
            lab=pod,
            network=name,
            group=group_of[name],
            node=NodeName(pod.node.name),
            port=_attachment_port(world, pod),
        )
        for name, pod, _ in waiting
    )
    groups: dict[int, list[Pod]] = {}
    for one in pods:
        groups.setdefault(one.group, []).append(one)
    meaning = _meaning(compilation)
    return Stage(
        world=world,
        topologies=topologies,
        pods=pods,
        groups=groups,
        random=Random(SEED),
        meaning=meaning,
        cluster=Cluster(_nodes(world, compilation, meaning)),
    )


def _meaning(compilation: Compilation) -> Meaning:
    inputs = compilation.inputs
    return meaning_of(inputs.declarations, inputs.inventory, compilation.allocations)


def _declared(world: World, topologies: tuple[Topology, ...]) -> Declarations:
    """With the lab's own ClusterConfig, and room for all networks on every node."""
    world.cluster += "  limits: {maxNetworksPerNode: 2000}\n"
    world.declare("")
    declared = together(topologies)
    return Declarations(
        revision="", config=world.declarations.config, networks=declared.networks, routers=declared.routers
    )


def _pod(world: World, network: ObjectName, node: int) -> LabPod:
    name = f"{network.namespace}/{network.name}-{node}"
    pod = LabPod(
        name=name,
        node=world.nodes[node - 1],
        place=Bare(f"lab-{name.replace('/', '-')}"),
        network=network.name,
    )
    world.lab.pods[name] = pod
    world.lab.traffic.listen(pod.place, name, [("TCP", PORT)])
    return pod


def _attachment_port(world: World, pod: LabPod) -> str:
    leases = world.agents[pod.node.name].engine.store.leases
    found = [lease.attachment.port for lease in leases.values() if lease.attachment.pod == pod.name]
    assert len(found) == 1, f"{pod.name} has {len(found)} ports"
    return found[0]


def _nodes(world: World, compilation: Compilation, meaning: Meaning) -> Iterator[Node]:
    """As the verifier gets them: texts, with the ports that pods really have."""
    for name, plan in compilation.plans.items():
        leases = world.agents[name].engine.store.leases.values()
        layout = layout_text(layout_of(plan, [lease.attachment for lease in leases]))
        node = Node(
            name=name,
            address=(plan.address.version, int(plan.address)),
            state=read_layout(layout),
            ruleset=read_ruleset(ruleset_of(plan).text),
        )
        yield surrounded(meaning, node)


def declared(stage: Stage, source: Pod, address: Address) -> Pod | None:
    """Who must answer; None: nobody may."""
    labels = stage.world.labels()
    topology = stage.topologies[source.group]
    group = Declarations(
        revision="",
        config=stage.world.declarations.config,
        networks=topology.networks,
        routers=topology.routers,
    )
    for pod in stage.groups[source.group]:
        if address not in pod.lab.addresses:
            continue
        talk = may_talk(group, labels, source.network, pod.network)
        assert talk == stage.meaning.talking.may_talk(source.network, pod.network), (source.network, pod)
        if talk:
            return pod
    return None


def found(stage: Stage, source: Pod, address: Address) -> Outcome:
    """What the verifier says of one packet on the compiled texts."""
    own = source.lab.address(address.version)
    packet = Packet(family=address.version, saddr=int(own), daddr=int(address), protocol=6, dport=PORT)
    journeys = follow(stage.cluster, Place(node=source.node, link=source.port), packet)
    assert len(journeys) == 1, journeys
    return journeys[0].outcome


def pairs(stage: Stage) -> Iterator[tuple[Pod, Address]]:
    """Everyone to everyone of its own topology, in one family or the other; then some to others'."""
    random = stage.random
    for pods in stage.groups.values():
        for source in pods:
            for target in pods:
                if target is not source:
                    yield source, target.lab.address(random.choice((4, 6)))
    for source in random.sample(stage.pods, min(ACROSS, len(stage.pods))):
        yield source, random.choice(stage.pods).lab.address(random.choice((4, 6)))


def _expected(stage: Stage, source: Pod, address: Address, answerer: Pod | None) -> Expected:
    """An address that an own or a peer's subnet holds may be a remote block's, where the far node answers."""
    if answerer is not None:
        return Expected.REACHED
    return Expected.UNREACHED if _is_own(stage, source, address) else Expected.REFUSED


def _is_own(stage: Stage, source: Pod, address: IPv4Address | IPv6Address) -> bool:
    return any(
        stage.meaning.talking.may_talk(source.network, network.name)
        and any(address in subnet.prefix for subnet in network.subnets)
        for network in stage.topologies[source.group].networks
    )


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_declarations_verifier_and_packets_agree(stage: Stage, turn: int) -> None:
    if turn:
        stage.turn()
    checks, reached = [], 0
    for source, address in pairs(stage):
        if address in source.lab.addresses:
            continue  # its own: the packet never leaves the pod
        answerer = declared(stage, source, address)
        outcome = found(stage, source, address)
        if answerer is not None:
            assert (outcome.fate, outcome.link) == (Fate.PORT, answerer.port), (source, address, outcome)
            reached += 1
        else:
            assert outcome.fate in (Fate.REFUSED, Fate.DROPPED), (source, address, outcome)
        expected = _expected(stage, source, address, answerer)
        checks.append(
            Check(
                title=f"{source.lab.name} -> {address}",
                probe=Probe(
                    start=source.lab.place,
                    address=address,
                    protocol="TCP",
                    port=PORT,
                    patience=PATIENCE[expected],
                ),
                expected=expected,
                by=answerer.lab.name if answerer else "",
            )
        )
    assert reached > GROUPS / 2
    assert len(checks) - reached > GROUPS / 2
    stage.world.check(checks)
