"""Which networks, whose deletion somebody asked of the API server, must wait for it.

The rules are those of a commit (compiler.guards): a network that pods use stays, and so do several at
once that are too large a share of all, until `confirmDeletionOf` names them. What Git still declares may
go at once: it comes back, and stays in force meanwhile. What Git itself took away has passed the share
rule with its commit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from compiler.guards import FEW_ENOUGH
from compiler.names import ObjectName
from controller.cluster.objects import Observed, ResourceKey, Undecodable


@dataclass(frozen=True, kw_only=True, slots=True)
class Guard:
    users_of: Callable[[ObjectName], Collection[ObjectName]]
    """The pods that use a network."""
    in_force: int = 0
    """How many networks there are."""
    max_share: float = 1.0
    """`limits.maxDeletedShare`."""
    confirmed: Collection[ObjectName] = frozenset()
    """`confirmDeletionOf`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hold:
    """Why a network's deletion waits."""

    users: tuple[ObjectName, ...] = ()
    unconfirmed: int = 0
    """So many networks are being deleted at once, too many without a confirmation; 0 if it is not that."""


def holds(
    declared: Mapping[ResourceKey, object],
    observed: Mapping[ResourceKey, Observed | Undecodable],
    inventory: Collection[ResourceKey],
    guard: Guard,
) -> Mapping[ResourceKey, Hold]:
    """The terminating networks that must wait; `declared` is Git's part, `inventory` what it once was."""
    leaving = [key for key in _terminating(observed) if key not in declared and not _confirmed(key, guard)]
    foreign = [key for key in leaving if key not in inventory]
    too_many = len(foreign) > max(FEW_ENOUGH, guard.max_share * guard.in_force)
    waiting: dict[ResourceKey, Hold] = {}
    for key in leaving:
        users = tuple(sorted(guard.users_of(network_name(key))))
        unconfirmed = len(foreign) if too_many and key not in inventory else 0
        if users or unconfirmed:
            waiting[key] = Hold(users=users, unconfirmed=unconfirmed)
    return waiting


def network_name(key: ResourceKey) -> ObjectName:
    return ObjectName(namespace=key.namespace, name=key.name)


def _terminating(observed: Mapping[ResourceKey, Observed | Undecodable]) -> list[ResourceKey]:
    return sorted(
        key
        for key, one in observed.items()
        if key.kind == "VirtualNetwork" and isinstance(one, Observed) and one.metadata.terminating
    )


def _confirmed(key: ResourceKey, guard: Guard) -> bool:
    return network_name(key) in guard.confirmed
