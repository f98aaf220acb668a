"""Leaders killed, paused, cut off and contradicted: nothing is given twice, and two never both write."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from kube.api import ObjectRef
from kube.candidate import Terms
from kube.kinds import CONFIG_MAPS, LEASES
from kube.lease import Election, unique_identity
from tests.cluster.chart import NAMESPACE
from tests.cluster.history import History
from tests.cluster.replicas import SHORT, ProcessReplica
from tests.cluster.stage import SOURCE, Stage, applied, is_ready, network_ref, status_of
from tests.cluster.watching import Document, stays
from tests.controller.files import RED, RED_AND_BLUE, network

LEASE = ObjectRef(resource=LEASES, name="atoll-controller", namespace=NAMESPACE)
KILLS = 5
SEED = 20261


@pytest.fixture
def history(stage: Stage) -> Iterator[History]:
    history = History(api=stage.api)
    history.start()
    yield history
    history.stop()


def holder(lease: Document) -> str:
    """The instance that holds the Lease; "" where none does."""
    return str(lease.get("spec", {}).get("holderIdentity", "")).rpartition("_")[0]


def until_led_by(stage: Stage, instance: str) -> None:
    stage.until(LEASE, lambda it: holder(it) == instance, f"held by {instance}")


def until_led_by_another(stage: Stage, than: str) -> str:
    return holder(stage.until(LEASE, lambda it: holder(it) not in ("", than), f"held by another than {than}"))


def populated(stage: Stage, nodes: int) -> list[str]:
    """Nodes with twins, a pod in network red on each; the repository is followed."""
    names = stage.nodes(nodes)
    for name in names:
        stage.twin(name)
        stage.pod(f"red-{name}", name, "red")
    stage.repository.commit(RED)
    stage.follow()
    return names


def test_a_leader_killed_at_any_point_leaves_nothing_that_is_given_twice(
    stage: Stage, history: History
) -> None:
    """A stream of commits and pods meanwhile; each killed one comes back as the standby.

    Names run backwards and nodes alternate: who allocates anew what was allocated allocates otherwise.
    """
    chance = random.Random(SEED)
    nodes = populated(stage, 3)
    replicas = {name: stage.controller_process(name, terms=SHORT) for name in ("one", "two")}
    leader = until_led_by_another(stage, "")
    stage.until(SOURCE, is_ready, "ready")
    files = dict(RED)
    revision = ""
    for name in [f"net-{2 * KILLS - turn:02}" for turn in range(1, 2 * KILLS + 1)]:
        nodes.reverse()
        for node in nodes:
            stage.pod(f"{name}-{node}", node, name)
        files[f"{name}.yaml"] = network(name, f"10.{10 + len(files)}.0.0/24")
        revision = stage.push(files)
        if len(files) % 2:
            history.await_more(chance.randrange(1, 6), within=3.0)
            replicas[leader].kill()
        else:
            killed, leader = leader, until_led_by_another(stage, leader)
            replicas[killed].start()
    stage.until_settled(revision, *nodes)
    stage.until(network_ref(name), lambda it: status_of(it).get("pods") == 3, "with its pods")

    assert history.violations() == []
    assert len(stage.allocations().networks) == 2 * KILLS + 1
    for replica in replicas.values():
        replica.stop()
    _assert_nothing_is_rewritten(stage)


def _assert_nothing_is_rewritten(stage: Stage) -> None:
    """By a controller that begins with what stands there: it would compile nothing else from the same."""
    before = stage.snapshot()
    third = stage.controller("third")
    third.story.until("compiled")
    stamp = stage.request(network_ref("red"))
    stage.until(
        network_ref("red"), lambda it: status_of(it).get("lastHandledReconcileAt") == stamp, "looked after"
    )
    assert third.story.events("published") == []
    assert stage.snapshot() == before


def test_a_leader_that_was_paused_writes_nothing_when_it_goes_on(stage: Stage, history: History) -> None:
    chance = random.Random(SEED)
    nodes = populated(stage, 2)
    paused = stage.controller_process("one", terms=SHORT)
    until_led_by(stage, "one")
    stage.until(SOURCE, is_ready, "ready")
    standby = stage.controller_process("two", terms=SHORT)
    files = RED_AND_BLUE
    for node in nodes:
        stage.pod(f"blue-{node}", node, "blue")
    second = stage.push(files)
    history.await_more(1000, within=chance.uniform(0.0, 0.5))
    paused.send(signal.SIGSTOP)
    until_led_by(stage, "two")
    third = stage.push(files | {"green.yaml": network("green", "10.3.0.0/24")})
    stage.until_settled(third, *nodes)
    before = stage.snapshot()
    paused.send(signal.SIGCONT)
    assert paused.wait() == 3
    assert stage.snapshot() == before
    assert holder(stage.get(LEASE)) == "two"
    assert standby.is_running
    assert history.violations() == []
    assert second != third


def test_a_lease_that_is_deleted_under_its_leader_leads_to_one_leader_again(
    stage: Stage, history: History
) -> None:
    """For a moment two may believe that they lead: the one known hole, which the writes' own locks close."""
    nodes = populated(stage, 2)
    first = stage.controller_process("one", terms=SHORT)
    until_led_by(stage, "one")
    stage.until(SOURCE, is_ready, "ready")
    second = stage.controller_process("two", terms=SHORT)
    replicas = {"one": first, "two": second}
    files = dict(RED)
    revision = ""
    for turn in range(3):
        stage.api.delete(LEASE)
        files[f"net-{turn}.yaml"] = network(f"net-{turn}", f"10.{10 + turn}.0.0/24")
        for node in nodes:
            stage.pod(f"net-{turn}-{node}", node, f"net-{turn}")
        revision = stage.push(files)
        stage.until(LEASE, lambda it: holder(it) != "", "held")
        _restart_those_that_ended(replicas)
    stage.until_settled(revision, *nodes)
    assert history.violations() == []


