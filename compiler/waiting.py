"""Pods that cannot have the network they name, told once for all that make one claim."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from heapq import nsmallest

from compiler.catalogue import found
from compiler.inventory import Pod
from compiler.membership import Refusal
from compiler.names import ObjectName
from compiler.placement import Claim, Group, Placement
from compiler.problem import Problem

NAMED = 3
"""So many pods a message names."""


def waiting_pods(
    previous: Mapping[Claim, Problem],
    placement: Placement,
    pods: Mapping[ObjectName, Pod],
    concerned: Collection[Claim],
) -> Mapping[Claim, Problem]:
    """By claim; looks again only at those that a change concerns."""
    problems = dict(previous)
    for claim in concerned:
        problems.pop(claim, None)
        group = placement.groups.get(claim)
        if group is None or group.chosen.refusal is None:
            continue
        if waiting := _waiting(group, placement, pods):
            problems[claim] = pods_that_wait("ATL317", claim.namespace, waiting, group.chosen.refusal)
    return problems


def chosen_anew(before: Placement, after: Placement) -> Iterator[Claim]:
    """The claims whose pods or whose choice differ; looks at all of them."""
    for claim, group in after.groups.items():
        if before.groups.get(claim) is not group:
            yield claim
    yield from before.groups.keys() - after.groups.keys()


def _waiting(group: Group, placement: Placement, pods: Mapping[ObjectName, Pod]) -> list[str]:
    """Without those that run on another network than they name now: of these ATL316 tells."""
    waiting = []
    for name in group.pods:
        node = pods[name].node
        if node is None or placement.seats[node][name].membership.refusal is not None:
            waiting.append(name.name)
    return waiting


def pods_that_wait(code: str, namespace: str, waiting: Collection[str], refusal: Refusal) -> Problem:
    """Pods of one namespace, by name, that wait for one reason."""
    named = nsmallest(NAMED, waiting)
    if len(waiting) == 1:
        subject, reason = f"Pod {namespace}/{named[0]}", f"it waits: {refusal.reason}"
    else:
        rest = f" and {len(waiting) - NAMED} more" if len(waiting) > NAMED else ""
        subject = f"Namespace {namespace}"
        reason = f"{len(waiting)} pods wait ({', '.join(named)}{rest}), each for one reason: {refusal.reason}"
    return found(code, origin=None, subject=subject, reason=reason, remedy=refusal.remedy)
