"""Deletions that nobody may have meant are refused until the same commit confirms them by name.

A network counts as deleted while the allocations hold its number as in use and the commit no longer
declares it. The share rule needs two unconfirmed deletions: one network may always go, even where it
is a large share of a small cluster.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice

from compiler.allocations import Allocations
from compiler.catalogue import found
from compiler.inventory import Inventory
from compiler.model import ClusterConfig, Declarations
from compiler.names import ObjectName
from compiler.problem import Problem
from compiler.usage import users_of

FEW_ENOUGH = 1
"""So many deletions are never too many."""

NAMED = 5
"""So many names a message lists."""


def deleted_networks(declarations: Declarations, allocations: Allocations) -> tuple[ObjectName, ...]:
    """Networks with a number in use that are no longer declared, by name."""
    declared = {network.name for network in declarations.networks}
    return tuple(
        sorted(
            name
            for name, entry in allocations.networks.items()
            if entry.retired_in is None and name not in declared
        )
    )


def guard_deletions(
    declarations: Declarations,
    allocations: Allocations,
    inventory: Inventory,
) -> tuple[Problem, ...]:
    """Every refusal, and a warning for each confirmation without effect."""
    config = declarations.config
    deleted = deleted_networks(declarations, allocations)
    unconfirmed = tuple(name for name in deleted if name not in config.confirm_deletion_of)
    in_force = sum(entry.retired_in is None for entry in allocations.networks.values())
    problems = [*_idle_confirmations(declarations, allocations)]
    if len(unconfirmed) > max(FEW_ENOUGH, config.limits.max_deleted_share * in_force):
        problems.append(_too_many(unconfirmed, in_force, config))
    users = users_of(unconfirmed, inventory, allocations)
    problems += [_in_use(name, users[name], config) for name in unconfirmed if users[name]]
    return tuple(problems)


def _too_many(deleted: Collection[ObjectName], in_force: int, config: ClusterConfig) -> Problem:
    share = config.limits.max_deleted_share
    return found(
        "ATL601",
        origin=config.deletions_origin or config.limits_origin or config.origin,
        subject=f"{len(deleted)} VirtualNetworks",
        reason=f"the commit deletes {len(deleted)} of {in_force} networks, more than the share "
        f"{share:g} that limits.maxDeletedShare allows: {_some(deleted)}",
    )


def _in_use(name: ObjectName, users: Collection[ObjectName], config: ClusterConfig) -> Problem:
    pods = "pod uses" if len(users) == 1 else "pods use"
    return found(
        "ATL602",
        origin=config.deletions_origin or config.origin,
        subject=f"VirtualNetwork {name}",
        reason=f"the commit deletes it while {len(users)} {pods} it: {_some(users)}",
        remedy=f"Restore it, move its pods first, or add {name} to spec.confirmDeletionOf of the "
        "ClusterConfig in the same commit",
    )


def _idle_confirmations(declarations: Declarations, allocations: Allocations) -> list[Problem]:
    """A name that was deleted earlier may stay for a while: nothing can come of it.

    One that is still declared is reported where it is parsed (ATL219).
    """
    declared = {network.name for network in declarations.networks}
    config = declarations.config
    return [
        found(
            "ATL603",
            origin=config.deletions_origin or config.origin,
            subject=f"ClusterConfig confirmDeletionOf {name}",
            reason="there is no such network",
        )
        for name in config.confirm_deletion_of
        if name not in declared and name not in allocations.networks
    ]


def _some(names: Collection[ObjectName]) -> str:
    listed = ", ".join(str(name) for name in islice(sorted(names), NAMED))
    return listed if len(names) <= NAMED else f"{listed} and {len(names) - NAMED} more"
