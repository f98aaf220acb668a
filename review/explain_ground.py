"""The nodes that a question is about, as the verifier sees them, with every pod that runs there.

Texts come from a compilation, or from wherever they were written; a node may be given as it really is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from compiler.compilation import Compilation
from compiler.device_names import pod_mac, port_name
from compiler.inventory import Inventory, Pod
from compiler.layering import attachment_layout, base_layout, union
from compiler.layout import Attachment
from compiler.layout_text import layout_text
from compiler.model import Address
from compiler.names import NetworkNumber, NodeName, ObjectName
from compiler.plan import NodePlan
from compiler.rendering import ruleset_of
from review.explain_ends import Directory, End
from verifier.cluster import Cluster, Place
from verifier.layout_text import LayoutReader
from verifier.meaning import Meaning, meaning_of
from verifier.nft_text import Reader
from verifier.state import Node
from verifier.surroundings import foreign_links, surrounded

_INTERFACE = "eth0"


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """A node's texts, without pods."""

    ruleset: str
    layout: str


@dataclass(kw_only=True, slots=True)
class Ground:
    meaning: Meaning
    inventory: Inventory
    plans: Mapping[NodeName, NodePlan]
    written: Mapping[NodeName, Written] = field(default_factory=dict)
    """Instead of what the compiler renders."""
    real: Mapping[NodeName, Node] = field(default_factory=dict)
    """Nodes as they were read from a kernel."""
    _rulesets: Reader = field(default_factory=Reader)
    _layouts: LayoutReader = field(default_factory=LayoutReader)
    _nodes: dict[tuple[NodeName, tuple[End, ...]], Node] = field(default_factory=dict)

    @staticmethod
    def of(compilation: Compilation) -> Ground:
        """The compilation must not be refused."""
        inputs = compilation.inputs
        meaning = meaning_of(inputs.declarations, inputs.inventory, compilation.allocations)
        return Ground(meaning=meaning, inventory=inputs.inventory, plans=compilation.plans)

    @property
    def directory(self) -> Directory:
        return Directory(meaning=self.meaning, inventory=self.inventory)

    @property
    def numbers(self) -> Mapping[ObjectName, NetworkNumber]:
        return {network.name: number for number, network in self.meaning.networks.items()}

    def seated(self, end: End, beside: End | None = None) -> End:
        """A pod that is asked about and has no address yet gets one of its node's blocks.

        `beside`: the other end, whose address is taken.
        """
        if end.network is None or end.node is None or end.addresses:
            return end
        taken = frozenset(beside.addresses if beside else ())
        addresses = tuple(self._free(end.node, end.network, taken))
        return End(
            kind=end.kind,
            name=end.name,
            seat=end.seat,
            pod=end.pod,
            node=end.node,
            addresses=addresses,
        )

    def _free(self, node: NodeName, network: ObjectName, besides: frozenset[Address]) -> Iterator[Address]:
        here = (pod for pod in self.inventory.pods.values() if pod.node == node)
        taken = besides.union(*(pod.addresses for pod in here))
        versions = set()
        for block in self.meaning.networks[self.numbers[network]].blocks.get(node, ()):
            free = next((address for address in block.hosts() if address not in taken), None)
            if free is not None and block.version not in versions:
                versions.add(block.version)
                yield free

    def cluster(self, names: Iterable[NodeName], ends: Iterable[End]) -> Cluster:
        """Of these nodes; `ends` are there as if they ran."""
        extra = tuple(ends)
        return Cluster(self._node(name, extra) for name in sorted(set(names)))

    def _node(self, name: NodeName, ends: tuple[End, ...]) -> Node:
        """Made once for one question: its families and journeys ask again."""
        if (name, ends) not in self._nodes:
            node = self.real[name] if name in self.real else self._compiled(name, ends)
            self._nodes[name, ends] = surrounded(self.meaning, node)
        return self._nodes[name, ends]

    def _compiled(self, name: NodeName, ends: tuple[End, ...]) -> Node:
        plan, written = self.plans[name], self.text_of(name)
        pods = layout_text(union(attachment_layout(plan, one) for one in self._attachments(name, ends)))
        return Node(
            name=name,
            address=(plan.address.version, int(plan.address)),
            state=self._layouts.read(written.layout + pods),
            ruleset=self._rulesets.read(written.ruleset),
        )

    def text_of(self, name: NodeName) -> Written:
        plan = self.plans[name]
        return self.written.get(name) or Written(
            ruleset=ruleset_of(plan).text, layout=layout_text(base_layout(plan))
        )

    def _attachments(self, node: NodeName, ends: tuple[End, ...]) -> Iterator[Attachment]:
        asked = {end.name: end for end in ends if end.pod and end.node == node and end.network}
        yield from (self._attachment(end) for _, end in sorted(asked.items()))
        directory = self.directory
        for pod in sorted(self.inventory.pods.values(), key=_name_of):
            if pod.node == node and str(pod.name) not in asked and pod.addresses:
                end = directory.of_pod(pod)
                if end.network and end.addresses:
                    yield self._attachment(end)

    def _attachment(self, end: End) -> Attachment:
        assert end.network is not None
        return Attachment(
            container=end.name,
            interface=_INTERFACE,
            pod=end.name,
            network=self.numbers[end.network],
            addresses=end.addresses,
            port=port_name(end.name, _INTERFACE),
            mac=pod_mac(end.name, _INTERFACE),
        )

    def port_of(self, end: End, cluster: Cluster) -> Place | None:
        """Where the packets of a pod on a network come in: the device that leads to its address.

        None where a kernel has no such device.
        """
        assert end.node is not None
        node = cluster.kernels[end.node].node
        if end.node not in self.real:
            return Place(node=end.node, link=port_name(end.name, _INTERFACE))
        wanted = {(address.version, int(address)) for address in end.addresses}
        for route in node.state.routes:
            full = route.length == (32 if route.family == 4 else 128)
            link = node.state.links.get(route.link or "")
            if full and (route.family, route.network) in wanted and link is not None and link.master:
                return Place(node=end.node, link=link.name)
        return None

    def outside_of(self, end: End, node: NodeName, cluster: Cluster) -> Place:
        """A device that is not Atoll's: that of a default network's pod, or the one to the world."""
        links = cluster.kernels[node].node.state.links
        foreign = list(foreign_links(cluster.kernels[node].node))
        fitting = [name for name in foreign if bool(links[name].addresses) is (end.pod is None)]
        return Place(node=node, link=[*fitting, *foreign][0])


def _name_of(pod: Pod) -> ObjectName:
    return pod.name
