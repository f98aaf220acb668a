"""libnftables in this process: single transactions on our own table, and what it holds.

One context, one caller at a time. libnftables waits with select(2) and aborts when its socket's
descriptor is 1024 or more: make the context before anything else opens files.
"""

from __future__ import annotations

from typing import Final, Protocol

import nftables

from agent.netns import inside_new
from compiler.ruleset import TABLE

MAX_DESCRIPTOR: Final = 1024


class NftRefused(Exception):
    """A transaction failed, and changed nothing. The text is libnftables' own."""


class Nft(Protocol):
    """The nftables of one network namespace."""

    def run(self, transaction: str) -> None:
        """All of it or nothing. Raises NftRefused."""

    def listing(self) -> str | None:
        """Our table without counters, in libnftables' own words; None where there is none."""

    def canonical(self, table: str) -> str:
        """How `listing` shows a table of this text. Raises NftRefused where nft does not take it."""


class Libnftables:
    """`Nft`, for real, in the network namespace of the thread that makes it."""

    def __init__(self) -> None:
        self._context = nftables.Nftables()
        self._context.set_stateless_output(True)
        self._context.set_numeric_proto_output(True)
        self._context.set_numeric_prio_output(True)

    def run(self, transaction: str) -> None:
        code, _, error = self._context.cmd(transaction)
        if code != 0:
            raise NftRefused(error.strip() or "libnftables refused the transaction without a word")

    def listing(self) -> str | None:
        code, output, _ = self._context.cmd(f"list table {TABLE}")
        return str(output) if code == 0 else None

    def canonical(self, table: str) -> str:
        """Loaded into a namespace of its own and listed there: nft itself is the judge of equality."""
        return inside_new(lambda: _load_and_list(table))


def _load_and_list(table: str) -> str:
    scratch = Libnftables()
    scratch.run(table)
    return scratch.listing() or ""
