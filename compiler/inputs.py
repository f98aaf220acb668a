"""The inputs of a compilation at one moment, and the names of all that differs between two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from compiler.allocations import Allocations
from compiler.change import Change, changed_inventory, changed_keys
from compiler.inventory import Inventory
from compiler.model import Declarations, VirtualNetwork
from compiler.names import NodeName, ObjectName


@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs:
    declarations: Declarations
    inventory: Inventory
    networks: Mapping[ObjectName, VirtualNetwork]
    """Declared."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Delta:
    """Names whose objects differ; a name may be there without need, but none may be missing."""

    declarations: bool = False
    networks: frozenset[ObjectName] = frozenset()
    nodes: frozenset[NodeName] = frozenset()
    namespaces: frozenset[str] = frozenset()
    pods: frozenset[ObjectName] = frozenset()
    services: frozenset[ObjectName] = frozenset()
    slices: frozenset[ObjectName] = frozenset()
    wanted: frozenset[NodeName] = frozenset()
    """Nodes whose agents need other numbers of addresses."""


def inputs_of(declarations: Declarations, inventory: Inventory) -> Inputs:
    networks = {network.name: network for network in declarations.networks}
    return Inputs(declarations=declarations, inventory=inventory, networks=networks)


def next_inputs(before: Inputs, change: Change) -> tuple[Inputs, Delta]:
    inventory = changed_inventory(before.inventory, change)
    after = Inputs(declarations=before.declarations, inventory=inventory, networks=before.networks)
    if change.declarations is not None:
        after = inputs_of(change.declarations, inventory)
    old, new = before.inventory, inventory
    delta = Delta(
        declarations=change.declarations is not None,
        networks=_different(before.networks, after.networks),
        nodes=changed_keys(old.nodes, new.nodes, change.nodes),
        namespaces=changed_keys(old.namespaces, new.namespaces, change.namespaces),
        pods=changed_keys(old.pods, new.pods, change.pods),
        services=changed_keys(old.services, new.services, change.services),
        slices=changed_keys(old.slices, new.slices, change.slices),
        wanted=changed_keys(old.wanted, new.wanted, change.wanted),
    )
    return after, delta


def _different(
    before: Mapping[ObjectName, VirtualNetwork], after: Mapping[ObjectName, VirtualNetwork]
) -> frozenset[ObjectName]:
    if before is after:
        return frozenset()
    come = {name for name, network in after.items() if before.get(name) != network}
    return frozenset(come | (before.keys() - after.keys()))


def nothing(declarations: Declarations) -> Inputs:
    """Before the first compilation: no network is declared and nothing is in the cluster."""
    return Inputs(declarations=declarations, inventory=Inventory(), networks={})


def everything(inputs: Inputs, allocations: Allocations) -> Delta:
    """From nothing, all differs; so do networks and nodes that only the allocations know."""
    inventory = inputs.inventory
    return Delta(
        declarations=True,
        networks=frozenset(inputs.networks.keys() | allocations.networks.keys()),
        nodes=frozenset(inventory.nodes.keys() | allocations.nodes.keys()),
        namespaces=frozenset(inventory.namespaces),
        pods=frozenset(inventory.pods),
        services=frozenset(inventory.services),
        slices=frozenset(inventory.slices),
        wanted=frozenset(inventory.wanted),
    )
