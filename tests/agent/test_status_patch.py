from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from agent.node_status import NodeStatus
from agent.status_patch import BETWEEN_SECONDS, ECHO_SECONDS, StatusPatch
from kube.api import TooManyRequests
from tests.agent.cluster import NODE, REF, Cluster
from tests.agent.node import Clock
from tests.compiler.sample_plans import node_plan

ONE, TWO, THREE = (NodeStatus(attachments=number) for number in (1, 2, 3))


@dataclass
class Scene:
    clock: Clock = field(default_factory=Clock)
    cluster: Cluster = field(default_factory=Cluster)

    def __post_init__(self) -> None:
        self.cluster.publish(node_plan())
        self.patch = StatusPatch(api=self.cluster.agent, node=NODE, clock=self.clock, chance=random.Random(1))

    def step(self, wanted: NodeStatus) -> float | None:
        return self.patch.step(self.cluster.network(), wanted)

    @property
    def patches(self) -> int:
        return sum(request.startswith("PATCH") for request in self.cluster.agent.requests)

    @property
    def attachments(self) -> Any:
        return self.cluster.status().get("attachments")


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_status_is_patched_into_the_status_and_nowhere_else(scene: Scene) -> None:
    before = json.loads(scene.cluster.agent.get(REF))
    assert scene.step(ONE) is None
    after = json.loads(scene.cluster.agent.get(REF))
    assert after["spec"] == before["spec"]
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert after["status"]["attachments"] == 1


def test_the_same_status_is_not_patched_again(scene: Scene) -> None:
    scene.step(ONE)
    scene.clock.now += 3600
    assert scene.step(ONE) is None
    assert scene.patches == 1


def test_a_restarted_agent_does_not_repeat_what_stands_there(scene: Scene) -> None:
    scene.step(ONE)
    scene.patch = StatusPatch(api=scene.cluster.agent, node=NODE, clock=scene.clock)
    assert scene.step(ONE) is None
    assert scene.patches == 1


def test_of_many_changes_at_once_the_last_is_patched(scene: Scene) -> None:
    scene.step(ONE)
    wait = scene.step(TWO)
    assert wait == pytest.approx(BETWEEN_SECONDS)
    scene.clock.now += BETWEEN_SECONDS
    scene.step(THREE)
    assert (scene.patches, scene.attachments) == (2, 3)


def test_what_the_watch_has_not_shown_yet_is_not_sent_twice(scene: Scene) -> None:
    before = scene.cluster.network()
    scene.patch.step(before, ONE)
    scene.clock.now += BETWEEN_SECONDS
    assert scene.patch.step(before, ONE) == pytest.approx(ECHO_SECONDS - BETWEEN_SECONDS)
    assert scene.patches == 1


def test_what_another_hand_changed_is_put_right_in_the_end(scene: Scene) -> None:
    scene.step(ONE)
    scene.cluster.controller.patch(REF, {"status": {"attachments": 99}}, subresource="status")
    wait = scene.step(ONE)
    assert wait is not None
    scene.clock.now += wait
    scene.step(ONE)
    assert scene.attachments == 1


def test_an_outage_is_waited_out_and_only_the_newest_is_told(scene: Scene) -> None:
    network = scene.cluster.network()
    scene.cluster.agent.outage = True
    waits = []
    for wanted in (ONE, TWO) * 5:
        wait = scene.patch.step(network, wanted)
        assert wait is not None
        waits.append(wait)
        scene.clock.now += wait
    assert max(waits) <= 30
    assert scene.patch.problem == "PATCH nodenetworks.atoll.dev node-a: Connection refused"
    scene.cluster.agent.outage = False
    scene.cluster.agent.requests.clear()
    assert scene.patch.step(network, THREE) is None
    assert (scene.patches, scene.attachments, scene.patch.problem) == (1, 3, "")


def test_a_busy_server_is_given_the_time_that_it_asks_for(scene: Scene) -> None:
    scene.cluster.agent.refusals.append(TooManyRequests("slow down", status=429, retry_after=20))
    wait = scene.step(ONE)
    assert wait is not None
    assert wait >= 20


def test_an_object_made_anew_gets_its_status_again(scene: Scene) -> None:
    scene.step(ONE)
    scene.cluster.controller.delete(REF)
    scene.cluster.publish(node_plan())
    scene.clock.now += BETWEEN_SECONDS
    assert scene.step(ONE) is None
    assert (scene.patches, scene.attachments) == (2, 1)


def test_nothing_of_an_earlier_status_stays(scene: Scene) -> None:
    scene.step(NodeStatus(errors=("no",), leaving=("vn4",)))
    scene.clock.now += BETWEEN_SECONDS
    scene.step(NodeStatus(attachments=1))
    kept = {key: value for key, value in scene.cluster.status().items() if value}
    assert kept == {"attachments": 1}
    assert msgspec.convert(scene.cluster.status(), NodeStatus) == ONE
