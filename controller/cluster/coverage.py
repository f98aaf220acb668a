"""On how many of the nodes that need it a network is in force, kept at a cost in proportion to the news.

A network counts as in force on a node that has applied a plan at least as new as the last one that changed
that network there: a pod more on a node does not make all its networks wait. Nodes are bits of integers, so
that a thousand networks on a thousand nodes are a thousand small numbers, and what a router connects is
their union.

After a restart nothing is known of earlier plans, so a node counts once it reports exactly the wanted one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice

from compiler.names import NodeName, ObjectName
from compiler.plan import NetworkPlan, NodePlan

NAMED = 3
"""So many nodes a coverage names of each sort."""
_REMEMBERED = 64
"""Digests of earlier plans of one node; who applied an older one counts as having applied none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    node: NodeName
    error: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Coverage:
    """Nodes by what they are to a network, or to all networks of a router."""

    needed: int = 0
    ready: int = 0
    failed: int = 0
    held: int = 0
    """Nodes that the rollout has not reached."""
    failures: tuple[Failure, ...] = ()
    """The first of those that failed."""
    waiting: tuple[NodeName, ...] = ()
    """The first of those that are still applying."""

    @property
    def applying(self) -> int:
        return self.needed - self.ready - self.failed - self.held

    @property
    def complete(self) -> bool:
        return self.ready == self.needed


NOWHERE = Coverage()


@dataclass(kw_only=True, slots=True)
class _Node:
    bit: int
    digest: str = ""
    serial: int = 0
    """Of the wanted plan; grows with each other one."""
    serials: dict[str, int] = field(default_factory=dict)
    rest: NodePlan | None = None
    """The wanted plan without its pods."""
    rest_serial: int = 0
    """Of the plan that last changed it."""
    networks: tuple[NetworkPlan, ...] = ()
    """Of the wanted plan."""
    since: dict[ObjectName, int] = field(default_factory=dict)
    """For each of them the serial of the plan that last changed it here."""
    applied: str = ""
    error: str = ""
    held: bool = False

    @property
    def reached(self) -> int:
        """The serial up to which networks are in force; none where the wanted plan itself fails."""
        return 0 if self.error and self.applied == self.digest else self.serials.get(self.applied, 0)


@dataclass(kw_only=True, slots=True)
class Coverages:
    """Tell it what changes; it tells which networks that concerns."""

    touched: set[ObjectName] = field(default_factory=set)
    """Networks whose coverage may be another since the caller last emptied the set."""
    _nodes: dict[NodeName, _Node] = field(default_factory=dict)
    _names: list[NodeName | None] = field(default_factory=list)
    """By number of the bit; None where it is free."""
    _needed: dict[ObjectName, int] = field(default_factory=dict)
    _lagging: dict[ObjectName, int] = field(default_factory=dict)
    _failing: int = 0
    _held: int = 0

    def wants(self, node: NodeName, plan: NodePlan, digest: str) -> None:
        """This is the plan that the node is to apply, now or when the rollout reaches it."""
        entry = self._nodes.get(node)
        if entry is None:
            entry = self._nodes[node] = _Node(bit=self._free_bit(node))
        if entry.digest == digest:
            return
        entry.digest, entry.serial = digest, entry.serial + 1
        entry.serials[digest] = entry.serial
        if len(entry.serials) > _REMEMBERED:
            del entry.serials[min(entry.serials, key=entry.serials.__getitem__)]
        rest = replace(plan, pods=())
        if rest != entry.rest:
            entry.rest, entry.rest_serial = rest, entry.serial
        self._rewrite(entry, plan.networks)
        self._judge(entry)

    def withdraws(self, node: NodeName) -> None:
        """The node has no plan any more."""
        entry = self._nodes.pop(node, None)
        if entry is None:
            return
        for name in entry.since:
            self._unset(name, entry.bit)
        self._failing &= ~entry.bit
        self._held &= ~entry.bit
        self._names[entry.bit.bit_length() - 1] = None

    def reports(self, node: NodeName, digest: str, *, error: str = "", held: bool = False) -> None:
        """The node has applied the plan of this digest; `error`: why not the wanted one."""
        entry = self._nodes.get(node)
        if entry is None or (entry.applied, entry.error, entry.held) == (digest, error, held):
            return
        retold = (entry.error, entry.held) != (error, held)
        entry.applied, entry.error, entry.held = digest, error, held
        self._failing = self._failing | entry.bit if error else self._failing & ~entry.bit
        self._held = self._held | entry.bit if held else self._held & ~entry.bit
        self._judge(entry, retold=retold)

    def of(self, networks: Iterable[ObjectName]) -> Coverage:
        """Over all of the networks together: a node is ready where it is for each of them."""
        needed = lagging = 0
        for name in networks:
            needed |= self._needed.get(name, 0)
            lagging |= self._lagging.get(name, 0)
        if not needed:
            return NOWHERE
        failing = lagging & self._failing
        held = lagging & self._held & ~failing
        return Coverage(
            needed=needed.bit_count(),
            ready=(needed & ~lagging).bit_count(),
            failed=failing.bit_count(),
            held=held.bit_count(),
            failures=tuple(
                Failure(node=name, error=self._nodes[name].error) for name in islice(self._of(failing), NAMED)
            ),
            waiting=tuple(islice(self._of(lagging & ~failing & ~held), NAMED)),
        )

    def has_all_but_pods(self, node: NodeName, digest: str) -> bool:
        """Whether the plan of this digest differs from the one wanted there by pods at most."""
        entry = self._nodes.get(node)
        return entry is not None and entry.serials.get(digest, 0) >= entry.rest_serial

    def _rewrite(self, entry: _Node, networks: tuple[NetworkPlan, ...]) -> None:
        before = {network.name: network for network in entry.networks}
        for network in networks:
            earlier = before.pop(network.name, None)
            if earlier is not network and earlier != network:
                entry.since[network.name] = entry.serial
        for gone in before:
            del entry.since[gone]
            self._unset(gone, entry.bit)
        entry.networks = networks

    def _judge(self, entry: _Node, *, retold: bool = False) -> None:
        reached = entry.reached
        for name, serial in entry.since.items():
            needed, lagging = self._needed.get(name, 0), self._lagging.get(name, 0)
            now = lagging | entry.bit if serial > reached else lagging & ~entry.bit
            if now != lagging or not needed & entry.bit or (retold and now & entry.bit):
                self.touched.add(name)
                _keep(self._needed, name, needed | entry.bit)
                _keep(self._lagging, name, now)

    def _unset(self, name: ObjectName, bit: int) -> None:
        self.touched.add(name)
        _keep(self._needed, name, self._needed.get(name, 0) & ~bit)
        _keep(self._lagging, name, self._lagging.get(name, 0) & ~bit)

    def _free_bit(self, node: NodeName) -> int:
        if None in self._names:
            index = self._names.index(None)
            self._names[index] = node
        else:
            index = len(self._names)
            self._names.append(node)
        return 1 << index

    def _of(self, mask: int) -> Iterator[NodeName]:
        while mask:
            lowest = mask & -mask
            name = self._names[lowest.bit_length() - 1]
            assert name is not None
            yield name
            mask ^= lowest


def _keep(masks: dict[ObjectName, int], name: ObjectName, mask: int) -> None:
    if mask:
        masks[name] = mask
    else:
        masks.pop(name, None)
