"""A new leader goes on where the one before ended, and nobody sees that there is another."""

from __future__ import annotations

import pytest

from controller.cluster.objects import ObservedSource
from controller.cluster.recovery import FIRST_LOOK, RESUMED, oldest, patience, recovered
from controller.cluster.resource_status import RolloutStatus, SourceStatus
from controller.publication import Published
from controller.state import Place, State
from tests.controller.cluster.stage import SOURCE, Stage, network_ref, node_ref, started
from tests.controller.cluster.test_source_watcher import source
from tests.controller.files import BROKEN, RED, RED_AND_BLUE, network

WIDER = RED | {"red.yaml": network("red", "10.1.0.0/16")}
WITH_BLUE = WIDER | {"blue.yaml": network("blue", "10.2.0.0/24")}
HASTY = {"readyTimeout": "60s"}


def with_status(status: SourceStatus | None, *, suspend: bool = False) -> ObservedSource:
    made = source(suspend=suspend)
    return ObservedSource(key=made.key, metadata=made.metadata, spec=made.spec, status=status)


def rollout(stage: str) -> SourceStatus:
    return SourceStatus(rollout=RolloutStatus(revision="b" * 40, stage=stage))


@pytest.mark.parametrize(
    ("found", "seconds"),
    [
        (None, 0.0),
        (with_status(None), FIRST_LOOK),
        (with_status(SourceStatus()), FIRST_LOOK),
        (with_status(rollout("Canary")), RESUMED),
        (with_status(rollout("Halted")), FIRST_LOOK),
        (with_status(rollout("Canary"), suspend=True), 0.0),
    ],
)
def test_how_long_a_new_leader_waits_for_its_first_look(found: ObservedSource | None, seconds: float) -> None:
    assert patience(found) == seconds


def test_the_oldest_source_counts() -> None:
    first, second = source(name="b"), source(name="a")
    assert oldest([first, second]) is second, "of two as old, the first by name"
    assert oldest([]) is None


STATE = State(
    place=Place(repository="", ref="", folder=""), published=Published(), allocations=Published().allocations
)


def test_without_a_source_nothing_is_recovered() -> None:
    assert recovered(STATE, None) == STATE
    assert recovered(STATE, with_status(None)) == STATE


def test_requests_answered_and_the_commit_seen_are_recovered() -> None:
    status = SourceStatus(last_handled_reconcile_at="now", last_seen_revision="b" * 40)
    state = recovered(STATE, with_status(status))
    assert state.handled == "now"
    assert state.seen == "b" * 40


def test_a_quarantine_is_recovered_although_its_reason_is_lost() -> None:
    state = recovered(STATE, with_status(rollout("Halted")))
    assert state.quarantined == "b" * 40
    assert state.halted
    assert state.halted.code == "ATL820"


def test_a_new_leader_writes_nothing_where_nothing_has_happened() -> None:
    stage = started(RED_AND_BLUE, nodes=2)
    stage.pod("web", 1, "red")
    stage.settle()
    stage.agents_apply()
    stage.settle()
    stage.restart()
    before = stage.version
    stage.watch()
    stage.settle()
    assert stage.version == before
    assert [request for request in stage.client.requests if not request.startswith(("GET", "LIST"))] == []


def test_a_new_leader_tells_a_refused_commit_as_the_one_before_did() -> None:
    stage = started(RED)
    stage.repository.commit(RED | {"red.yaml": BROKEN})
    stage.settle()
    status = stage.status(SOURCE)
    stage.restart()
    stage.watch()
    before = stage.version
    stage.settle()
    assert stage.version == before
    assert stage.status(SOURCE) == status


def test_while_git_is_away_a_new_leader_still_tells_which_commit_was_seen() -> None:
    stage = started(RED)
    seen = stage.repository.commit(RED | {"red.yaml": BROKEN})
    stage.settle()
    stage.repository.outage = True
    stage.restart()
    stage.watch()
    stage.settle()
    assert stage.status(SOURCE)["lastSeenRevision"] == seen
    assert stage.condition(SOURCE) == ("False", "SourceUnreachable")
    assert stage.status(network_ref("red"))["lastAppliedRevision"] != seen


def test_requests_answered_before_a_restart_are_not_answered_again_while_suspended() -> None:
    stage = started(RED)
    stamp = stage.request()
    stage.settle()
    stage.follow(suspend=True)
    stage.settle()
    stage.restart()
    stage.settle()
    assert stage.status(SOURCE)["lastHandledReconcileAt"] == stamp


