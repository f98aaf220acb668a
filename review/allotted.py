"""Numbers and blocks that a change gives and retires."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from compiler.allocations import Allocations, NetworkAllocation
from compiler.model import Prefix
from compiler.names import NodeName, ObjectName
from review.model import Allotted


def allotted(before: Allocations, after: Allocations) -> tuple[Allotted, ...]:
    """By network, its number before its blocks."""
    if before is after:
        return ()
    return tuple(
        one
        for name in sorted({**before.networks, **after.networks})
        for one in _of_network(name, before.networks.get(name), after.networks.get(name))
    )


def _of_network(
    name: ObjectName, old: NetworkAllocation | None, new: NetworkAllocation | None
) -> Iterator[Allotted]:
    if old is new:
        return
    was, now = _in_force(old), _in_force(new)
    if was != now:
        entry = new if now is not None else old
        assert entry is not None
        yield Allotted(what="network number", value=str(entry.number), owner=str(name), retired=now is None)
    had, has = _blocks(old), _blocks(new)
    for prefix in sorted(had.keys() - has.keys(), key=_order):
        yield _block(name, prefix, had[prefix], retired=True)
    for prefix in sorted(has.keys() - had.keys(), key=_order):
        yield _block(name, prefix, has[prefix], retired=False)


def _in_force(entry: NetworkAllocation | None) -> int | None:
    return entry.number if entry is not None and entry.retired_in is None else None


def _blocks(entry: NetworkAllocation | None) -> Mapping[Prefix, NodeName]:
    return entry.blocks if entry is not None and entry.retired_in is None else {}


def _block(name: ObjectName, prefix: Prefix, node: NodeName, *, retired: bool) -> Allotted:
    return Allotted(what="block", value=str(prefix), owner=str(name), node=node, retired=retired)


def _order(prefix: Prefix) -> tuple[int, int, int]:
    return prefix.version, int(prefix.network_address), prefix.prefixlen
