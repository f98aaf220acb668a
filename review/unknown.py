"""What a review could not know, and why: said, never guessed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from review.headline import counted, some
from review.model import NodeGroup
from review.policy_unknown import uncertain_pairs
from review.side import Cluster, State, States

_DAY: Final = 86_400
_NO_INVENTORY: Final = (
    "No inventory was given, so pods, Services, nodes and labels of namespaces are not known: no pods are "
    "counted, no Services and no node's lines are compared, and the deletion of a network that pods use is "
    "not refused. --inventory FILE takes what this prints: kubectl get "
    "nodes,namespaces,pods,services,endpointslices -A -o json"
)
_NO_ALLOCATIONS: Final = (
    "Without the cluster's allocations numbers and blocks are given anew here, BASE's first; in the cluster "
    "they may be others. --allocations FILE takes those of the controller."
)
_OTHER_ALLOCATIONS: Final = (
    "The allocations have none of the inventory's nodes: they are of another cluster, or the inventory is. "
    "Numbers and blocks are given anew here; in the cluster they may be others."
)
_NOT_JUDGED: Final = (
    "The verifier has not judged what HEAD compiles to: atoll verify does, and --proof puts its verdict here."
)
_NOTHING_TO_JUDGE: Final = "The verifier has not judged HEAD: what is refused is compiled to nothing."
_NO_CLUSTER: Final = "ATL216"


def unknown(states: States, groups: tuple[NodeGroup, ...], *, judged: bool) -> tuple[str, ...]:
    silent = _NOT_JUDGED if states.head.accepted else _NOTHING_TO_JUDGE
    return (*_sentences(states, groups), *(() if judged else (silent,)))


def _sentences(states: States, groups: tuple[NodeGroup, ...]) -> Iterator[str]:
    yield from _of_state("BASE", states.base, "the change is told as if there were nothing before it")
    yield from _of_state("HEAD", states.head, "what it does to nodes, Services and numbers is not known")
    if states.cluster.inventory is None:
        yield _NO_INVENTORY
        yield from _uncertain(states)
    else:
        yield from _age(states)
        yield from _namespaces(states)
        yield from _allocations(states.cluster)
    silent = sum(len(group.nodes) for group in groups if not group.listed)
    if silent:
        yield (
            f"The change is too large to list the lines of {counted(silent, 'node')}; digests are here. "
            "atoll compile of each side writes all of them."
        )


def _of_state(name: str, state: State, consequence: str) -> Iterator[str]:
    if name == "BASE" and {problem.code for problem in state.errors} == {_NO_CLUSTER}:
        yield "BASE has no ClusterConfig, so nothing of it was in force: everything is told as new."
    elif state.errors:
        yield f"{name} is refused with {counted(len(state.errors), 'error')}: {consequence}."


def _uncertain(states: States) -> Iterator[str]:
    before, after = states.base.declarations, states.head.declarations
    pairs = uncertain_pairs(before, after) if before and after else ()
    if pairs:
        named = some([f"{pair.left} and {pair.right}" for pair in pairs])
        yield f"If namespaces carry the labels that imports ask for, these may newly talk as well: {named}."


def _age(states: States) -> Iterator[str]:
    taken, committed = states.cluster.taken, states.head.source.time
    if not taken:
        yield "The inventory holds no time, so its age is not known: what came or went since is not either."
        return
    days = _days(taken, committed) if committed else 0
    older = f", {counted(days, 'day')} before HEAD was committed" if days > 0 else ""
    yield f"The inventory is of {taken}{older}: what came to the cluster or went since is not known."


def _days(earlier: str, later: str) -> int:
    return int((datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()) // _DAY


def _allocations(cluster: Cluster) -> Iterator[str]:
    if cluster.allocations is None:
        yield _NO_ALLOCATIONS
    elif cluster.inventory and cluster.allocations.nodes:
        nodes = cluster.inventory.nodes.keys()
        if nodes and nodes.isdisjoint(cluster.allocations.nodes):
            yield _OTHER_ALLOCATIONS


def _namespaces(states: States) -> Iterator[str]:
    inventory, declarations = states.cluster.inventory, states.head.declarations
    if inventory is None or declarations is None:
        return
    names = [*(one.name for one in declarations.networks), *(one.name for one in declarations.routers)]
    missing = sorted({name.namespace for name in names} - inventory.namespaces.keys())
    if missing:
        noun = "namespace" if len(missing) == 1 else "namespaces"
        yield f"The inventory has no {noun} {some(missing)}: labels and pods there are not known."
