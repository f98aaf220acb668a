"""Which pods are in which network, and which of them a change moves to another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from compiler.compilation import Compilation
from compiler.membership import Membership
from compiler.names import ObjectName
from compiler.placement import Placement
from review.headline import WAITS
from review.model import Move, Share
from review.side import State

NAMED = 5
"""So many pods of a move are named."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Members:
    """Pods that are bound to nodes, by network and namespace."""

    by_network: Mapping[ObjectName, Mapping[str, int]]

    def pods(self, network: ObjectName) -> int:
        return sum(self.by_network.get(network, {}).values())

    def shares(self, network: ObjectName) -> tuple[Share, ...]:
        """The largest first."""
        counts = self.by_network.get(network, {})
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return tuple(Share(namespace=namespace, pods=pods) for namespace, pods in ordered)


def members_of(state: State, networks: Iterable[ObjectName]) -> Members:
    """Of these networks alone."""
    wanted = frozenset(networks)
    found: dict[ObjectName, Counter[str]] = {}
    placement = _placement(state.compilation)
    if placement is not None and wanted:
        for seats in placement.seats.values():
            for pod, seat in seats.items():
                network = seat.membership.network
                if network in wanted:
                    found.setdefault(network, Counter())[pod.namespace] += 1
    return Members(by_network=found)


def moves(base: State, head: State) -> tuple[Move, ...]:
    """Pods whose network is another, or that must wait now, or no longer."""
    old, new = _placement(base.compilation), _placement(head.compilation)
    if old is None or new is None:
        return ()
    gathered: dict[tuple[str, str], list[str]] = {}
    for pod, before, after in _differing(old, new):
        gathered.setdefault((_where(before), _where(after)), []).append(str(pod))
    return tuple(
        Move(before=before, after=after, pods=tuple(sorted(pods)[:NAMED]), count=len(pods))
        for (before, after), pods in sorted(gathered.items())
    )


def _placement(compilation: Compilation | None) -> Placement | None:
    if compilation is None or compilation.stages is None:
        return None
    return compilation.stages.settlement.placement


def _differing(old: Placement, new: Placement) -> Iterator[tuple[ObjectName, Membership, Membership]]:
    """The inventory is the same on both sides, and so are the pods."""
    for node, seats in new.seats.items():
        before = old.seats.get(node, {})
        if before is seats:
            continue
        for pod, seat in seats.items():
            earlier = before.get(pod)
            if earlier is not None and earlier.membership != seat.membership:
                yield pod, earlier.membership, seat.membership


def _where(membership: Membership) -> str:
    if membership.refusal:
        return f"{WAITS}{membership.refusal.reason}"
    return f"network {membership.network}" if membership.network else "the default network"
