"""Which pods use networks that a commit deletes; looks at every pod, for deletions are rare."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from compiler.allocations import Allocations
from compiler.inventory import Inventory, Pod
from compiler.ledger import span
from compiler.names import NodeName, ObjectName

Blocks = Mapping[NodeName, list[tuple[int, int, int, ObjectName]]]
"""Version, first and last address, and network."""


def users_of(
    networks: Collection[ObjectName], inventory: Inventory, allocations: Allocations
) -> Mapping[ObjectName, tuple[ObjectName, ...]]:
    """For each of the networks the pods, bound to nodes, that name it or hold an address of its blocks."""
    users: dict[ObjectName, set[ObjectName]] = {name: set() for name in networks}
    if users:
        blocks = _blocks(networks, allocations)
        for pod in inventory.pods.values():
            for network in _used(pod, inventory, blocks):
                if network in users:
                    users[network].add(pod.name)
    return {name: tuple(sorted(pods)) for name, pods in users.items()}


def _used(pod: Pod, inventory: Inventory, blocks: Blocks) -> Iterator[ObjectName]:
    if pod.node is None:
        return
    namespace = inventory.namespaces.get(pod.name.namespace)
    named = pod.network if pod.network is not None else (namespace.network if namespace else None)
    if named is not None:
        yield ObjectName.parse(named, default_namespace=pod.name.namespace)
    for version, first, last, network in blocks.get(pod.node, ()):
        if any(first <= int(a) <= last and a.version == version for a in pod.addresses):
            yield network


def _blocks(networks: Collection[ObjectName], allocations: Allocations) -> Blocks:
    blocks: dict[NodeName, list[tuple[int, int, int, ObjectName]]] = {}
    for name in networks:
        for prefix, node in allocations.networks[name].blocks.items():
            blocks.setdefault(node, []).append((prefix.version, *span(prefix), name))
    return blocks
