"""Nodes on which the same lines change, as one: a change of a network is the same on most of its nodes.

Lines are the same when they differ in what is the node's own, or another node's, alone. So the node's own
address and number are written as `{node}`; and three or more lines that differ only in which other node they
are about become one line that says how many they stand for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from compiler.names import NodeName
from compiler.plan import NodePlan
from review.model import Hunk, NodeDigest, NodeGroup
from review.node_lines import PlanPair, cost, hunks_of, narrowed

BUDGET: Final = 100_000
"""Lines that are rendered at most; beyond that only digests are told."""
FOLDED: Final = 3
"""From so many lines on, those about other nodes become one."""

Digest = Callable[[NodePlan], str]

_ROUTE: Final = re.compile(r"route add \S+ via (inet6 )?fe80::[0-9a-f]+ dev vx")
_NEIGHBOUR: Final = re.compile(r"neighbour add fe80::[0-9a-f]+ lladdr [0-9a-f:]+ dev vx")
_FORWARDING: Final = re.compile(r"fdb add [0-9a-f:]+ dev (vx\d+) dst \S+")
_OTHER_NODE: Final = (
    (_ROUTE, r"route add {block} via \1{node} dev vx"),
    (_NEIGHBOUR, "neighbour add {node} lladdr {mac} dev vx"),
    (_FORWARDING, r"fdb add {mac} dev \1 dst {address}"),
)
"""What names another node in a line of a layout, and how it is written for many."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Told:
    """One node's lines, without what is its own."""

    digest: NodeDigest
    hunks: tuple[Hunk, ...]
    listed: bool


def node_groups(
    before: Mapping[NodeName, NodePlan],
    after: Mapping[NodeName, NodePlan],
    digest: Digest,
    *,
    budget: int = BUDGET,
) -> tuple[NodeGroup, ...]:
    """Every node whose plan differs; the largest groups first."""
    told: list[_Told] = []
    for node in sorted({**before, **after}):
        pair = PlanPair(before=before.get(node), after=after.get(node))
        if pair.before is pair.after or pair.before == pair.after:
            continue
        small = narrowed(pair)
        budget -= cost(small)
        affordable = budget >= 0 or not told  # one node is always shown
        told.append(_told(node, pair, small if affordable else None, digest))
    return _grouped(told)


def _told(node: NodeName, pair: PlanPair, small: PlanPair | None, digest: Digest) -> _Told:
    digests = NodeDigest(
        node=node,
        before=digest(pair.before) if pair.before else "",
        after=digest(pair.after) if pair.after else "",
    )
    hunks = tuple(_folded(hunk, pair.either) for hunk in hunks_of(small)) if small else ()
    return _Told(digest=digests, hunks=hunks, listed=small is not None)


def _grouped(told: Iterable[_Told]) -> tuple[NodeGroup, ...]:
    groups: dict[tuple[bool, tuple[Hunk, ...]], list[NodeDigest]] = {}
    for one in told:
        groups.setdefault((one.listed, one.hunks), []).append(one.digest)
    ordered = sorted(groups.items(), key=lambda item: (not item[0][0], -len(item[1]), item[1][0].node))
    return tuple(
        NodeGroup(nodes=tuple(nodes), hunks=hunks, listed=listed) for (listed, hunks), nodes in ordered
    )


def _folded(hunk: Hunk, plan: NodePlan) -> Hunk:
    counts: dict[str, list[str]] = {}
    for line in hunk.lines:
        counts.setdefault(_of_others(hunk, line), []).append(line)
    lines = []
    for pattern, some in counts.items():
        if pattern != some[0] and len(some) >= FOLDED:
            lines.append(f"{pattern}    # {len(some)} such lines, one for each block or node")
        else:
            lines.extend(_without_own(line, plan) for line in some)
    return replace(hunk, lines=tuple(lines))


def _of_others(hunk: Hunk, line: str) -> str:
    """The line as it is written for many nodes; itself where it is about none."""
    if hunk.title.startswith("set underlay"):
        return f'{line[:2]}{{address}} comment "{{node}}"'
    for pattern, written in _OTHER_NODE:
        changed, count = pattern.subn(written, line)
        if count:
            return changed
    return line


def _without_own(line: str, plan: NodePlan) -> str:
    """The node's own VXLAN addresses are made of its number (compiler.device_names)."""
    own_mac = f"0a:41:{plan.number >> 8:02x}:{plan.number & 0xFF:02x}:"
    if " address 0a:41:" in line:
        line = line.replace(own_mac, "0a:41:{node}:")
    return line.replace(f" local {plan.address} ", " local {node} ")
