"""Whose block an address on a node is in: what a pod's reported address says about its network."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Container, Iterable

from compiler.allocations import Allocations
from compiler.ledger import Holdings, span
from compiler.model import Address
from compiler.names import NodeName, ObjectName


class Owners:
    """Blocks in force, of declared networks. On one node they are disjoint, so there is one answer."""

    def __init__(self, allocations: Allocations, holdings: Holdings, declared: Container[ObjectName]) -> None:
        self._allocations = allocations
        self._holdings = holdings
        self._declared = declared
        self._tables: dict[NodeName, _Table] = {}

    def owner_of(self, node: NodeName, addresses: Iterable[Address]) -> ObjectName | None:
        """The network of the first address that is in a block."""
        table = self._tables.get(node)
        if table is None:
            table = self._tables[node] = self._table(node)
        for address in addresses:
            owner = table.find(address)
            if owner is not None:
                return owner
        return None

    def _table(self, node: NodeName) -> _Table:
        table = _Table()
        for network, prefixes in self._holdings.get(node, {}).items():
            entry = self._allocations.networks[network]
            if entry.retired_in is not None or network not in self._declared:
                continue
            for prefix in prefixes:
                if entry.blocks.get(prefix) == node:
                    table.rows[prefix.version].append((*span(prefix), network))
        table.sort()
        return table


class _Table:
    __slots__ = ("_starts", "rows")

    def __init__(self) -> None:
        self.rows: dict[int, list[tuple[int, int, ObjectName]]] = {4: [], 6: []}
        self._starts: dict[int, list[int]] = {}

    def sort(self) -> None:
        for version, rows in self.rows.items():
            rows.sort(key=lambda row: row[0])
            self._starts[version] = [start for start, _, _ in rows]

    def find(self, address: Address) -> ObjectName | None:
        value = int(address)
        row = bisect_right(self._starts[address.version], value) - 1
        if row < 0:
            return None
        _, end, network = self.rows[address.version][row]
        return network if value <= end else None
