"""Pods that wait for an address which their network no longer has for their node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from compiler.demand import Place
from compiler.names import NodeName
from controller.cluster.objects import ResourceKey
from controller.cluster.reasons import Reason
from controller.cluster.transitions import ClusterEvent, Subject
from controller.publication import Report
from controller.state import State


def exhausted_pods(state: State, reports: Mapping[NodeName, Report]) -> Mapping[Subject, str]:
    """By pod why it waits: where no block is left and the node's agent says that somebody waits."""
    compilation = state.compilation
    if compilation is None or compilation.stages is None:
        return {}
    settlement = compilation.stages.settlement
    found: dict[Subject, str] = {}
    for place, problems in settlement.allotment.shortfalls.items():
        report = reports.get(place.node)
        if report is None or place.network not in report.wanted:
            continue
        why = " ".join(f"{problem.subject}: {problem.reason}. {problem.remedy}." for problem in problems)
        found.update(dict.fromkeys(_without_address(state, place), why))
    return found


def exhaustion_events(before: Mapping[Subject, str], after: Mapping[Subject, str]) -> Iterator[ClusterEvent]:
    """Once for each pod, whatever the number of those that wait with it."""
    for subject, why in after.items():
        if subject not in before:
            yield ClusterEvent(
                regarding=subject,
                reason=Reason.ADDRESSES_EXHAUSTED,
                action="Attach",
                note=f"The pod waits for an address: {why}",
                warning=True,
            )


def _without_address(state: State, place: Place) -> Iterator[Subject]:
    assert state.compilation is not None
    assert state.compilation.stages is not None
    pods = state.compilation.inputs.inventory.pods
    for name, seat in state.compilation.stages.settlement.placement.seats.get(place.node, {}).items():
        if seat.membership.network == place.network and not pods[name].addresses:
            key = ResourceKey(kind="Pod", namespace=name.namespace, name=name.name)
            yield Subject(key=key, uid=seat.uid)
