"""Events from what turned between two statuses: a turn in which nothing turned has none.

The previous status is the one that stands in the API server, so a new leader repeats nothing. An event
says what the condition's message says, with its commit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from compiler.names import ObjectName
from compiler.plan import PodBinding
from controller.cluster.objects import ResourceKey
from controller.cluster.reasons import ConditionType, Reason
from controller.cluster.resource_status import (
    Condition,
    NodeStatus,
    ResourceStatus,
    SourceStatus,
    condition,
)
from controller.cluster.wording import commit, counted, some

EACH_TURN = 50
"""So many events one turn records, whatever happened."""
NAMED = 3
"""So many resources a sum names."""

_NEWS = frozenset(
    {
        Reason.NODES_FAILED,
        Reason.AWAITING_CONSENT,
        Reason.INVALID,
        Reason.IN_USE,
        Reason.DELETION_UNCONFIRMED,
        Reason.DELETING,
        Reason.COMMIT_REFUSED,
        Reason.SOURCE_UNREACHABLE,
        Reason.VERIFICATION_FAILED,
        Reason.ROLLOUT_HALTED,
        Reason.SUSPENDED,
        Reason.SUPERSEDED,
        Reason.INVALID_SOURCE,
    }
)
"""Reasons not to be ready that are worth an event. That nodes are still applying is not."""
_CALM = frozenset({Reason.AWAITING_CONSENT, Reason.IN_USE, Reason.DELETING, Reason.SUSPENDED})
"""Of these, the ones that nobody need act on: not warnings."""
_TURNING = (
    (ConditionType.IN_SYNC, "Mirror"),
    (ConditionType.VERIFIED, "Verify"),
    (ConditionType.ADDRESSES, "Allocate"),
)
"""Conditions whose turn is an event, with what the controller was doing."""
_FAILED_BY_AGENT = frozenset({"PlanRejected", "ApplyFailed", "RepairFailed"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """The object that an event is about."""

    key: ResourceKey
    uid: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterEvent:
    regarding: Subject
    reason: str
    action: str
    """What the controller was doing, in one word."""
    note: str
    warning: bool = False


def status_events(
    subject: Subject, before: ResourceStatus | None, after: ResourceStatus
) -> Iterator[ClusterEvent]:
    """For a network, a router, the configuration or a NetworkSource."""
    old = before.conditions if before else ()
    yield from _readiness(subject, before, after)
    for kind, action in _TURNING:
        yield from _turned(subject, condition(old, kind), condition(after.conditions, kind), action)
    if isinstance(after, SourceStatus) and (before is None or isinstance(before, SourceStatus)):
        yield from _stage(subject, before, after)


def node_events(subject: Subject, before: NodeStatus | None, after: NodeStatus) -> Iterator[ClusterEvent]:
    """For a NodeNetwork: applied another commit, failed, ready again. Pods that come and go are no news."""
    now = condition(after.conditions, ConditionType.READY)
    was = condition(before.conditions, ConditionType.READY) if before else None
    if now is None or (was is not None and (was.status, was.reason, was.message) == _told(now)):
        return
    failed_before = was is not None and was.reason in _FAILED_BY_AGENT
    if now.status == "True":
        moved = _revision(before) != _revision(after)
        if moved or failed_before:
            yield _event(subject, Reason.NODE_READY, "Apply", now.message)
    elif now.reason in _FAILED_BY_AGENT and (was is None or was.reason != now.reason):
        yield _event(subject, now.reason, "Apply", now.message, warning=True)


def pod_events(before: Iterable[PodBinding], after: Iterable[PodBinding]) -> Iterator[ClusterEvent]:
    """For pods of one node that must wait, once for each reason that they are given."""
    known = {(pod.name, pod.uid): pod.refusal for pod in before if pod.refusal}
    for pod in after:
        if pod.network is None and pod.refusal and known.get((pod.name, pod.uid)) != pod.refusal:
            key = ResourceKey(kind="Pod", namespace=pod.name.namespace, name=pod.name.name)
            note = f"The pod waits for its network: {pod.refusal}"
            subject = Subject(key=key, uid=pod.uid)
            yield _event(subject, Reason.AWAITING_NETWORK, "Attach", note, warning=True)


def bounded(
    events: Collection[ClusterEvent], *, sum_on: Subject | None, limit: int = EACH_TURN
) -> tuple[ClusterEvent, ...]:
    """At most `limit` events, warnings first; the last one sums up the rest, on `sum_on` if there is one."""
    if len(events) <= limit:
        return tuple(events)
    ordered = sorted(events, key=lambda event: not event.warning)
    kept, rest = ordered[: limit - 1], ordered[limit - 1 :]
    return (*kept, _sum(rest, sum_on)) if sum_on else tuple(kept)


def waiting_pods(bindings: Iterable[PodBinding]) -> Mapping[ObjectName, str]:
    """Why each of the pods waits that does."""
    return {pod.name: pod.refusal for pod in bindings if pod.network is None and pod.refusal}


def _readiness(
    subject: Subject, before: ResourceStatus | None, after: ResourceStatus
) -> Iterator[ClusterEvent]:
    now = condition(after.conditions, ConditionType.READY)
    was = condition(before.conditions, ConditionType.READY) if before else None
    if now is None:
        return
    if now.status == "True":
        if was is None or was.status != "True" or (before is not None and _moved(before, after)):
            yield _event(subject, now.reason, "Apply", now.message)
        return
    if now.reason in _NEWS and (was is None or was.reason != now.reason or _retried(before, after)):
        yield _event(subject, now.reason, "Apply", now.message, warning=now.reason not in _CALM)


def _moved(before: ResourceStatus, after: ResourceStatus) -> bool:
    """Another version came into force at once, without a node that had to apply it."""
    if before.last_applied_revision == after.last_applied_revision:
        return False
    return isinstance(after, SourceStatus) or before.observed_generation != after.observed_generation


def _retried(before: ResourceStatus | None, after: ResourceStatus) -> bool:
    """The same verdict on another version."""
    if before is None:
        return True
    if isinstance(after, SourceStatus):
        return before.last_attempted_revision != after.last_attempted_revision
    return before.observed_generation != after.observed_generation


def _turned(
    subject: Subject, was: Condition | None, now: Condition | None, action: str
) -> Iterator[ClusterEvent]:
    if now is None or now.status == "Unknown" or (was is None and now.status == "True"):
        return
    if was is None or (was.status, was.reason) != (now.status, now.reason):
        yield _event(subject, now.reason, action, now.message, warning=now.status == "False")


def _stage(subject: Subject, before: SourceStatus | None, after: SourceStatus) -> Iterator[ClusterEvent]:
    old, new = before.rollout if before else None, after.rollout
    if new is None or (old is not None and (old.revision, old.stage) == (new.revision, new.stage)):
        return
    note = (
        f"Stage {new.stage} of {commit(new.revision)}: {new.released} of "
        f"{counted(new.total, 'node')} released"
    )
    yield _event(subject, Reason.ROLLING_OUT, "Rollout", note)


def _sum(rest: Collection[ClusterEvent], sum_on: Subject) -> ClusterEvent:
    counts = Counter(event.reason for event in rest)
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items()))
    objects = list(dict.fromkeys(event.regarding.key.subject for event in rest))
    note = f"{len(rest)} more events: {reasons}; on {some(objects[:NAMED], len(objects))}"
    warning = any(event.warning for event in rest)
    return _event(sum_on, Reason.MORE_EVENTS, "Report", note, warning=warning)


def _event(subject: Subject, reason: str, action: str, note: str, *, warning: bool = False) -> ClusterEvent:
    return ClusterEvent(regarding=subject, reason=str(reason), action=action, note=note, warning=warning)


def _told(one: Condition) -> tuple[str, str, str]:
    return one.status, one.reason, one.message


def _revision(status: NodeStatus | None) -> str:
    return status.applied.revision if status and status.applied else ""
