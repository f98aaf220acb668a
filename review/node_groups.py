"""Nodes on which the same lines change, as one: a change of a network is the same on most of its nodes.

Lines are the same when they differ in what is the node's own, or another node's, alone. So the node's own
address and number are written as `{node}`; and three or more lines that differ only in which other node they
are about become one line that says how many they stand for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from msgspec.structs import replace

from compiler.address_text import address_text
from compiler.names import NodeName
from compiler.plan import NodePlan
from review.model import Hunk, NodeDigest, NodeGroup
from review.node_lines import hunks_of
from review.plan_pair import Narrowing, PlanPair, cost

BUDGET: Final = 100_000
"""Lines that are rendered at most; beyond that only digests are told."""
FOLDED: Final = 3
"""From so many lines on, those about other nodes become one."""

_ROUTE: Final = re.compile(r"route add \S+ via (inet6 )?fe80::[0-9a-f]+ dev vx")
_NEIGHBOUR: Final = re.compile(r"neighbour add fe80::[0-9a-f]+ lladdr [0-9a-f:]+ dev vx")
_FORWARDING: Final = re.compile(r"fdb add [0-9a-f:]+ dev (vx\d+) dst \S+")
_OTHER_NODE: Final = (
    (_ROUTE, r"route add {block} via \1{node} dev vx"),
    (_NEIGHBOUR, "neighbour add {node} lladdr {mac} dev vx"),
    (_FORWARDING, r"fdb add {mac} dev \1 dst {address}"),
)
"""What names another node in a line of a layout, and how it is written for many."""


Lines = tuple[Hunk, ...] | None
"""Of one node, without what is its own; None where they are too many to list."""


def differing(before: Mapping[NodeName, NodePlan], after: Mapping[NodeName, NodePlan]) -> list[PlanPair]:
    """Of every node whose plan differs, by name."""
    pairs = (PlanPair(before=before.get(node), after=after.get(node)) for node in sorted({**before, **after}))
    return [pair for pair in pairs if pair.before is not pair.after and pair.before != pair.after]


def lines_of(pairs: Iterable[PlanPair], *, budget: int = BUDGET) -> list[Lines]:
    """Of each pair, while the budget lasts; one node is always shown."""
    narrowing, told = Narrowing(), list[Lines]()
    for pair in pairs:
        small = narrowing.narrowed(pair)
        budget -= cost(small)
        hunks = hunks_of(small) if budget >= 0 or not told else None
        told.append(hunks and tuple(_folded(hunk, pair.either) for hunk in hunks))
    return told


def node_groups(told: Iterable[Lines], digests: Iterable[NodeDigest]) -> tuple[NodeGroup, ...]:
    """Nodes with the same lines together, the largest groups first; `digests` as `told` in order."""
    groups: dict[Lines, list[NodeDigest]] = {}
    for hunks, digest in zip(told, digests, strict=True):
        groups.setdefault(hunks, []).append(digest)
    ordered = sorted(groups.items(), key=lambda item: (item[0] is None, -len(item[1]), item[1][0].node))
    return tuple(
        NodeGroup(nodes=tuple(nodes), hunks=hunks or (), listed=hunks is not None) for hunks, nodes in ordered
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
    return line.replace(f" local {address_text(plan.address)} ", " local {node} ")
