"""Which addresses nobody holds, and since when: the choice of the next one.

Never used addresses come first, in the order of the blocks; then the one whose release is the longest
ago, and none before its quiet period is over: a connection or an endpoint of the former holder that
somebody still remembers must not meet another pod. A choice costs the same however many leases,
networks and released addresses there are.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field

from compiler.model import Address, Prefix
from compiler.names import NetworkNumber

_REMEMBERED = 4096
"""Released addresses of one network whose order is kept: far more than a node uses in a quiet period."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    address: Address | None
    free_at: float | None = None
    """When the first of the resting addresses is free again; None where none rests."""


@dataclass(kw_only=True, slots=True)
class FreeAddresses:
    """Not thread-safe. Times are of one clock that only goes forward."""

    quiet: float
    """Seconds between an address's release and its next use."""
    _held: set[Address] = field(default_factory=set, init=False)
    _released: dict[NetworkNumber, dict[Address, float]] = field(default_factory=dict, init=False)
    """Least recently released first."""
    _next: dict[Prefix, int] = field(default_factory=dict, init=False)
    """In each block the position up to which addresses were used, or unwanted."""

    @property
    def released(self) -> Mapping[NetworkNumber, Mapping[Address, float]]:
        return self._released

    def hold(self, network: NetworkNumber, address: Address) -> None:
        self._held.add(address)
        self._released.get(network, {}).pop(address, None)

    def release(self, network: NetworkNumber, address: Address, at: float) -> None:
        self._held.discard(address)
        released = self._released.setdefault(network, {})
        released.pop(address, None)
        released[address] = at
        if len(released) > _REMEMBERED:
            del released[next(iter(released))]
            self._next.clear()  # what is forgotten counts as never used

    def choose(
        self, network: NetworkNumber, blocks: Sequence[Prefix], unwanted: Container[Address], now: float
    ) -> Choice:
        """The best address of the blocks that is none of the unwanted."""
        released = self._released.get(network, {})

        def is_fresh(address: Address) -> bool:
            return address not in self._held and address not in released and address not in unwanted

        for block in blocks:
            if (address := self._next_fresh(block, is_fresh)) is not None:
                return Choice(address=address)
        free_at: float | None = None
        for address, at in released.items():
            if address not in unwanted and any(address in block for block in blocks):
                if at + self.quiet <= now:
                    return Choice(address=address)
                free_at = at + self.quiet
                break
        passed_by = (address for block in blocks for address in block if is_fresh(address))
        found = next(passed_by, None)  # unwanted at its time, and no longer
        return Choice(address=found, free_at=free_at)

    def _next_fresh(self, block: Prefix, is_fresh: Callable[[Address], bool]) -> Address | None:
        """The lowest at or behind the position that was reached before."""
        first = block.network_address
        for position in range(self._next.get(block, 0), block.num_addresses):
            address = first + position
            if is_fresh(address):
                self._next[block] = position
                return address
        self._next[block] = block.num_addresses
        return None
