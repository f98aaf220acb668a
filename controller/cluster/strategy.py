"""A NetworkSource's `spec.rollout` as a rollout's strategy."""

from __future__ import annotations

import math

from compiler.model import LabelSelector, Operator, Requirement
from controller.cluster.source_spec import Canary, Rollout, Selector
from controller.rollout import Strategy
from schemas.duration import duration_of


def strategy_of(spec: Rollout | None) -> Strategy:
    """Return the strategy; without a spec one canary, then a quarter, then all, two minutes for each.

    Raise ValueError for what the CRD's schema refuses, as an API server may hold it from before.
    """
    if spec is None:
        return Strategy()
    canary = spec.canary or Canary()
    return Strategy(
        canary_count=canary.count,
        canary_selector=_selector(canary.node_selector) if canary.node_selector else None,
        share=_share(spec.share),
        ready_timeout=duration_of(spec.ready_timeout).total_seconds(),
    )


def _share(share: int | str) -> float | int:
    if isinstance(share, int):
        return share
    if not share:
        return Strategy().share
    part = float(share.removesuffix("%")) / 100
    if not share.endswith("%") or not math.isfinite(part):
        raise ValueError(f"{share[:40]!r} is neither a number of nodes nor a percentage")
    return part


def _selector(selector: Selector) -> LabelSelector:
    labels = [
        Requirement(key=key, operator=Operator.IN, values=frozenset({value}))
        for key, value in sorted(selector.match_labels.items())
    ]
    expressions = [
        Requirement(key=one.key, operator=Operator(one.operator), values=frozenset(one.values))
        for one in selector.match_expressions
    ]
    return LabelSelector(requirements=(*labels, *expressions))