def _restart_those_that_ended(replicas: dict[str, ProcessReplica]) -> None:
    for replica in replicas.values():
        if not replica.is_running:
            replica.start()


def test_a_record_that_another_writes_meanwhile_ends_the_leader(stage: Stage) -> None:
    """Whoever wrote it may be the next leader: nothing is written over it."""
    populated(stage, 1)
    replica = stage.controller()
    stage.until(SOURCE, is_ready, "ready")
    stage.until(SOURCE, lambda it: it["status"]["confirmed"] == it["status"]["generation"], "settled")
    ref = ObjectRef(resource=CONFIG_MAPS, name="atoll-record-allocations", namespace=NAMESPACE)
    other = {"data": {"digest": "sha256:" + "0" * 64}}
    stage.api.patch(ref, other)
    stage.push(RED_AND_BLUE)
    assert "another controller has written it" in str(replica.story.until("deposed")["reason"])
    assert stage.get(ref)["data"]["digest"] == "sha256:" + "0" * 64


# Clocks.


@pytest.mark.parametrize("year", [1999, 2099])
def test_a_lease_of_a_silent_holder_is_taken_over_whatever_its_times_say(stage: Stage, year: int) -> None:
    stage.nodes(1)
    times = {"acquireTime": f"{year}-01-01T00:00:00.000000Z", "renewTime": f"{year}-01-01T00:00:00.000000Z"}
    spec = {"holderIdentity": "ghost_1", "leaseDurationSeconds": 2, "leaseTransitions": 7, **times}
    stage.api.create(LEASES, {**Stage.body(LEASES, LEASE.name, NAMESPACE), "spec": spec}, namespace=NAMESPACE)
    first = stage.repository.commit(RED)
    stage.follow()
    stage.controller(terms=SHORT)
    stage.until(SOURCE, lambda it: applied(it) == first, "applied")
    lease = stage.get(LEASE)
    assert holder(lease) == "one"
    assert lease["spec"]["leaseTransitions"] == 8


@pytest.mark.parametrize("year", [1999, 2099])
def test_a_leader_whose_clock_is_years_off_is_left_in_office(stage: Stage, year: int) -> None:
    odd = Election(
        stage.cluster.api,
        LEASE,
        unique_identity("odd"),
        terms=Terms(lease=6, renew=5, retry=0.5),
        wall=lambda: datetime(year, 1, 1, tzinfo=UTC),
    )
    odd.start()
    try:
        until_led_by(stage, "odd")
        replica = stage.controller(terms=SHORT)
        stays(stage.api, LEASE, lambda it: holder(it) == "odd", "held by odd", seconds=8)
        assert replica.story.events("leading") == []
    finally:
        odd.stop()
    replica.story.until("leading")


def test_a_replica_that_ends_hands_over_at_once(stage: Stage) -> None:
    """By SIGTERM, as in an upgrade: nobody waits for the lease's end, which is minutes away."""
    slow = Terms(lease=600, renew=500, retry=1)
    nodes = populated(stage, 1)
    first = stage.controller("one", terms=slow)
    first.story.until("started")
    second = stage.controller("two", terms=slow)
    stage.until(SOURCE, is_ready, "ready")
    first.stop()
    second.story.until("started")
    stage.until_applied(stage.push(RED_AND_BLUE), *nodes)
