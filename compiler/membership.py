"""Which network a pod joins: its annotation, else its namespace's, else the default network.

A pod that names a network it cannot have waits; it never falls back to the default network. What
runs stays where it was created, whatever its annotation says later: its address tells where.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compiler.catalogue import found
from compiler.inventory import Namespace, Pod
from compiler.label_index import namespace_labels
from compiler.model import Prefix, VirtualNetwork
from compiler.names import ObjectName, is_label, is_subdomain
from compiler.problem import Problem


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """Why a pod must wait, and what ends its waiting; neither ends in a full stop."""

    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.reason}. {self.remedy}."


@dataclass(frozen=True, kw_only=True, slots=True)
class Membership:
    """A network, or a refusal, or neither: the default network."""

    network: ObjectName | None = None
    refusal: Refusal | None = None

    @property
    def is_default(self) -> bool:
        return self.network is None and self.refusal is None

    def __str__(self) -> str:
        if self.refusal:
            return "no network"
        return f"network {self.network}" if self.network else "the default network"


DEFAULT = Membership()


def join(
    pod: Pod, namespaces: Mapping[str, Namespace], networks: Mapping[ObjectName, VirtualNetwork]
) -> Membership:
    """The network that the pod joins when it is created now."""
    return join_as(pod.name.namespace, pod.network, namespaces, networks)


def join_as(
    namespace: str,
    annotation: str | None,
    namespaces: Mapping[str, Namespace],
    networks: Mapping[ObjectName, VirtualNetwork],
) -> Membership:
    """`join` for any pod of the namespace that carries this annotation: its answer may be cached."""
    if annotation is not None:
        return _named("its annotation", annotation, namespace, namespaces, networks)
    home = namespaces.get(namespace)
    if home is None:
        return _refuse(
            f"its namespace {namespace} is not in the inventory, which may choose a network for it",
            "Take the inventory again, with namespaces",
        )
    if home.network is None:
        return DEFAULT
    return _named(f"the annotation of namespace {namespace}", home.network, namespace, namespaces, networks)


def _named(
    carrier: str,
    annotation: str,
    namespace: str,
    namespaces: Mapping[str, Namespace],
    networks: Mapping[ObjectName, VirtualNetwork],
) -> Membership:
    name = _network_name(annotation, namespace)
    if name is None:
        return _refuse(
            f"{carrier} {annotation[:100]!a} is not a network's name",
            "Write <name> or <namespace>/<name> of a VirtualNetwork",
        )
    network = networks.get(name)
    if network is None:
        return _refuse(
            f"{carrier} names network {name}, which is not declared",
            f"Declare VirtualNetwork {name}, or correct the annotation",
        )
    if not _admits(network, namespace, namespaces):
        return _refuse(
            f"{carrier} names network {name}, whose allowedNamespaces does not admit namespace {namespace}",
            f"Let spec.allowedNamespaces of VirtualNetwork {name} match the labels of namespace {namespace}, "
            "or choose a network of the pod's own namespace",
        )
    return Membership(network=network.name)


def _refuse(reason: str, remedy: str) -> Membership:
    return Membership(refusal=Refusal(reason=reason, remedy=remedy))


def _network_name(annotation: str, namespace: str) -> ObjectName | None:
    name = ObjectName.parse(annotation, default_namespace=namespace)
    return name if is_label(name.namespace) and is_subdomain(name.name) else None


def _admits(network: VirtualNetwork, namespace: str, namespaces: Mapping[str, Namespace]) -> bool:
    if network.name.namespace == namespace:
        return True
    selector = network.allowed_namespaces
    return selector is not None and selector.matches(namespace_labels(namespace, namespaces))


def settle(
    pod: Pod,
    chosen: Membership,
    *,
    owner: ObjectName | None,
    subnets: Sequence[Prefix],
    pod_ranges: Sequence[Prefix],
) -> tuple[Membership, Problem | None]:
    """The network that the pod is really on, and a warning where that is not the one it names now.

    `chosen` is what `join` says; `owner` the network whose allocated block on the pod's node holds
    its reported address (on one node no two blocks overlap, so there is at most one); `subnets`
    those of the chosen network, empty for none; `pod_ranges` the default network's. A pod without
    an address gets what it chose.
    """
    if not pod.addresses:
        return chosen, None
    actual = _where_it_runs(pod, chosen, owner, pod_ranges)
    if actual != chosen:
        return actual, _stays(pod, actual, chosen)
    if chosen.network and not _any_within(pod, subnets):
        return chosen, _warning(
            pod,
            f"it reports address {pod.addresses[0]}, which is not of {chosen}, the one it names",
            "Delete the pod so that it starts again with an address of that network",
        )
    return chosen, None


def _where_it_runs(
    pod: Pod, chosen: Membership, owner: ObjectName | None, pod_ranges: Sequence[Prefix]
) -> Membership:
    """A network's subnets never overlap the pod ranges, so an address there is the default network's."""
    if owner is not None:
        return chosen if owner == chosen.network else Membership(network=owner)
    return DEFAULT if _any_within(pod, pod_ranges) else chosen


def _any_within(pod: Pod, prefixes: Sequence[Prefix]) -> bool:
    return any(address in prefix for address in pod.addresses for prefix in prefixes)


def _stays(pod: Pod, actual: Membership, chosen: Membership) -> Problem:
    if chosen.refusal:
        return _warning(
            pod,
            f"it runs on {actual} with address {pod.addresses[0]}, and could not start now: "
            f"{chosen.refusal.reason}",
            f"A running pod keeps its network; before it starts again: {chosen.refusal.remedy}",
        )
    return _warning(
        pod,
        f"it runs on {actual} with address {pod.addresses[0]}, but it would now join {chosen}",
        f"A running pod keeps its network: delete it so that it starts again on {chosen}, "
        "or restore the annotation",
    )


def _warning(pod: Pod, reason: str, remedy: str) -> Problem:
    return found("ATL316", origin=None, subject=f"Pod {pod.name}", reason=reason, remedy=remedy)
