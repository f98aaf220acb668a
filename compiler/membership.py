"""Which network a pod joins: its annotation, else its namespace's, else the default network.

A pod that names a network it cannot have waits; it never falls back to the default network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compiler.inventory import Namespace, Pod
from compiler.model import Prefix, VirtualNetwork
from compiler.names import ObjectName
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


DEFAULT = Membership()


def join(
    pod: Pod, namespaces: Mapping[str, Namespace], networks: Mapping[ObjectName, VirtualNetwork]
) -> Membership:
    """The network that the pod joins when it is created now."""
    raise NotImplementedError


def join_as(
    namespace: str,
    annotation: str | None,
    namespaces: Mapping[str, Namespace],
    networks: Mapping[ObjectName, VirtualNetwork],
) -> Membership:
    """`join` for any pod of the namespace that carries this annotation: its answer may be cached."""
    raise NotImplementedError


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
    raise NotImplementedError
