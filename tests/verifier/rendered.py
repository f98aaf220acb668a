"""A compilation as the texts that nodes get, with a pod of every network to judge them by; read back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network

from compiler.compilation import Compilation
from compiler.device_names import pod_mac, port_name
from compiler.layering import layout_of
from compiler.layout import Attachment
from compiler.layout_text import layout_text
from compiler.model import Address, Prefix
from compiler.names import DEFAULT_NETWORK, NodeName
from compiler.plan import NetworkPlan, NodePlan, Presence
from compiler.rendering import ruleset_of
from verifier.layout_text import read_layout
from verifier.meaning import Meaning, meaning_of
from verifier.nft_text import read_ruleset
from verifier.state import Node


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeText:
    name: NodeName
    address: Address
    ruleset: str
    layout: str

    def read(self) -> Node:
        return Node(
            name=self.name,
            address=(self.address.version, int(self.address)),
            state=read_layout(self.layout),
            ruleset=read_ruleset(self.ruleset),
        )


def texts_of(compilation: Compilation) -> dict[NodeName, NodeText]:
    return {
        name: NodeText(
            name=name,
            address=plan.address,
            ruleset=ruleset_of(plan).text,
            layout=layout_text(layout_of(plan, attachments(compilation, plan))),
        )
        for name, plan in compilation.plans.items()
    }


def meaning_from(compilation: Compilation) -> Meaning:
    inputs = compilation.inputs
    return meaning_of(inputs.declarations, inputs.inventory, compilation.allocations)


def attachments(compilation: Compilation, plan: NodePlan) -> Iterator[Attachment]:
    """Pods that run, at their addresses; for a network without any here, one at the first address."""
    networks = {network.number: network for network in plan.networks}
    inhabited = set()
    taken: set[Address] = set()
    for binding in plan.pods:
        addresses = compilation.inputs.inventory.pods[binding.name].addresses
        if binding.network in networks and addresses:
            network = networks[binding.network]
            own = own_blocks(plan, network)
            held = tuple(a for a in addresses if a not in taken and any(a in block for block in own))
            if held:
                taken.update(held)
                inhabited.add(network.number)
                yield _attachment(str(binding.name), network, held)
    for network in plan.networks:
        if network.presence is Presence.PRESENT and network.number not in inhabited:
            first = {block.version: _first(block) for block in reversed(own_blocks(plan, network))}
            if first:
                yield _attachment(f"witness/{network.number}", network, tuple(first.values()))


def own_blocks(plan: NodePlan, network: NetworkPlan) -> list[Prefix]:
    return [block.prefix for block in network.blocks if block.node == plan.number]


def _first(block: Prefix) -> Address:
    return block[1] if isinstance(block, IPv4Network) and block.prefixlen < 31 else block[0]


def _attachment(pod: str, network: NetworkPlan, addresses: tuple[Address, ...]) -> Attachment:
    assert network.number != DEFAULT_NETWORK
    return Attachment(
        container=pod,
        interface="eth0",
        pod=pod,
        network=network.number,
        addresses=addresses,
        port=port_name(pod, "eth0"),
        mac=pod_mac(pod, "eth0"),
    )
