"""What differs from the inputs of the compilation before: a commit, objects of the cluster, or both.

The inventory's pods are in a persistent map (a hash trie): one of 50,000 is replaced without copying
the others, and the inventory before stays what it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from rpds import HashTrieMap

from compiler.inventory import EndpointSlice, Inventory, Namespace, Node, Pod, Service
from compiler.model import Declarations
from compiler.names import NodeName, ObjectName

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """For each kind the objects that are new or different; None stands for one that is gone."""

    declarations: Declarations | None = None
    """None: those before."""
    confirmed: int | None = None
    """`Allocations.confirmed` from now on; None: as before."""
    nodes: Mapping[NodeName, Node | None] = field(default_factory=dict)
    namespaces: Mapping[str, Namespace | None] = field(default_factory=dict)
    pods: Mapping[ObjectName, Pod | None] = field(default_factory=dict)
    services: Mapping[ObjectName, Service | None] = field(default_factory=dict)
    slices: Mapping[ObjectName, EndpointSlice | None] = field(default_factory=dict)
    wanted: Mapping[NodeName, Mapping[ObjectName, int] | None] = field(default_factory=dict)
    """By node: all that its agent needs; None where it needs nothing."""


def merged(first: Change, then: Change) -> Change:
    """One change that does what the two do, one after the other."""
    return Change(
        declarations=then.declarations or first.declarations,
        confirmed=first.confirmed if then.confirmed is None else then.confirmed,
        nodes={**first.nodes, **then.nodes},
        namespaces={**first.namespaces, **then.namespaces},
        pods={**first.pods, **then.pods},
        services={**first.services, **then.services},
        slices={**first.slices, **then.slices},
        wanted={**first.wanted, **then.wanted},
    )


def change_between(before: Inventory, after: Inventory) -> Change:
    """What leads from one inventory to another; looks at every object."""
    return Change(
        nodes=_difference(before.nodes, after.nodes),
        namespaces=_difference(before.namespaces, after.namespaces),
        pods=_difference(before.pods, after.pods),
        services=_difference(before.services, after.services),
        slices=_difference(before.slices, after.slices),
        wanted=_difference(before.wanted, after.wanted),
    )


def changed_inventory(inventory: Inventory, change: Change) -> Inventory:
    """The inventory after the change, which the one before does not notice."""
    return Inventory(
        nodes=_applied(inventory.nodes, change.nodes),
        namespaces=_applied(inventory.namespaces, change.namespaces),
        pods=_applied_to_many(inventory.pods, change.pods),
        services=_applied(inventory.services, change.services),
        slices=_applied(inventory.slices, change.slices),
        wanted=_applied(inventory.wanted, change.wanted),
    )


def persistent(inventory: Inventory) -> Inventory:
    """The same inventory, ready for cheap changes."""
    return replace(inventory, pods=_persistent(inventory.pods))


def changed_keys(
    before: Mapping[K, V], after: Mapping[K, V], candidates: Mapping[K, V | None]
) -> frozenset[K]:
    """The candidates whose value really differs."""
    return frozenset(key for key in candidates if before.get(key) != after.get(key))


def _difference(before: Mapping[K, V], after: Mapping[K, V]) -> Mapping[K, V | None]:
    found: dict[K, V | None] = {key: value for key, value in after.items() if before.get(key) != value}
    found.update({key: None for key in before if key not in after})
    return found


def _applied(before: Mapping[K, V], changes: Mapping[K, V | None]) -> Mapping[K, V]:
    if not changes:
        return before
    after = dict(before)
    for key, value in changes.items():
        if value is None:
            after.pop(key, None)
        else:
            after[key] = value
    return after


def _applied_to_many(before: Mapping[K, V], changes: Mapping[K, V | None]) -> Mapping[K, V]:
    if not changes:
        return before
    after = _persistent(before)
    for key, value in changes.items():
        after = after.discard(key) if value is None else after.insert(key, value)
    return after


def _persistent(mapping: Mapping[K, V]) -> HashTrieMap[K, V]:
    return mapping if isinstance(mapping, HashTrieMap) else HashTrieMap(mapping)
