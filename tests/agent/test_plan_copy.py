from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from agent.plan_copy import PlanCopy
from agent.plan_file import read_publication
from compiler import codec
from kube.api import TooManyRequests
from tests.agent.cluster import NODE, REF, Cluster, body_of, part_body
from tests.agent.node import Clock
from tests.compiler.sample_plans import GREEN, RED, node_plan

RED_ALONE = replace(RED, peers=())
ALL, LESS = node_plan(), node_plan(RED_ALONE, GREEN)


class Scene:
    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{NODE}.json"
        self.clock = Clock()
        self.cluster = Cluster()
        self.restart()

    def restart(self) -> None:
        self.copy = PlanCopy(
            api=self.cluster.agent, path=self.path, node=NODE, clock=self.clock, chance=random.Random(1)
        )

    def step(self) -> float | None:
        return self.copy.step(self.cluster.network())

    def step_until_due(self) -> None:
        """As the bridge does: again when it is time."""
        wait = self.step()
        assert wait is not None
        self.clock.now += wait
        self.step()

    @property
    def digest(self) -> str:
        return read_publication(self.path, NODE).digest

    @property
    def part_reads(self) -> list[str]:
        return [request for request in self.cluster.agent.requests if "nodenetworkparts" in request]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_a_published_plan_becomes_the_file_that_the_engine_reads(scene: Scene) -> None:
    scene.cluster.publish(ALL, revision="abc1234", generation=12)
    assert scene.step() is None
    publication = read_publication(scene.path, NODE)
    assert publication.plan == ALL
    assert (publication.revision, publication.generation) == ("abc1234", 12)
    assert publication.digest == codec.digest(ALL)


def test_a_plan_in_parts_is_fetched_part_by_part(scene: Scene) -> None:
    scene.cluster.publish(ALL, parts=2)
    assert scene.step() is None
    assert scene.digest == codec.digest(ALL)
    assert scene.part_reads == [
        "GET nodenetworkparts.atoll.dev node-a.0",
        "GET nodenetworkparts.atoll.dev node-a.1",
    ]


def test_a_plan_that_is_there_already_is_not_written_again(scene: Scene) -> None:
    scene.cluster.publish(ALL)
    scene.step()
    before = scene.path.stat()
    scene.restart()
    scene.step()
    assert scene.path.stat() == before


def test_a_change_of_the_object_that_is_no_change_of_the_plan_reads_no_parts(scene: Scene) -> None:
    scene.cluster.publish(ALL, parts=2)
    scene.step()
    scene.cluster.agent.requests.clear()
    note = {"metadata": {"annotations": {"atoll.dev/note": "x"}}}
    scene.cluster.controller.patch(REF, note)
    scene.step()
    assert scene.part_reads == []


def test_parts_of_the_next_plan_leave_the_file_and_are_not_spoken_of_at_once(scene: Scene) -> None:
    scene.cluster.publish(LESS)
    scene.step()
    body, parts = body_of(ALL, parts=1)
    scene.cluster.put(body)
    assert scene.step() is not None
    assert (scene.digest, scene.copy.problem) == (codec.digest(LESS), "")
    scene.cluster.put_part(parts[0])
    scene.step_until_due()
    assert (scene.digest, scene.copy.problem) == (codec.digest(ALL), "")


def test_parts_that_stay_away_are_reported_and_the_file_stays(scene: Scene) -> None:
    scene.cluster.publish(LESS)
    scene.step()
    scene.cluster.put(body_of(ALL, parts=1)[0])
    scene.step_until_due()
    assert scene.digest == codec.digest(LESS)
    assert scene.copy.problem == "NodeNetwork node-a: its NodeNetworkPart node-a.0 does not exist"


def test_wrong_parts_are_reported_until_they_are_right(scene: Scene) -> None:
    body, parts = body_of(ALL, parts=1)
    scene.cluster.put_part(part_body("node-a.0", "AAAA"))
    scene.cluster.put(body)
    scene.step_until_due()
    assert scene.copy.problem.startswith("NodeNetwork node-a: its plan ")
    assert not scene.path.exists()
    scene.cluster.put_part(parts[0])
    scene.clock.now += 60
    assert scene.step() is None
    assert (scene.digest, scene.copy.problem) == (codec.digest(ALL), "")


def test_a_newer_object_is_tried_at_once_however_often_the_former_failed(scene: Scene) -> None:
    scene.cluster.put(body_of(ALL, parts=1)[0])
    for _ in range(10):
        scene.step_until_due()
    scene.cluster.publish(LESS)
    assert scene.step() is None
    assert scene.digest == codec.digest(LESS)


def test_an_event_without_a_newer_spec_does_not_hasten_the_next_attempt(scene: Scene) -> None:
    scene.cluster.put(body_of(ALL, parts=1)[0])
    scene.step()
    asked = len(scene.part_reads)
    scene.step()
    assert len(scene.part_reads) == asked


def test_an_outage_is_not_the_plans_fault(scene: Scene) -> None:
    scene.cluster.publish(ALL, parts=1)
    network = scene.cluster.network()
    scene.cluster.agent.outage = True
    for _ in range(5):
        scene.clock.now += 60
        scene.copy.step(network)
    assert scene.copy.problem == ""
    assert scene.copy.api_problem == ("GET nodenetworkparts.atoll.dev node-a.0: Connection refused")
    scene.cluster.agent.outage = False
    scene.clock.now += 60
    assert scene.copy.step(network) is None
    assert (scene.digest, scene.copy.api_problem) == (codec.digest(ALL), "")


def test_a_busy_server_is_given_the_time_that_it_asks_for(scene: Scene) -> None:
    scene.cluster.publish(ALL, parts=1)
    network = scene.cluster.network()
    scene.cluster.agent.refusals.append(TooManyRequests("slow down", status=429, retry_after=20))
    wait = scene.copy.step(network)
    assert wait is not None
    assert wait >= 20


def test_a_file_that_cannot_be_written_is_reported_and_tried_again(scene: Scene) -> None:
    scene.cluster.publish(ALL)
    scene.path.mkdir()
    scene.step_until_due()
    assert scene.copy.problem.startswith(f"{scene.path}: the plan cannot be written: ")
    scene.path.rmdir()
    scene.clock.now += 60
    assert scene.step() is None
    assert (scene.digest, scene.copy.problem) == (codec.digest(ALL), "")


def test_a_later_commit_with_the_same_plan_is_a_new_file(scene: Scene) -> None:
    scene.cluster.publish(ALL, revision="abc1234")
    scene.step()
    scene.cluster.publish(ALL, revision="def5678")
    scene.step()
    assert read_publication(scene.path, NODE).revision == "def5678"
