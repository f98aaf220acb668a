"""What is not well, told once where it began: a node that fails is one finding, its networks one in sum.

Conditions are taken at their word. What no condition can say is told from times: a leader that renews no
more, an agent that does not answer, an object at which nobody has looked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

import msgspec

from cli import status_advice as advice
from cli.status_board import LEASE, Facts
from cli.status_facts import AnyItem, ConfigItem, NetworkItem, NodeItem, RouterItem, SourceItem, moment
from cli.status_report import Finding, Level
from compiler.problem import Severity
from controller.cluster.reasons import PODS_WAIT, ConditionType, Reason
from controller.cluster.recovery import HALTED, ROLLOUT_HALTED
from controller.cluster.resource_status import Condition, SourceStatus
from controller.cluster.wording import commit, counted
from kube import kinds

LATE = timedelta(minutes=2)
"""After that, who has not answered will not by itself. As a rollout's patience by default."""
GRACE = timedelta(seconds=15)
"""Beyond a lease's end, for clocks that differ."""
_WAITING = frozenset(
    {
        Reason.APPLYING,
        Reason.ROLLING_OUT,
        Reason.RECOVERING,
        Reason.SUSPENDED,
        Reason.AWAITING_ROLLOUT,
        Reason.AWAITING_COMMIT,
        Reason.AWAITING_CONSENT,
        Reason.IN_USE,
        Reason.DELETING,
    }
)
_CONSEQUENCES: Mapping[str, str] = {
    Reason.APPLYING: "not yet in force on every node that needs it",
    Reason.AWAITING_ROLLOUT: "the rollout has not reached every node that needs it",
    Reason.AWAITING_COMMIT: "not in force yet: no commit with a ClusterConfig has compiled",
    Reason.NODES_FAILED: "could not be applied on some nodes",
}
"""Of what stands elsewhere: told in sum, in one sentence for all objects."""


def findings(facts: Facts, *, of_each: bool = False) -> tuple[Finding, ...]:
    """Errors first, each once, with everything that it holds for.

    `of_each`: also what a refused commit means to each object that it wanted to change.
    """
    found = [
        *_office(facts),
        *_sources(facts),
        *_nodes(facts),
        *_objects(facts, of_each=of_each),
        *_pods(facts),
    ]
    return tuple(sorted(_grouped(found), key=lambda one: list(Level).index(one.level)))


# --- the controller ---


def _office(facts: Facts) -> Iterator[Finding]:
    lease, subject = facts.lease, f"Lease {facts.namespace}/{LEASE}"
    if not facts.is_known(kinds.LEASES):
        return
    if lease is None:
        message = "no controller has ever led here, so nothing is followed, compiled or published"
        yield _unled(facts, subject, "NoController", message)
        return
    renewed = moment(lease.renew_time or "")
    patience = timedelta(seconds=lease.lease_duration_seconds or 0) + GRACE
    if renewed and facts.now - renewed <= patience:
        return
    if lease.holder_identity:
        message = f"{lease.holder_identity} has not renewed it in time, so no controller seems to work"
    else:
        message = "the last leader left, and no other controller has taken over"
    yield _unled(facts, subject, "NoLeader", f"{message}; nodes keep what they have", lease.renew_time or "")


def _unled(facts: Facts, subject: str, reason: str, message: str, since: str = "") -> Finding:
    return Finding(
        level=Level.ERROR,
        subjects=(subject,),
        reason=reason,
        message=message,
        next=advice.NO_CONTROLLER.format(kubectl=advice.kubectl(facts.namespace)),
        since=since,
    )


# --- the NetworkSource ---


def _sources(facts: Facts) -> Iterator[Finding]:
    if not facts.sources and not facts.configs and _are_known(facts):
        yield Finding(
            level=Level.ERROR,
            subjects=("NetworkSource",),
            reason="NoSource",
            message=f"there is none in {facts.namespace}, and no ClusterConfig: nothing is declared",
            next=advice.NO_SOURCE,
        )
    for source in facts.sources:
        yield from _unseen(source, facts.now)
        yield from _source_ready(source)
        yield from _source_in_sync(source, facts)
        yield from _source_problems(source)


def _are_known(facts: Facts) -> bool:
    return facts.is_known(kinds.NETWORK_SOURCES) and facts.is_known(kinds.CLUSTER_CONFIGS)


