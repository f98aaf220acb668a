"""Digests of the plans that differ: of many, by another process while this one finds out what they mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from compiler.plan import NodePlan
from review.forked import Forked, processes_for
from review.model import NodeDigest
from review.plan_pair import PlanPair

Digest = Callable[[NodePlan], str]


@contextmanager
def digests_of(
    pairs: Sequence[PlanPair], digest: Digest, *, aside: bool | None = None
) -> Iterator[Callable[[], Sequence[NodeDigest]]]:
    """What waits for them, once, in the order of the pairs.

    `aside`: whether another process makes them; by default as it pays.
    """

    def made() -> list[NodeDigest]:
        return [_digests(pair, digest) for pair in pairs]

    if not (processes_for(2 * len(pairs)) if aside is None else aside):
        yield made
        return
    hand = Forked(lambda parent: parent.send(made()))
    try:
        yield hand.receive
    finally:
        hand.dismiss()


def _digests(pair: PlanPair, digest: Digest) -> NodeDigest:
    return NodeDigest(
        node=pair.either.name,
        before=digest(pair.before) if pair.before else "",
        after=digest(pair.after) if pair.after else "",
    )
