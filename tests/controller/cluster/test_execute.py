"""Actions through the API: contained, not repeated, tried again in time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from compiler.model import VirtualNetwork
from controller.cluster.actions import Apply, GiveUp, Prune, WriteStatus
from controller.cluster.conflict import Contested
from controller.cluster.declared import resource_of
from controller.cluster.execute import Failure
from controller.cluster.resource_status import Condition, NetworkStatus, NodeCount, NodeTotal, SourceStatus
from controller.cluster.status_patch import status_patch
from controller.cluster.transitions import ClusterEvent, Subject
from kube.api import ApiError, Forbidden, Invalid, ObjectRef, TooManyRequests, Unreachable
from kube.kinds import EVENTS, NAMESPACES
from tests.compiler.declared import network
from tests.controller.cluster.mirroring import Stage, key

RED = network("team-a/red", "10.1.0.0/24")
SEA = network("team-a/sea", "10.2.0.0/24")
LOST = network("team-lost/red", "10.3.0.0/24")


def made(*networks: VirtualNetwork) -> Stage:
    stage = Stage()
    stage.commit("c1", *networks)
    stage.turn()
    return stage


def ready(*, now: str = "2026-01-02T12:00:00Z", message: str = "In force", status: str = "True") -> Condition:
    return Condition(type="Ready", status=status, last_transition_time=now, reason="InForce", message=message)


def told(stage: Stage, status: NetworkStatus) -> WriteStatus:
    stands = stage.get(key("team-a/red"))
    assert stands.status is None or isinstance(stands.status, NetworkStatus)
    return WriteStatus(
        key=stands.key, over=stands.metadata.resource_version, before=stands.status, status=status
    )


def test_an_object_that_is_refused_stops_no_other() -> None:
    stage = Stage()
    stage.commit("c1", LOST, RED)
    stage.turn()
    assert stage.keys() == ["VirtualNetwork/team-a/red"]
    assert stage.last.failures == (
        Failure(
            key=key("team-lost/red"),
            action="apply VirtualNetwork/team-lost/red of commit c1",
            error="namespace team-lost does not exist; create it, or take what is declared in it out of Git",
            retry_in=1.0,
        ),
    )
    assert list(stage.executor.errors) == [key("team-lost/red")]


def test_what_failed_is_tried_again_after_growing_pauses() -> None:
    stage = made(LOST)
    assert stage.executor.wake_in == 1.0
    stage.requests()
    stage.turn()
    assert stage.requests() == []
    assert stage.executor.wake_in == 1.0
    stage.clock.seconds += 1.0
    stage.turn()
    assert stage.last.failures[0].retry_in == 2.0
    for _ in range(20):
        stage.clock.seconds += 300
        stage.turn()
    assert stage.last.failures[0].retry_in == 300.0


def test_what_failed_is_tried_at_once_when_the_declaration_is_another() -> None:
    stage = made(LOST)
    stage.commit("c2", network("team-lost/red", "10.4.0.0/24"))
    stage.turn()
    assert len(stage.last.failures) == 1


def test_what_succeeds_in_the_end_is_forgotten() -> None:
    stage = made(LOST)
    stage.api.create(NAMESPACES, {"metadata": {"name": "team-lost"}})
    stage.clock.seconds += 1.0
    stage.turn()
    assert stage.executor.errors == {}
    assert stage.executor.wake_in is None


def test_a_server_that_does_not_answer_stops_the_rest_of_the_turn() -> None:
    stage = Stage()
    stage.commit("c1", *(network(f"team-a/n{n}", "10.1.0.0/24") for n in range(100)))
    actions = stage.decide()
    stage.client.outage = True
    done = stage.executor.execute(actions)
    assert not done.reached
    assert len(stage.client.requests) <= 8
    assert stage.executor.wake_in == 1.0
    stage.client.outage = False
    assert not stage.executor.execute(actions).reached
    assert len(stage.client.requests) <= 8
    stage.clock.seconds += 1.0
    assert stage.executor.execute(actions).reached
    assert len(stage.keys()) == 100


def test_a_server_that_asks_for_time_is_given_it() -> None:
    stage = Stage()
    stage.commit("c1", RED)
    stage.client.refusals.append(TooManyRequests("slow down", status=429, retry_after=30))
    assert not stage.executor.execute(stage.decide()).reached
    assert stage.executor.wake_in == 30.0


def test_a_failure_of_one_object_in_the_server_stops_no_other() -> None:
    stage = Stage()
    stage.commit("c1", RED, SEA)

    def broken_webhook(verb: str, ref: ObjectRef, body: Mapping[str, object]) -> None:
        if ref.name == "red":
            raise Unreachable("failed calling webhook", status=500, reason="InternalError")

    stage.api.server.admission.append(broken_webhook)
    stage.turn()
    assert stage.last.reached
    assert stage.keys() == ["VirtualNetwork/team-a/sea"]
    assert stage.executor.errors[key("team-a/red")] == "the API server refuses it: failed calling webhook"


def test_what_is_sent_is_not_sent_again_before_the_watch_shows_it() -> None:
    stage = Stage()
    stage.commit("c1", RED)
    actions = stage.decide()
    stage.executor.execute(actions)
    stage.requests()
    stage.executor.execute(actions)
    assert stage.requests() == []
    stage.clock.seconds += 5
    stage.executor.execute(actions)
    assert stage.requests() == ["APPLY virtualnetworks.atoll.dev team-a/red"]


def test_the_answer_is_handed_back() -> None:
    stage = made(RED)
    assert stage.last.answers[key("team-a/red")].metadata.revision == "c1"


def test_a_conflict_is_no_failure() -> None:
    stage = made(RED)
    stage.edit(key("team-a/red"), {"spec": {"egress": "snat"}})
    stage.turn()
    assert stage.last.failures == ()
    assert stage.executor.conflicts[key("team-a/red")].fields == (
        Contested(field=".spec.egress", manager="kubectl-edit"),
    )


def test_a_conflict_on_an_object_that_the_watch_has_not_shown_is_met_again() -> None:
    stage = Stage()
    stage.commit("c1", RED)
    actions = stage.decide()
    stage.api.beside("kubectl").create(
        key("team-a/red").ref.resource,
        {"metadata": {"name": "red"}, "spec": {"subnets": ["10.9.0.0/24"]}},
        namespace="team-a",
    )
    assert stage.executor.execute(actions).failures == ()
    assert stage.executor.conflicts == {}
    stage.turn()
    assert list(stage.executor.conflicts) == [key("team-a/red")]


def test_deletion_meets_only_the_object_that_was_looked_at() -> None:
    stage = made(RED)
    stage.executor.execute([Prune(key=key("team-a/red"), uid="another", over="")])
    assert not stage.get(key("team-a/red")).metadata.terminating


def test_an_object_that_is_gone_cannot_be_pruned_and_need_not() -> None:
    stage = Stage()
    done = stage.executor.execute([Prune(key=key("team-a/red"), uid="u", over="7")])
    assert (done.failures, done.reached) == ((), True)


def test_what_is_given_up_keeps_what_others_own() -> None:
    stage = Stage()
    stage.commit("c1", RED)
    stage.turn()
    declared = resource_of(RED)
    stage.api.apply(
        declared.key.ref,
        {**declared.body("x"), "metadata": {"name": "red"}},
        field_manager="flux",
        force=False,
    )
    stands = stage.get(declared.key)
    metadata = stands.metadata
    stage.executor.execute([GiveUp(key=stands.key, uid=metadata.uid, over=metadata.resource_version)])
    left = stage.get(declared.key)
    assert left.spec == stands.spec
    assert (left.metadata.revision, left.metadata.finalizers) == ("", ())


def test_a_status_is_written_whole_the_first_time_and_then_by_its_differences() -> None:
    stage = made(RED)
    stage.requests()
    first = NetworkStatus(conditions=(ready(),), number=7, pods=1)
    stage.executor.execute([told(stage, first)])
    assert stage.get(key("team-a/red")).status == first
    stage.clock.seconds += 10
    second = NetworkStatus(conditions=(ready(),), number=7, pods=2)
    stage.executor.execute([told(stage, second)])
    assert stage.get(key("team-a/red")).status == second
    assert status_patch(first, second) == {"pods": 2}
    assert stage.requests() == ["PATCH virtualnetworks.atoll.dev team-a/red"] * 2


def test_a_status_that_stands_is_not_written() -> None:
    stage = made(RED)
    status = NetworkStatus(number=7)
    stage.executor.execute([told(stage, status)])
    stage.requests()
    stage.executor.execute([told(stage, status)])
    assert stage.requests() == []


def test_a_status_is_measured_by_what_was_written_where_the_watch_lags() -> None:
    stage = made(RED)
    stale = told(stage, NetworkStatus(number=7, last_applied_revision="c1"))
    stage.executor.execute([stale])
    stage.requests()
    stage.executor.execute([stale])
    assert stage.requests() == []
    back = WriteStatus(key=stale.key, over=stale.over, before=None, status=NetworkStatus(number=7))
    stage.executor.execute([back])
    assert stage.get(key("team-a/red")).status == NetworkStatus(number=7)


def test_counts_and_words_are_written_once_in_a_few_seconds() -> None:
    stage = made(RED)
    stage.executor.execute([told(stage, NetworkStatus(conditions=(ready(),), pods=1))])
    stage.requests()
    counted = told(stage, NetworkStatus(conditions=(ready(message="In force on 2"),), pods=2))
    stage.executor.execute([counted])
    assert stage.requests() == []
    assert stage.executor.wake_in == 5.0
    stage.clock.seconds += 5
    stage.executor.execute([counted])
    assert stage.requests() == ["PATCH virtualnetworks.atoll.dev team-a/red"]


def test_a_condition_that_turns_is_written_at_once() -> None:
    stage = made(RED)
    stage.executor.execute([told(stage, NetworkStatus(conditions=(ready(),)))])
    stage.requests()
    stage.executor.execute([told(stage, NetworkStatus(conditions=(ready(status="False"),)))])
    assert stage.requests() == ["PATCH virtualnetworks.atoll.dev team-a/red"]


def test_a_status_whose_fate_is_unknown_is_written_whole() -> None:
    stage = made(RED)
    stage.executor.execute([told(stage, NetworkStatus(number=7, last_applied_revision="c1"))])
    stage.client.lost_answers = 1
    changed = told(stage, NetworkStatus(number=8))
    stage.executor.execute([changed])
    stage.clock.seconds += 10
    stage.executor.execute(
        [
            WriteStatus(
                key=changed.key,
                over=changed.over,
                before=changed.before,
                status=NetworkStatus(number=7, last_applied_revision="c1"),
            )
        ]
    )
    assert stage.get(key("team-a/red")).status == NetworkStatus(number=7, last_applied_revision="c1")


def test_a_status_of_an_object_that_is_gone_is_nobodys_failure() -> None:
    stage = made(RED)
    late = told(stage, NetworkStatus(number=7))
    stage.commit("c2")
    stage.turn()
    stage.turn()
    assert stage.executor.execute([late]).failures == ()


def test_a_patch_goes_into_parts_of_a_status_and_takes_away_what_is_no_more() -> None:
    before = SourceStatus(nodes=NodeTotal(ready=1, total=2), last_seen_revision="c1", problem_count=3)
    after = SourceStatus(nodes=NodeTotal(ready=2, total=2), problem_count=3)
    assert status_patch(before, after) == {"nodes": {"ready": 2}, "lastSeenRevision": None}


def test_a_patch_over_the_unknown_has_every_field() -> None:
    patch = status_patch(None, NetworkStatus(nodes=NodeCount(ready=0, needed=0)))
    assert patch["nodes"] == {"ready": 0, "needed": 0}
    assert {name for name, value in patch.items() if value is None} == {
        "addresses",
        "conditions",
        "free",
        "lastAppliedRevision",
        "lastAttemptedRevision",
        "lastHandledReconcileAt",
        "number",
        "observedGeneration",
        "pods",
    }


def event(note: str = "In force on 4 of 4 nodes") -> ClusterEvent:
    subject = Subject(key=key("team-a/red"), uid="u-1")
    return ClusterEvent(regarding=subject, reason="InForce", action="Apply", note=note)


def test_an_event_is_recorded_beside_its_object() -> None:
    stage = Stage()
    done = stage.executor.execute(events=[event()])
    assert done.failures == ()
    listed = msgspec.json.decode(stage.api.list(EVENTS, namespace="team-a"))["items"]
    assert [(one["note"], one["type"], one["regarding"]["uid"]) for one in listed] == [
        ("In force on 4 of 4 nodes", "Normal", "u-1")
    ]
    assert listed[0]["eventTime"] == "2026-01-02T12:00:00.000000Z"


def test_an_event_that_is_refused_is_not_tried_again() -> None:
    stage = Stage()
    stage.client.refusals.append(Forbidden("events are forbidden", status=403))
    (failure,) = stage.executor.execute(events=[event()]).failures
    assert (failure.action, failure.retry_in) == ("record event InForce", None)


def test_an_event_that_is_recorded_already_is_no_failure() -> None:
    stage = Stage()
    stage.executor.execute(events=[event()])
    assert stage.executor.execute(events=[event()]).failures == ()


def test_what_git_no_longer_declares_has_no_conflict_and_no_failure() -> None:
    stage = made(RED, LOST)
    stage.edit(key("team-a/red"), {"spec": {"egress": "snat"}})
    stage.turn()
    stage.executor.retain([key("team-a/sea")])
    assert (stage.executor.conflicts, stage.executor.settled, stage.executor.errors) == ({}, {}, {})


def test_an_event_of_an_outage_is_recorded_after_it_at_its_own_time() -> None:
    stage = Stage()
    stage.client.outage = True
    assert not stage.executor.execute(events=[event("first")]).reached
    assert not stage.executor.execute(events=[event("second")]).reached
    stage.client.outage = False
    stage.clock.seconds += 1
    stage.executor.now = lambda: datetime(2026, 1, 2, 13, 0, tzinfo=UTC)
    stage.executor.execute()
    stage.executor.execute()
    listed = msgspec.json.decode(stage.api.list(EVENTS, namespace="team-a"))["items"]
    assert sorted((one["note"], one["eventTime"]) for one in listed) == [
        ("first", "2026-01-02T12:00:00.000000Z"),
        ("second", "2026-01-02T12:00:00.000000Z"),
    ]


def test_of_a_long_outage_the_last_events_are_kept() -> None:
    stage = Stage()
    stage.client.outage = True
    for number in range(300):
        stage.executor.execute(events=[event(str(number))])
    stage.client.outage = False
    stage.clock.seconds += 1000
    assert stage.executor.execute().requests == 200


def test_what_was_written_long_ago_is_not_remembered() -> None:
    stage = made(RED)
    stale = told(stage, NetworkStatus(number=7))
    stage.executor.execute([stale])
    stage.requests()
    stage.clock.seconds += 500
    stage.executor.execute([stale])
    assert stage.requests() == []
    stage.clock.seconds += 700
    stage.executor.execute([stale])
    assert stage.requests() == ["PATCH virtualnetworks.atoll.dev team-a/red"]


def test_the_words_for_a_refusal_are_the_servers() -> None:
    stage = Stage()
    stage.commit("c1", RED)
    refusal: ApiError = Invalid('virtualnetworks "red" is invalid: spec.subnets: too many.', status=422)
    stage.client.refusals.append(refusal)
    (failure,) = stage.executor.execute(stage.decide()).failures
    assert failure.error == (
        'the API server refuses it: virtualnetworks "red" is invalid: spec.subnets: too many'
    )
    assert isinstance(stage.decide()[0], Apply)