def _source_ready(source: SourceItem) -> Iterator[Finding]:
    ready, status = source.says(ConditionType.READY), source.status
    if ready is None or status is None:
        return
    # Both are told whatever else there is: a Git host that is away hides neither.
    told: tuple[str, ...] = ()
    if is_halted(status):
        yield _halt(source, ready, status)
        told = (Reason.ROLLOUT_HALTED, Reason.COMMIT_REFUSED)
    elif is_refused(source):
        yield _refusal(source, ready, status)
        told = (Reason.COMMIT_REFUSED,)
    if ready.status != "True" and ready.reason not in told:
        # Warnings are listed by themselves.
        message = ready.message.partition("; warning: ")[0]
        if ready.reason == Reason.NODES_FAILED and status.nodes:
            of = f"{status.nodes.ready} of {status.nodes.total} nodes"
            message = f"{commit(status.last_applied_revision)} is in force on {of}"
        yield _told(source, ready, advice.SOURCE, message=message)


def is_halted(status: SourceStatus) -> bool:
    return status.rollout is not None and status.rollout.stage == HALTED


def _halt(source: SourceItem, ready: Condition, status: SourceStatus) -> Finding:
    halted = msgspec.structs.replace(ready, reason=str(Reason.ROLLOUT_HALTED))
    why = next((one.reason for one in status.problems if one.code == ROLLOUT_HALTED), ready.message)
    stays = f"{commit(status.last_applied_revision)} stays in force"
    message = f"{commit(status.rollout.revision if status.rollout else '')}: {why}; {stays}"
    return _told(source, halted, advice.SOURCE, message=message)


def is_refused(source: SourceItem) -> bool:
    """Whether the commit seen last has errors, so that another is in force."""
    ready, status = source.says(ConditionType.READY), source.status
    if ready is None or status is None or is_halted(status) or ready.reason == Reason.VERIFICATION_FAILED:
        return False
    errors = any(problem.severity == Severity.ERROR for problem in status.problems)
    return errors or ready.reason == Reason.COMMIT_REFUSED


def _refusal(source: SourceItem, ready: Condition, status: SourceStatus) -> Finding:
    """In short: the problems are listed by themselves."""
    applied = status.last_applied_revision
    stays = f"{commit(applied)} stays in force" if applied else "nothing is in force"
    problems = counted(status.problem_count or len(status.problems), "problem")
    message = f"{commit(status.last_attempted_revision)} is refused, with {problems}; {stays}"
    refused = msgspec.structs.replace(ready, reason=str(Reason.COMMIT_REFUSED))
    return _told(source, refused, advice.SOURCE, message=message)


def _source_in_sync(source: SourceItem, facts: Facts) -> Iterator[Finding]:
    said = source.says(ConditionType.IN_SYNC)
    if said is None or said.status != "False":
        return
    own = (item.says(ConditionType.IN_SYNC) for item in _declared(facts))
    if said.reason != Reason.CONFLICT_WITH_GIT or all(one is None or one.status == "True" for one in own):
        yield _told(source, said, advice.SOURCE)


def _source_problems(source: SourceItem) -> Iterator[Finding]:
    """Warnings of a commit that is in force."""
    status = source.status
    if status is None or is_halted(status):
        return
    severities = [problem.severity for problem in status.problems]
    if not severities or Severity.ERROR in severities:
        return
    count = counted(status.problem_count or len(severities), "warning")
    yield Finding(
        level=Level.WARNING,
        subjects=(source.subject,),
        reason="Warnings",
        message=f"{count}, listed under Problems",
        next="mend them in Git when there is time; they change nothing",
    )


# --- nodes ---


def _nodes(facts: Facts) -> Iterator[Finding]:
    for node in facts.nodes:
        yield from _damage(node)
        if not node.damage:
            yield from _node(node, facts.now)
        for warning in node.status.warnings if node.status else ():
            yield Finding(
                level=Level.WARNING, subjects=(node.subject,), reason="Warning", message=warning, next=""
            )


def _node(node: NodeItem, now: datetime) -> Iterator[Finding]:
    ready = node.says(ConditionType.READY)
    applied = node.status.applied if node.status else None
    if node.status and node.status.errors:
        errors = node.status.errors
        more = f" (and {counted(len(errors) - 1, 'error')} more)" if len(errors) > 1 else ""
        reason = ready.reason if ready and ready.status != "True" else "ApplyFailed"
        yield Finding(
            level=Level.ERROR,
            subjects=(node.subject,),
            reason=reason,
            message=f"{errors[0].removesuffix('.')}{more}; {_stays(node)}",
            next=advice.NODE.get(reason, advice.NODE["ApplyFailed"]),
            since=ready.last_transition_time if ready else "",
        )
    elif applied is None or applied.digest != node.spec.digest:
        yield _behind(node, now)
    elif ready and ready.status != "True":
        yield _told(node, ready, advice.NODE)


def _behind(node: NodeItem, now: datetime) -> Finding:
    late = _is_older(node.written, now)
    fate = "waits for the node's agent" if late else "is being applied"
    return Finding(
        level=Level.ERROR if late else Level.WAITING,
        subjects=(node.subject,),
        reason="NoAnswer" if late else str(Reason.APPLYING),
        message=f"the plan of {commit(node.spec.revision)} {fate}; {_stays(node)}",
        next=advice.SILENT.format(labels=advice.AGENT_LABELS, name=node.key.name) if late else "",
        since=node.written,
    )


