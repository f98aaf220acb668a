"""Networks that no pod is of yet, as a pull request brings them: tried with the first pods they may get.

A network without a pod is on no node, so that whatever is proved of nodes says nothing of it. With a pod on
each of two nodes, in the cluster as it is, it meets all that it may ever meet.
"""

from __future__ import annotations

from collections.abc import Collection

from compiler.change import Change
from compiler.compilation import Compilation, recompile
from compiler.inventory import Namespace
from compiler.names import NodeName, ObjectName
from compiler.plan import Presence
from review.headline import some
from review.model_cluster import pods_of_model

NODES = 2


def absent_networks(compilation: Compilation) -> tuple[ObjectName, ...]:
    """Those that are on no node."""
    present = {
        network.name
        for plan in compilation.plans.values()
        for network in plan.networks
        if network.presence is Presence.PRESENT
    }
    networks = compilation.inputs.declarations.networks
    return tuple(sorted(network.name for network in networks if network.name not in present))


def nodes_for_first_pods(compilation: Compilation) -> tuple[NodeName, ...]:
    return tuple(sorted(compilation.plans)[:NODES])


def with_first_pods(
    compilation: Compilation, names: Collection[ObjectName], nodes: tuple[NodeName, ...]
) -> Compilation:
    """The same cluster, but with a pod of each of these networks on each of the nodes. It may be refused."""
    networks = [n for n in compilation.inputs.declarations.networks if n.name in names]
    spaces = {name.namespace for name in names} - compilation.inputs.inventory.namespaces.keys()
    change = Change(
        namespaces={name: Namespace(name=name, labels={}) for name in sorted(spaces)},
        pods={pod.name: pod for pod in pods_of_model(networks, nodes)},
    )
    return recompile(compilation, change)


def tried(names: tuple[ObjectName, ...], nodes: tuple[NodeName, ...]) -> str:
    """A sentence for people; "" for no names."""
    if not names:
        return ""
    where = " and ".join(nodes)
    return f"On no node yet, so judged as if each had a pod on {where}: {some(list(map(str, names)))}."


def unjudged(names: tuple[ObjectName, ...]) -> str:
    """A sentence about networks of which nobody has proved anything; "" for no names."""
    if not names:
        return ""
    return (
        "Without a pod in the inventory a network is on no node, and nothing of it was judged: "
        f"{some(list(map(str, names)))}."
    )
