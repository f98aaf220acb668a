"""The inventory as a file that kubectl wrote, read again when it has changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from compiler.catalogue import found
from compiler.change import Change
from compiler.inventory import Inventory
from compiler.kubectl import read_inventory
from compiler.problem import Origin, Problem, Severity


@dataclass(frozen=True, kw_only=True, slots=True)
class InventoryReading:
    """The inventory as a whole, or what changed in it; neither where it could not be read at all."""

    inventory: Inventory | None = None
    change: Change | None = None
    problems: tuple[Problem, ...] = ()


class InventorySource(Protocol):
    def read_if_changed(self) -> InventoryReading | None:
        """None while nothing has changed since the last reading."""


Signature = tuple[int, int, int]


@dataclass(kw_only=True, slots=True)
class InventoryFile:
    path: Path
    _seen: Signature | None = field(default=None, init=False)

    def read_if_changed(self) -> InventoryReading | None:
        try:
            signature = self._signature()
            if signature == self._seen:
                return None
            text = self.path.read_bytes()
        except OSError as error:
            return self._unreadable(error)
        self._seen = signature
        return judged(text, str(self.path))

    def _signature(self) -> Signature:
        status = self.path.stat()
        return status.st_ino, status.st_mtime_ns, status.st_size

    def _unreadable(self, error: OSError) -> InventoryReading | None:
        gone = (0, 0, 0)
        if self._seen == gone:
            return None
        self._seen = gone
        return InventoryReading(inventory=None, problems=(unreadable(self.path, error),))


def judged(text: bytes, path: str) -> InventoryReading:
    """Read an inventory; without a single node it is taken as cut short, not as an empty cluster."""
    inventory, problems = read_inventory(text, path=path)
    if not inventory.nodes and not any(problem.severity is Severity.ERROR for problem in problems):
        reason = "it holds no node, so it cannot be of a cluster"
        problems = (*problems, found("ATL806", origin=Origin(path=path), subject=path, reason=reason))
    return InventoryReading(inventory=inventory if inventory.nodes else None, problems=problems)


def unreadable(path: Path, error: OSError) -> Problem:
    reason = f"it cannot be read: {error.strerror or error}"
    return found("ATL806", origin=Origin(path=str(path)), subject=str(path), reason=reason)


@dataclass(kw_only=True, slots=True)
class MemoryInventory:
    """Tests put an inventory here as the operator's cron job writes a file."""

    reading: InventoryReading | None = None

    def put(self, inventory: Inventory) -> None:
        self.reading = InventoryReading(inventory=inventory)

    def read_if_changed(self) -> InventoryReading | None:
        reading, self.reading = self.reading, None
        return reading