def _stays(node: NodeItem) -> str:
    applied = node.status.applied if node.status else None
    return f"{commit(applied.revision)} stays in force" if applied else "no plan is in force"


# --- networks, routers, the configuration ---


def _objects(facts: Facts, *, of_each: bool) -> Iterator[Finding]:
    refused = not of_each and any(is_refused(source) for source in facts.sources)
    for item in _declared(facts):
        yield from _damage(item)
        yield from _unseen(item, facts.now)
        ready, in_sync = item.says(ConditionType.READY), item.says(ConditionType.IN_SYNC)
        if ready and ready.status != "True":
            yield _told(item, ready, advice.DECLARED, message=_CONSEQUENCES.get(ready.reason, ""))
        if in_sync and in_sync.status == "False":
            if refused and in_sync.reason == Reason.COMMIT_REFUSED:
                continue  # the NetworkSource tells it
            yield _told(item, in_sync, advice.DECLARED)
    for network in facts.networks:
        yield from _exhausted(network)


def _declared(facts: Facts) -> Iterator[ConfigItem | NetworkItem | RouterItem]:
    yield from facts.configs
    yield from facts.networks
    yield from facts.routers


def _exhausted(network: NetworkItem) -> Iterator[Finding]:
    if network.status and network.status.free == 0:
        yield Finding(
            level=Level.WARNING,
            subjects=(network.subject,),
            reason="NoAddressLeft",
            message="every address of one IP version is in use",
            next=advice.NO_ADDRESS,
        )


def _damage(item: AnyItem) -> Iterator[Finding]:
    if item.damage:
        yield Finding(
            level=Level.ERROR,
            subjects=(item.subject,),
            reason="Unreadable",
            message=item.damage,
            next="is this atoll older than the controller or the agent that wrote it?",
        )


def _unseen(item: SourceItem | ConfigItem | NetworkItem | RouterItem, now: datetime) -> Iterator[Finding]:
    if item.damage or (item.status and item.status.observed_generation >= item.generation):
        return
    late = item.status is None and _is_older(item.created, now)
    what = "its newest version" if item.status else "it"
    yield Finding(
        level=Level.ERROR if late else Level.WAITING,
        subjects=(item.subject,),
        reason="NotLookedAt",
        message=f"the controller has not looked at {what}{'' if late else ' yet'}",
        next="see whether a controller leads" if late else "",
        since=item.created if late else "",
    )


# --- pods ---


def _pods(facts: Facts) -> Iterator[Finding]:
    """Pods that have not started and were told to wait; events that are older than an hour are gone.

    While a rollout is on, it may be what a pod waits for.
    """
    rollouts = [source.status.rollout for source in facts.sources if source.status]
    rolling = any(one is not None and one.stage != HALTED for one in rollouts)
    waiting = {
        event.regarding: event
        for event in facts.events
        if event.reason in PODS_WAIT and event.regarding.uid in facts.pending
    }
    for pod, event in waiting.items():
        yield Finding(
            level=Level.WAITING if rolling else Level.ERROR,
            subjects=(str(pod),),
            reason=event.reason,
            message=event.note,
            next=advice.POD,
            since=event.at,
        )


# --- words ---


def _told(item: AnyItem, said: Condition, table: Mapping[str, str], *, message: str = "") -> Finding:
    namespace, name = item.key
    known = table.get(said.reason, "" if said.reason in _WAITING else advice.UNKNOWN)
    return Finding(
        level=Level.WAITING if said.reason in _WAITING else Level.ERROR,
        subjects=(item.subject,),
        reason=said.reason,
        message=message or said.message,
        next=known.format(
            kubectl=advice.kubectl(namespace),
            name=name,
            kind=item.resource.kind.lower(),
            request=advice.request(namespace, name),
        ),
        since=said.last_transition_time,
    )


def _is_older(text: str, now: datetime) -> bool:
    at = moment(text)
    return at is not None and now - at > LATE


def _grouped(found: Iterable[Finding]) -> Iterator[Finding]:
    """One finding for all objects of which the same is said; since the first of them."""
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for one in found:
        kind = one.subjects[0].partition(" ")[0]
        groups.setdefault((one.level, kind, one.reason, one.message), []).append(one)
    for alike in groups.values():
        first = alike[0]
        yield Finding(
            level=first.level,
            subjects=tuple(subject for one in alike for subject in one.subjects),
            reason=first.reason,
            message=first.message,
            next=first.next,
            since=min((one.since for one in alike if one.since), default=""),
        )
