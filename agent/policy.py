"""The ruleset in force. It is held in memory; the kernel's is read only to adopt it or to find drift.

Each step is one transaction. A refused delta means that the kernel does not hold what memory says,
so the table is then replaced as a whole, in one transaction too; a refusal of that changes nothing.
"""

from __future__ import annotations

from agent.nft import Nft, NftRefused
from compiler.ruleset import Ruleset, tightened, transaction


class Policy:
    def __init__(self, nft: Nft) -> None:
        self._nft = nft
        self._canonical: tuple[Ruleset, str] | None = None
        self.committed: Ruleset | None = None
        """What the kernel holds, as far as this process knows; None: unknown or nothing."""
        self.transactions = 0
        """Run since the start, refused ones included."""

    def tighten(self, new: Ruleset) -> None:
        """Leave only what the ruleset in force and the new one both allow."""
        self.commit(tightened(self.committed, new) if self.committed is not None else new)

    def commit(self, new: Ruleset) -> None:
        """Put a ruleset in force; no transaction where it is. Raises NftRefused, the old one in force."""
        text = transaction(self.committed, new)
        if not text:
            return
        try:
            self._run(text)
        except NftRefused:
            if self.committed is None:
                raise
            self._run(transaction(None, new))
        self.committed = new

    def adopt(self, expected: Ruleset) -> bool:
        """Take the kernel's table for `expected` where nft shows no difference; says whether it did."""
        if self._nft.listing() != self._shown(expected):
            return False
        self.committed = expected
        return True

    def repair(self) -> bool:
        """Replace the kernel's table where it is not the one committed; says whether it was not."""
        if self.committed is None or self.adopt(self.committed):
            return False
        self._run(transaction(None, self.committed))
        return True

    def _shown(self, ruleset: Ruleset) -> str:
        if self._canonical is None or self._canonical[0] is not ruleset:
            self._canonical = (ruleset, self._nft.canonical(ruleset.text))
        return self._canonical[1]

    def _run(self, text: str) -> None:
        self.transactions += 1
        self._nft.run(text)
