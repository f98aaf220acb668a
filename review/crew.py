"""Who reads and judges nodes: this process; for many nodes several, each its share from text to verdict."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from multiprocessing.connection import Connection

from compiler.names import NodeName
from review.forked import Forked
from review.proof_memory import Facts, Memory, Source
from verifier.fabric import Receivers
from verifier.judge import NodeVerdict, judge_node
from verifier.meaning import Meaning
from verifier.rights import Rights


class Crew:
    """For one proof. `unread`: what `read` is about; `processes`: how many share it; 0: this one does."""

    def __init__(self, meaning: Meaning, memory: Memory, unread: Sequence[Source], *, processes: int) -> None:
        self._meaning, self._memory, self._unread = meaning, memory, unread
        self._shares = [unread[start::processes] for start in range(processes)]
        self._hands = [Forked(_Hand(meaning, memory, share)) for share in self._shares]

    def close(self) -> None:
        for hand in self._hands:
            hand.dismiss()

    def read(self) -> Iterator[tuple[Source, Facts]]:
        """In any order. Raises Unjudged."""
        if not self._hands:
            for source in self._unread:
                yield source, Facts.of(self._meaning, self._memory.given(source))
            return
        by_name = {source.name: source for source in self._unread}
        counted = [(hand, len(share)) for hand, share in zip(self._hands, self._shares, strict=True)]
        for name, facts in Forked.received(counted):
            yield by_name[name], facts

    def judge(self, due: Iterable[Source], receivers: Receivers) -> Iterator[NodeVerdict]:
        """In any order: by who has read the node, or else here."""
        left = {source.name: source for source in due}
        asked = []
        for hand, share in zip(self._hands, self._shares, strict=True):
            names = [source.name for source in share if left.pop(source.name, None) is not None]
            hand.send((names, receivers))
            asked.append((hand, len(names)))
        rights = Rights(meaning=self._meaning)
        for source in left.values():
            yield judge_node(rights, self._memory.given(source).node, receivers)
        yield from Forked.received(asked)


class _Hand:
    """What a process of its own does with its share."""

    def __init__(self, meaning: Meaning, memory: Memory, share: Sequence[Source]) -> None:
        self._meaning, self._memory, self._share = meaning, memory, share

    def __call__(self, parent: Connection) -> None:
        gc.disable()  # it makes millions of values and no cycles, and ends soon
        by_name = {source.name: source for source in self._share}
        for name, source in by_name.items():
            parent.send((name, Facts.of(self._meaning, self._memory.given(source))))
        names: list[NodeName]
        names, receivers = parent.recv()
        rights = Rights(meaning=self._meaning)
        for name in names:
            parent.send(judge_node(rights, self._memory.given(by_name[name]).node, receivers))
