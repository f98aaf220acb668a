"""Digests of the plans that differ: of many, by another process while this one finds out what they mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from types import TracebackType

from compiler.plan import NodePlan
from review.forked import Forked, processes_for
from review.model import NodeDigest
from review.plan_pair import PlanPair

Digest = Callable[[NodePlan], str]


class Digests:
    """`aside`: whether another process makes them; by default as it pays. To be left by `with`."""

    def __init__(self, pairs: Sequence[PlanPair], digest: Digest, *, aside: bool | None = None) -> None:
        self._pairs, self._digest = pairs, digest
        aside = processes_for(2 * len(pairs)) > 0 if aside is None else aside
        self._hand = Forked(self._send) if aside else None

    def __enter__(self) -> Digests:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._hand is not None:
            self._hand.dismiss()

    def made(self) -> Sequence[NodeDigest]:
        """Of each pair, in their order. Waits for them; once."""
        if self._hand is None:
            return self._make()
        received: list[NodeDigest] = self._hand.receive()
        return received

    def _send(self, parent: Connection) -> None:
        parent.send(self._make())

    def _make(self) -> list[NodeDigest]:
        return [
            NodeDigest(
                node=pair.either.name,
                before=self._digest(pair.before) if pair.before else "",
                after=self._digest(pair.after) if pair.after else "",
            )
            for pair in self._pairs
        ]
