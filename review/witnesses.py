"""Pod ports to judge a node by: one for each network present, with an address of each of its blocks there.

A plan has no pods in its layout. All ports of a network on a node are alike but for their addresses, so one
stands for all; it has addresses that exercise most: of a pod behind a Service first, of a running pod else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Network

from compiler.device_names import pod_mac, port_name
from compiler.inventory import Pod
from compiler.layering import attachment_layout, union
from compiler.layout import Attachment, Layout
from compiler.model import Address, Prefix
from compiler.names import NetworkNumber, ObjectName
from compiler.plan import NetworkPlan, NodePlan, Presence


def witness_layout(plan: NodePlan, pods: Mapping[ObjectName, Pod]) -> Layout:
    """What the witnesses add to the node's layout. `pods`: of the inventory."""
    return union(attachment_layout(plan, witness) for witness in witnesses_of(plan, pods))


def witnesses_of(plan: NodePlan, pods: Mapping[ObjectName, Pod]) -> Iterator[Attachment]:
    running = _running(plan, pods)
    serving = _serving(plan)
    for network in plan.networks:
        blocks = [block.prefix for block in network.blocks if block.node == plan.number]
        if network.presence is Presence.PRESENT and blocks:
            known = (serving.get(network.number, ()), running.get(network.number, ()))
            yield _witness(network, tuple(_address_in(block, known) for block in blocks))


def _running(plan: NodePlan, pods: Mapping[ObjectName, Pod]) -> Mapping[NetworkNumber, list[Address]]:
    found: dict[NetworkNumber, list[Address]] = {}
    for binding in plan.pods:
        pod = pods.get(binding.name)
        if binding.network is not None and pod is not None:
            found.setdefault(binding.network, []).extend(pod.addresses)
    return found


def _serving(plan: NodePlan) -> Mapping[NetworkNumber, list[Address]]:
    """Addresses of the node's pods behind Services."""
    found: dict[NetworkNumber, list[Address]] = {}
    for service in plan.services:
        for backend in service.backends:
            if backend.node == plan.number:
                found.setdefault(backend.network, []).append(backend.address)
    return found


def _address_in(block: Prefix, known: Iterable[Iterable[Address]]) -> Address:
    for addresses in known:
        inside = [a for a in addresses if a.version == block.version and a in block]
        if inside:
            return min(inside, key=int)
    return block[1] if isinstance(block, IPv4Network) and block.prefixlen < 31 else block[0]


def _witness(network: NetworkPlan, addresses: tuple[Address, ...]) -> Attachment:
    container = f"witness-{network.number}"
    return Attachment(
        container=container,
        interface="eth0",
        pod=f"a pod of {network.name}",
        network=network.number,
        addresses=addresses,
        port=port_name(container, "eth0"),
        mac=pod_mac(container, "eth0"),
    )