def halted() -> Stage:
    stage = started(RED, nodes=3, rollout=HASTY, network="red")
    stage.repository.commit(WIDER)
    stage.look()
    stage.turn()
    stage.seconds += 60
    stage.turn()
    stage.settle()
    assert stage.condition(SOURCE) == ("False", "RolloutHalted")
    return stage


def test_a_quarantine_outlives_a_leader() -> None:
    stage = halted()
    stage.restart()
    stage.watch()
    before = stage.version
    stage.settle()
    assert stage.condition(SOURCE) == ("False", "RolloutHalted")
    assert stage.version == before


def test_a_quarantine_ends_when_somebody_asks_also_while_nobody_led() -> None:
    stage = halted()
    tip = stage.status(SOURCE)["lastSeenRevision"]
    stage.request()
    stage.restart()
    stage.watch()
    stage.turn()
    assert stage.state.rollout
    assert stage.state.rollout.revision == tip


def test_a_quarantine_does_not_end_because_the_source_asks_for_another_pace() -> None:
    stage = halted()
    stage.follow(rollout=HASTY, interval="5m")
    stage.settle()
    assert stage.condition(SOURCE) == ("False", "RolloutHalted")


def test_going_back_to_the_commit_before_ends_the_story_of_a_halt() -> None:
    stage = halted()
    stage.repository.commit(RED, amend=True)
    stage.agents_apply()
    stage.settle()
    assert stage.condition(SOURCE) == ("True", "Applied")
    assert "rollout" not in stage.status(SOURCE)


def test_a_revert_after_a_halt_is_applied_without_a_word() -> None:
    stage = halted()
    tip = stage.repository.commit(RED)
    stage.agents_apply()
    stage.settle()
    assert stage.status(SOURCE)["lastAppliedRevision"] == tip
    assert stage.condition(SOURCE) == ("True", "Applied")


def test_a_rollout_goes_on_under_a_new_leader_and_takes_nothing_back() -> None:
    stage = started(RED, nodes=3, rollout=HASTY, network="red")
    second = stage.repository.commit(WITH_BLUE)
    stage.look()
    stage.turn()
    stage.pod("web", 1, "blue")
    stage.turn()
    stage.agents_apply(1)
    plan = stage.get(node_ref("node-1"))["spec"]["digest"]
    stage.restart()
    stage.watch()
    stage.turn()
    assert stage.get(node_ref("node-1"))["spec"]["digest"] == plan
    assert stage.revisions()["node-1"] == second
    assert stage.state.rollout
    for _ in range(4):
        stage.turn()
        stage.agents_apply()
    stage.settle()
    assert stage.status(SOURCE)["lastAppliedRevision"] == second


def test_without_git_a_new_leader_takes_an_unfinished_rollout_back() -> None:
    stage = started(RED, nodes=3, rollout=HASTY, network="red")
    first = stage.status(SOURCE)["lastAppliedRevision"]
    stage.repository.commit(WIDER)
    stage.look()
    stage.turn()
    stage.repository.outage = True
    stage.restart()
    stage.watch()
    stage.turn()
    assert set(stage.revisions().values()) == {first}
    assert stage.status(SOURCE)["lastAppliedRevision"] == first


@pytest.mark.parametrize("requests", range(0, 30, 2))
def test_a_leader_that_ends_anywhere_leaves_what_another_goes_on_from(requests: int) -> None:
    """It makes so many requests more; numbers that a node has seen are never another network's."""
    stage = started(RED, nodes=2, network="red")
    stage.repository.commit(WITH_BLUE)
    stage.look()
    stage.pod("blue-1", 1, "blue")
    stage.dies_after(requests)
    for _ in range(4):
        stage.turn()
        stage.look()
    stage.restart()
    seen = {network.number: network.name for plan in stage.plans().values() for network in plan.networks}
    stage.watch()
    for _ in range(6):
        stage.turn()
        stage.agents_apply()
    stage.settle(30)
    now = {network.number: network.name for plan in stage.plans().values() for network in plan.networks}
    assert all(now.get(number, name) == name for number, name in seen.items())
    assert stage.networks_on(1) == ["red", "blue"]
    assert stage.condition(SOURCE) == ("True", "Applied")
    assert stage.status(SOURCE)["lastAppliedRevision"] == stage.status(SOURCE)["lastSeenRevision"]
