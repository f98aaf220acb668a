"""Restarts after every kind of end go on from what is durable, and lead to the same publication."""

from __future__ import annotations

import contextlib

import pytest

from compiler.names import ObjectName
from controller.publish_memory import PowerCut
from tests.controller.files import BROKEN, CLUSTER, RED, RED_AND_BLUE, network
from tests.controller.scene import Scene, inventory

PODS = {"red-1": "node-1", "red-2": "node-2"}
BOTH = PODS | {"blue-1": "node-1", "blue-2": "node-2"}


def published_scene() -> Scene:
    scene = Scene()
    scene.repository.commit(RED)
    scene.inventory.put(inventory(PODS))
    scene.turn()
    return scene


def test_a_restart_without_news_changes_nothing() -> None:
    scene = published_scene()
    scene.restart()
    scene.inventory.put(inventory(PODS))

    assert scene.turn() == []


def test_a_restart_while_git_is_away_serves_the_last_good_commit() -> None:
    scene = published_scene()
    scene.repository.outage = True
    scene.restart()
    scene.inventory.put(inventory(PODS | {"red-3": "node-2"}))

    assert scene.turn() == ["publish plan of node-2, generation 1", "publish status"]


def test_a_restart_on_a_broken_commit_serves_the_last_good_one() -> None:
    scene = published_scene()
    scene.repository.commit(RED | {"red.yaml": BROKEN})
    scene.turn()
    good = scene.status.applied
    scene.restart()
    scene.inventory.put(inventory(PODS | {"red-3": "node-2"}))

    assert scene.turn() == ["publish plan of node-2, generation 1", "publish status"]
    assert scene.status.applied == good
    assert [p.code for p in scene.status.problems] == ["ATL104"]


def test_a_restart_without_an_inventory_keeps_every_plan() -> None:
    scene = published_scene()
    scene.restart()

    assert scene.turn() == []
    assert set(scene.publisher.published.plans) == {"node-1", "node-2"}


def test_numbers_and_blocks_outlive_a_restart() -> None:
    scene = published_scene()
    scene.repository.commit({"cluster.yaml": CLUSTER, "amber.yaml": network("amber", "10.3.0.0/24")} | RED)
    scene.turn()
    before = scene.publisher.published.allocations
    scene.restart()
    scene.inventory.put(inventory(PODS))
    scene.turn()

    assert scene.publisher.published.allocations == before
    assert before.networks[ObjectName(namespace="team-a", name="red")].number == 1


@pytest.mark.parametrize("lasting", range(9))
def test_a_power_cut_after_any_action_leaves_a_publication_that_a_restart_completes(lasting: int) -> None:
    undisturbed = published_scene()
    undisturbed.repository.commit(RED_AND_BLUE)
    undisturbed.inventory.put(inventory(BOTH))
    undisturbed.turn()

    scene = published_scene()
    scene.repository.commit(RED_AND_BLUE)
    scene.inventory.put(inventory(BOTH))
    scene.publisher.power = lasting
    try:
        scene.turn()
    except PowerCut:
        assert lasting < 7
    published = scene.publisher.published
    assert all(stamp.generation <= published.allocations.generation for stamp in published.plans.values())

    scene.publisher.power = None
    scene.restart()
    scene.inventory.put(inventory(BOTH))
    scene.turn()
    assert scene.publisher.published == undisturbed.publisher.published


@pytest.mark.parametrize("lasting", range(7))
def test_plans_that_a_power_cut_kept_back_confirm_nothing(lasting: int) -> None:
    scene = published_scene()
    scene.agents_apply()
    scene.turn()
    scene.repository.commit({"cluster.yaml": CLUSTER})
    scene.inventory.put(inventory({}))
    scene.publisher.power = lasting
    with contextlib.suppress(PowerCut):
        scene.turn()

    scene.publisher.power = None
    scene.restart()
    scene.inventory.put(inventory({}))
    scene.turn()
    scene.turn(look=False)

    assert scene.publisher.published.allocations.generation == 2
    assert scene.publisher.published.allocations.confirmed == 1
