"""Events tell what turned, once, and never too many."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from compiler.names import NetworkNumber, NodeName
from compiler.plan import PodBinding
from controller.cluster.conflict import Contested, conflict
from controller.cluster.coverage import Coverage, Failure
from controller.cluster.event_object import event_object
from controller.cluster.objects import ResourceKey
from controller.cluster.resource_status import (
    Applied,
    Condition,
    NetworkStatus,
    NodeStatus,
    RolloutStatus,
    SourceStatus,
)
from controller.cluster.source_statuses import Signatures, SourceFacts, source_status
from controller.cluster.statuses import NetworkFacts, Standing, network_status
from controller.cluster.transitions import (
    ClusterEvent,
    Subject,
    bounded,
    node_events,
    pod_events,
    status_events,
    waiting_pods,
)
from tests.compiler.declared import name, network
from tests.controller.cluster.mirroring import key
from tests.controller.cluster.test_source_statuses import broken

C1, C2 = "1a2b3c4d5e6f7a8b9c0d", "2b3c4d5e6f7a8b9c0d1e"
RED = Subject(key=key("team-a/red"), uid="u-1")
SOURCE = Subject(key=ResourceKey(kind="NetworkSource", namespace="ops", name="main"), uid="u-2")
NODE = Subject(key=ResourceKey(kind="NodeNetwork", namespace="", name="node-1"), uid="u-3")
FULL = Coverage(needed=4, ready=4)
STANDING = Standing(generation=1, coverage=FULL, attempted=C1, applied=C1, changed_in=C1)
SOURCE_FACTS = SourceFacts(generation=1, seen=C1, attempted=C1, applied=C1, coverage=FULL)


def of(standing: Standing, previous: NetworkStatus | None = None) -> NetworkStatus:
    facts = NetworkFacts(standing=standing, network=network("team-a/red", "10.1.0.0/24"))
    return network_status(facts, previous, now="2026-01-02T12:00:00Z")


def source(facts: SourceFacts, previous: SourceStatus | None = None) -> SourceStatus:
    return source_status(facts, previous, now="2026-01-02T12:00:00Z")


def told(events: Iterable[ClusterEvent]) -> list[str]:
    return [f"{'Warning' if one.warning else 'Normal'} {one.reason}: {one.note}" for one in events]


def turned(before: Standing | None, after: Standing) -> list[str]:
    old = of(before) if before else None
    return told(status_events(RED, old, of(after, old)))


IN_FORCE = "Normal InForce: In force on 4 of 4 nodes, commit 1a2b3c4d5e6f"


def test_a_network_that_comes_into_force_has_an_event() -> None:
    assert turned(None, STANDING) == [IN_FORCE]


def test_a_turn_in_which_nothing_turned_has_none() -> None:
    assert turned(STANDING, STANDING) == []
    assert turned(STANDING, replace(STANDING, coverage=Coverage(needed=5, ready=5))) == []


def test_nodes_that_are_applying_are_no_news_until_all_have() -> None:
    applying = replace(STANDING, coverage=Coverage(needed=4, ready=3, waiting=(NodeName("n"),)))
    assert turned(STANDING, applying) == []
    assert turned(applying, STANDING) == [IN_FORCE]


def test_a_node_that_fails_is_a_warning_once() -> None:
    one = Coverage(needed=4, ready=3, failed=1, failures=(Failure(node=NodeName("n"), error="no room"),))
    failed = replace(STANDING, coverage=one)
    text = "Warning NodesFailed: In force on 3 of 4 nodes, commit 1a2b3c4d5e6f; n: no room"
    assert turned(STANDING, failed) == [text]
    assert turned(failed, replace(failed, coverage=replace(one, ready=2, failed=2))) == []


def test_a_version_that_comes_into_force_at_once_has_an_event() -> None:
    later = replace(STANDING, generation=2, attempted=C2, applied=C2, changed_in=C2)
    assert turned(STANDING, later) == ["Normal InForce: In force on 4 of 4 nodes, commit 2b3c4d5e6f7a"]


def test_a_foreign_network_with_an_error_is_told_for_each_version() -> None:
    bad = replace(STANDING, in_git=False, problems=(broken(1),))
    assert [one.split(":")[0] for one in turned(STANDING, bad)] == ["Warning Invalid"]
    assert turned(bad, bad) == []
    assert [one.split(":")[0] for one in turned(bad, replace(bad, generation=2))] == ["Warning Invalid"]


def test_a_conflict_comes_and_goes_with_an_event_each() -> None:
    contested = conflict(key("team-a/red"), [Contested(field=".spec.egress", manager="flux")])
    torn = replace(STANDING, conflict=contested)
    assert turned(STANDING, torn) == [
        "Warning ConflictWithGit: Git says otherwise, and rules: .spec.egress is owned by flux. "
        "Take the field out of what `flux` applies, or change it in Git"
    ]
    assert turned(torn, STANDING) == ["Normal MatchesGit: As commit 1a2b3c4d5e6f declares it"]


def test_a_deletion_that_waits_is_told_and_is_no_warning() -> None:
    going = replace(STANDING, in_git=False, terminating=True)
    assert turned(replace(STANDING, in_git=False), going) == ["Normal Deleting: Deletion is under way"]


def test_each_commit_of_a_source_has_an_event_applied_or_refused() -> None:
    before = source(SOURCE_FACTS)
    assert told(status_events(SOURCE, None, before)) == [
        "Normal Applied: Commit 1a2b3c4d5e6f in force on 4 of 4 nodes"
    ]
    after = source(replace(SOURCE_FACTS, seen=C2, attempted=C2, applied=C2), before)
    assert told(status_events(SOURCE, before, after)) == [
        "Normal Applied: Commit 2b3c4d5e6f7a in force on 4 of 4 nodes"
    ]
    refused = source(replace(SOURCE_FACTS, attempted=C2, problems=(broken(1),)), before)
    assert [one.split(":")[0] for one in told(status_events(SOURCE, before, refused))] == [
        "Warning CommitRefused"
    ]
    again = source(replace(SOURCE_FACTS, attempted="3c", problems=(broken(1),)), refused)
    assert len(told(status_events(SOURCE, refused, again))) == 1
    assert told(status_events(SOURCE, again, again)) == []


def test_signatures_that_are_not_right_are_a_warning() -> None:
    before = source(replace(SOURCE_FACTS, signatures=Signatures(verified=True, message="Signed by ops")))
    after = source(replace(SOURCE_FACTS, signatures=Signatures(verified=False, message="Not signed")), before)
    assert told(status_events(SOURCE, before, after)) == [
        "Warning VerificationFailed: Not signed; commit 1a2b3c4d5e6f stays in force",
        "Warning VerificationFailed: Not signed",
    ]


def test_each_stage_of_a_rollout_has_an_event() -> None:
    before = source(SOURCE_FACTS)
    canary = RolloutStatus(revision=C2, stage="Canary", released=1, total=4)
    held = replace(SOURCE_FACTS, rollout=canary, coverage=Coverage(needed=4, ready=1, held=3))
    first = source(held, before)
    assert told(status_events(SOURCE, before, first)) == [
        "Normal RollingOut: Stage Canary of commit 2b3c4d5e6f7a: 1 of 4 nodes released"
    ]
    assert told(status_events(SOURCE, first, source(held, first))) == []


def node(status: str, reason: str, message: str, revision: str = C1) -> NodeStatus:
    ready = Condition(
        type="Ready",
        status=status,
        last_transition_time="2026-01-02T12:00:00Z",
        reason=reason,
        message=message,
    )
    return NodeStatus(conditions=(ready,), applied=Applied(revision=revision))


def test_a_node_tells_of_each_commit_and_not_of_its_pods() -> None:
    first = node("True", "Applied", "The plan of commit 1a2b is in force.")
    assert told(node_events(NODE, None, first)) == ["Normal NodeReady: The plan of commit 1a2b is in force."]
    pods = node("True", "Applied", "The plan of commit 1a2b (generation 9) is in force.")
    assert told(node_events(NODE, first, pods)) == []
    second = node("True", "Applied", "The plan of commit 2b3c is in force.", C2)
    assert len(told(node_events(NODE, first, second))) == 1


def test_a_node_that_fails_and_recovers_tells_both() -> None:
    fine = node("True", "Applied", "fine")
    failed = node("False", "ApplyFailed", "no room; the plan of commit 1a2b stays in force.")
    assert told(node_events(NODE, fine, failed)) == [
        "Warning ApplyFailed: no room; the plan of commit 1a2b stays in force."
    ]
    worse = node("False", "ApplyFailed", "still no room")
    assert told(node_events(NODE, failed, worse)) == []
    assert told(node_events(NODE, failed, fine)) == ["Normal NodeReady: fine"]
    assert told(node_events(NODE, fine, node("False", "Applying", "on it"))) == []


def bound(pod: str, refusal: str, *, uid: str = "u") -> PodBinding:
    network = None if refusal else NetworkNumber(1)
    return PodBinding(name=name(pod), uid=uid, network=network, refusal=refusal)


def test_a_pod_that_waits_is_told_why_once_for_each_reason() -> None:
    waits = bound("team-a/web", "network red is not declared. Declare it.")
    assert told(pod_events((), (waits,))) == [
        "Warning AwaitingNetwork: The pod waits for its network: network red is not declared. Declare it."
    ]
    assert told(pod_events((waits,), (waits,))) == []
    other = replace(waits, refusal="not admitted")
    assert len(told(pod_events((waits,), (other,)))) == 1
    assert len(told(pod_events((waits,), (replace(waits, uid="born again"),)))) == 1
    assert told(pod_events((waits,), (bound("team-a/web", ""),))) == []
    assert waiting_pods((waits, bound("team-a/db", ""))) == {waits.name: waits.refusal}


def test_too_many_events_are_summed_up_warnings_first() -> None:
    events = [
        ClusterEvent(
            regarding=Subject(key=key(f"team-a/n{n}"), uid="u"),
            reason="InForce",
            action="Apply",
            note="in force",
            warning=n >= 8,
        )
        for n in range(10)
    ]
    kept = bounded(events, sum_on=SOURCE, limit=5)
    assert [one.regarding.key.name for one in kept] == ["n8", "n9", "n0", "n1", "main"]
    assert told(kept[-1:]) == [
        "Normal MoreEvents: 6 more events: 6 InForce; on VirtualNetwork team-a/n2, VirtualNetwork team-a/n3, "
        "VirtualNetwork team-a/n4 and 3 more"
    ]
    assert bounded(events, sum_on=SOURCE, limit=10) == tuple(events)
    assert len(bounded(events, sum_on=None, limit=5)) == 4


def test_an_event_fits_into_its_object() -> None:
    long = ClusterEvent(regarding=NODE, reason="ApplyFailed", action="Apply", note="ä" * 2000, warning=True)
    body = event_object(long, instance="atoll-1", at=datetime(2026, 1, 2, 12, tzinfo=UTC))
    assert len(str(body["note"]).encode()) <= 1024
    metadata = body["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["namespace"] == "default"
    assert re.fullmatch(r"node-1\.[0-9a-f]{16}", metadata["name"])
