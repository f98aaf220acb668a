"""What is told of an event is in proportion to what it changes."""

from __future__ import annotations

from controller.rollout import LAG
from tests.controller.cluster.stage import SOURCE, Stage, node_ref, started
from tests.controller.files import RED_AND_BLUE


def version(stage: Stage) -> str:
    return str(stage.get(SOURCE)["metadata"]["resourceVersion"])


def at_rest() -> Stage:
    return started(RED_AND_BLUE, nodes=2, network="red")


def test_a_pod_in_a_network_of_its_node_is_no_news_of_the_source() -> None:
    stage = at_rest()
    before, told = version(stage), stage.events("Applied")
    stage.pod("one-more", 1, "red")
    stage.turn()
    assert stage.get(node_ref("node-1"))["metadata"]["generation"] == 2
    stage.agents_apply()
    stage.turn()
    assert version(stage) == before
    assert stage.events("Applied") == told


def test_a_node_that_does_not_take_new_pods_up_is_told_after_a_while() -> None:
    stage = at_rest()
    stage.pod("one-more", 1, "red")
    stage.turn()
    stage.seconds += LAG - 1
    stage.turn()
    assert stage.status(SOURCE)["nodes"] == {"ready": 2, "total": 2}
    stage.seconds += 1
    stage.turn()
    assert stage.status(SOURCE)["nodes"] == {"ready": 1, "total": 2}
    assert stage.condition(SOURCE) == ("False", "Applying")


def test_a_pod_in_a_network_new_to_its_node_is_waited_for() -> None:
    stage = at_rest()
    stage.pod("blue-1", 1, "blue")
    stage.turn()
    assert stage.status(SOURCE)["nodes"] == {"ready": 1, "total": 2}
    stage.agents_apply()
    stage.turn()
    assert stage.status(SOURCE)["nodes"] == {"ready": 2, "total": 2}


def test_a_pod_that_comes_while_a_change_is_applied_hides_nothing_of_it() -> None:
    stage = at_rest()
    stage.pod("blue-1", 1, "blue")
    stage.turn()
    stage.pod("one-more", 1, "red")
    stage.turn()
    assert stage.status(SOURCE)["nodes"] == {"ready": 1, "total": 2}
