"""Nodes on which the same lines change, as one: a change of a network is the same on most of its nodes.

Lines are the same when they differ in what is the node's own, or another node's, alone. So the node's own
address and number are written as `{node}`; and three or more lines that differ only in which other node they
are about become one line that says how many they stand for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Final, NamedTuple

from msgspec.structs import replace

from compiler.names import NodeName
from compiler.plan import NodePlan
from review.forked import Forked, processes_for
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


class _Task(NamedTuple):
    node: NodeName
    pair: PlanPair
    small: PlanPair | None
    """What differs; None where it is too much to list."""


def node_groups(
    before: Mapping[NodeName, NodePlan],
    after: Mapping[NodeName, NodePlan],
    digest: Digest,
    *,
    budget: int = BUDGET,
    processes: int | None = None,
) -> tuple[NodeGroup, ...]:
    """Every node whose plan differs; the largest groups first.

    `processes`: how many share the work; 0: this one alone. By default as it pays.
    """
    tasks = list(_tasks(before, after, budget))
    count = processes_for(len(tasks)) if processes is None else processes
    told = _told_by(count, tasks, digest) if count else [_told(task, digest) for task in tasks]
    return _grouped(told)


def _tasks(
    before: Mapping[NodeName, NodePlan], after: Mapping[NodeName, NodePlan], budget: int
) -> Iterator[_Task]:
    first = True
    for node in sorted({**before, **after}):
        pair = PlanPair(before=before.get(node), after=after.get(node))
        if pair.before is pair.after or pair.before == pair.after:
            continue
        small = narrowed(pair)
        budget -= cost(small)
        yield _Task(node, pair, small if budget >= 0 or first else None)
        first = False  # one node is always shown


def _told_by(processes: int, tasks: Sequence[_Task], digest: Digest) -> list[_Told]:
    def work(share: Sequence[_Task], parent: Connection) -> None:
        parent.send([_told(task, digest) for task in share])

    shares = [tasks[start::processes] for start in range(processes)]
    hands = [Forked(partial(work, share)) for share in shares]
    try:
        received = [told for some in Forked.received([(hand, 1) for hand in hands]) for told in some]
    finally:
        for hand in hands:
            hand.dismiss()
    return sorted(received, key=lambda told: told.digest.node)


def _told(task: _Task, digest: Digest) -> _Told:
    node, pair, small = task
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
