"""The controller from turn to turn: what it publishes, what it says, what it never does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compiler.names import NodeName, ObjectName
from controller.inventory_file import InventoryReading
from controller.snapshot import Refusal
from controller.watch import Wake
from tests.controller.files import BROKEN, CLUSTER, RED, RED_AND_BLUE, network
from tests.controller.scene import Scene, inventory

PODS = {"red-1": "node-1", "red-2": "node-2"}


@pytest.fixture
def scene() -> Scene:
    """A controller that has published one good commit."""
    scene = Scene()
    scene.repository.commit(RED)
    scene.inventory.put(inventory(PODS))
    scene.turn()
    return scene


def test_the_first_commit_is_published_in_the_order_that_is_safe() -> None:
    scene = Scene()
    tip = scene.repository.commit(RED)
    scene.inventory.put(inventory(PODS))

    assert scene.turn() == [
        f"keep commit {tip}",
        "keep allocations of generation 1",
        "publish plan of node-1, generation 1",
        "publish plan of node-2, generation 1",
        "publish reachability",
        "publish status",
    ]
    assert scene.networks_of("node-1") == ["red"]


def test_the_log_tells_the_story(scene: Scene) -> None:
    tip = scene.repository.commit(RED_AND_BLUE)
    scene.inventory.put(inventory(PODS | {"blue-1": "node-2"}))
    scene.log.events.clear()
    scene.turn()

    assert scene.story == ["seen", "inventory", "compiled", "published"]
    seen, stock, compiled, published = (facts for _, facts in scene.log.events)
    assert isinstance(compiled.pop("ms"), int)
    assert seen == {"revision": tip, "files": 3}
    assert stock == {"nodes": 2, "pods": 3}
    assert compiled == {"revision": tip, "generation": 2, "plans": 2, "warnings": 0}
    assert published == {"revision": tip, "generation": 2, "changed": 1, "withdrawn": 0}


def test_a_turn_without_news_does_nothing(scene: Scene) -> None:
    scene.log.events.clear()

    assert scene.turn() == []
    assert scene.turn(look=False) == []
    assert scene.story == []


def test_only_plans_that_changed_are_published(scene: Scene) -> None:
    scene.inventory.put(inventory(PODS | {"red-3": "node-2"}))

    assert scene.turn(look=False) == ["publish plan of node-2, generation 1", "publish status"]


def test_the_plan_of_a_removed_node_is_withdrawn(scene: Scene) -> None:
    scene.inventory.put(inventory({"red-1": "node-1"}, nodes=1))

    executed = scene.turn(look=False)

    assert "withdraw plan of node-2" in executed
    assert set(scene.publisher.published.plans) == {"node-1"}


def test_a_broken_commit_changes_nothing_but_the_status(scene: Scene) -> None:
    good = scene.status.applied
    before = scene.publisher.published.plans
    bad = scene.repository.commit(RED | {"red.yaml": BROKEN})

    assert scene.turn() == ["publish status"]
    assert scene.publisher.published.plans == before
    assert scene.status.applied == good
    assert scene.status.seen is not None
    assert scene.status.seen.revision == bad
    assert [(p.code, p.path, p.line) for p in scene.status.problems] == [("ATL104", "red.yaml", 4)]


def test_a_refused_commit_is_logged_with_its_first_problem(scene: Scene) -> None:
    scene.log.events.clear()
    bad = scene.repository.commit(RED | {"red.yaml": BROKEN})
    scene.turn()
    scene.turn()

    assert scene.story == ["seen", "refused"]
    facts = scene.log.events[1][1]
    assert facts["revision"] == bad
    assert facts["errors"] == 1
    assert str(facts["first"]).startswith("red.yaml:4:1: error ATL104: ")


def test_a_commit_that_does_not_compile_is_refused_as_well(scene: Scene) -> None:
    clash = RED | {"blue.yaml": network("blue", "10.96.1.0/24")}
    scene.repository.commit(clash)

    assert scene.turn() == ["publish status"]
    assert [p.code for p in scene.status.problems] == ["ATL406"]


def test_a_link_in_the_repository_refuses_the_commit(scene: Scene) -> None:
    scene.repository.commit({**RED, "link.yaml": Refusal.SYMBOLIC_LINK})

    assert scene.turn() == ["publish status"]
    assert [(p.code, p.path) for p in scene.status.problems] == [("ATL118", "link.yaml")]


def test_after_a_broken_commit_pods_still_come_and_go(scene: Scene) -> None:
    scene.repository.commit(RED | {"red.yaml": BROKEN})
    scene.turn()
    scene.inventory.put(inventory(PODS | {"red-3": "node-2"}))

    assert scene.turn() == ["publish plan of node-2, generation 1", "publish status"]
    assert [p.code for p in scene.status.problems] == ["ATL104"]


def test_a_mended_commit_comes_into_force(scene: Scene) -> None:
    scene.repository.commit(RED | {"red.yaml": BROKEN})
    scene.turn()
    mended = scene.repository.commit(RED_AND_BLUE)
    scene.turn()

    assert scene.status.applied is not None
    assert scene.status.applied.revision == mended
    assert scene.status.problems == ()


def test_going_back_to_the_good_commit_clears_the_problems(scene: Scene) -> None:
    scene.repository.commit(RED | {"red.yaml": BROKEN})
    scene.turn()
    scene.repository.commit(RED, amend=True)
    scene.turn()

    assert [p.code for p in scene.status.problems] == ["ATL805"]
    assert scene.status.applied is not None
    assert scene.status.seen is not None
    assert scene.status.applied.revision == scene.status.seen.revision


def test_a_forced_push_is_followed_with_a_warning(scene: Scene) -> None:
    scene.repository.commit(RED_AND_BLUE)
    scene.turn()
    amended = scene.repository.commit(RED | {"green.yaml": network("green", "10.3.0.0/24")}, amend=True)
    scene.turn()

    assert scene.status.applied is not None
    assert scene.status.applied.revision == amended
    assert [(p.code, p.severity) for p in scene.status.problems] == [("ATL805", "warning")]


def test_during_an_outage_the_last_good_commit_stays_and_the_status_says_why(scene: Scene) -> None:
    scene.repository.outage = True
    scene.log.events.clear()

    assert scene.turn() == ["publish status"]
    assert scene.turn() == []
    assert scene.story == ["unreachable"]
    assert scene.status.source_problem is not None
    assert scene.status.source_problem.code == "ATL802"
    assert scene.status.applied is not None


def test_the_end_of_an_outage_clears_the_status(scene: Scene) -> None:
    scene.repository.outage = True
    scene.turn()
    scene.repository.outage = False

    assert scene.turn() == ["publish status"]
    assert scene.status.source_problem is None
    assert scene.story[-1] == "reachable"


def test_a_deleted_ref_is_reported_and_changes_nothing(scene: Scene) -> None:
    scene.repository.delete_ref()

    assert scene.turn() == ["publish status"]
    assert scene.status.source_problem is not None
    assert scene.status.source_problem.reason == "ref main names no commit"


def test_a_folder_that_a_commit_removed_refuses_that_commit() -> None:
    scene = Scene()
    scene.repository.folder = "networks"
    scene.repository.commit({f"networks/{path}": text for path, text in RED.items()})
    scene.inventory.put(inventory(PODS))
    scene.turn()
    scene.repository.commit({"README.md": b"moved"})

    assert scene.turn() == ["publish status"]
    assert [(p.code, p.reason) for p in scene.status.problems] == [
        ("ATL803", "the commit has no folder networks")
    ]


def test_an_unreadable_inventory_keeps_the_last_good_one(scene: Scene) -> None:
    scene.inventory.reading = InventoryReading(inventory=None)

    assert scene.turn(look=False) == []

    scene.repository.commit(RED_AND_BLUE | {"cluster.yaml": CLUSTER})
    scene.turn()
    assert set(scene.publisher.published.plans) == {"node-1", "node-2"}


def test_without_an_inventory_nothing_is_published_but_the_status() -> None:
    scene = Scene()
    scene.repository.commit(RED)

    assert scene.turn() == ["publish status"]
    assert scene.status.applied is None


def test_git_is_looked_at_by_the_clock_and_files_in_between(scene: Scene) -> None:
    def change() -> Wake:
        scene.repository.commit(RED_AND_BLUE)
        return Wake.CHANGE

    def time() -> Wake:
        assert scene.status.applied is not None
        assert scene.networks_of("node-1") == ["red"]
        return Wake.TIME

    scene.run(change, time)

    assert scene.story.count("seen") == 2
    assert all(29.0 < seconds <= 30.0 for seconds in scene.waker.waits)


def test_a_full_disk_is_survived_and_made_good(scene: Scene) -> None:
    scene.publisher.room = 1
    scene.inventory.put(inventory({"red-3": "node-1", "red-4": "node-2"}))
    scene.turn(look=False)

    assert scene.story[-1] == "publication-failed"
    scene.publisher.room = None
    assert scene.turn(look=False) == ["publish plan of node-2, generation 1", "publish status"]


def test_what_every_agent_applied_is_confirmed(scene: Scene) -> None:
    scene.agents_apply()

    assert scene.turn(look=False) == ["keep allocations of generation 1", "publish status"]
    assert (scene.status.generation, scene.status.confirmed) == (1, 1)
    assert [node.applied for node in scene.status.nodes] == [True, True]


def test_an_agents_error_is_in_the_status(scene: Scene) -> None:
    scene.agents_apply()
    node = NodeName("node-1")
    report = scene.publisher.agents[node]
    scene.publisher.agents[node] = type(report)(generation=0, digest="", errors=("link vn1: EPERM",))
    scene.turn(look=False)

    assert [(node.name, node.applied, node.errors) for node in scene.status.nodes] == [
        ("node-1", False, ("link vn1: EPERM",)),
        ("node-2", True, ()),
    ]


def test_a_node_that_needs_more_addresses_gets_another_block_and_keeps_it(scene: Scene) -> None:
    scene.agents_apply()
    scene.turn(look=False)
    node = NodeName("node-1")
    applied = scene.publisher.agents[node]
    scene.publisher.agents[node] = replace(applied, wanted={ObjectName(namespace="team-a", name="red"): 16})
    assert "publish plan of node-1, generation 2" in scene.turn(look=False)
    scene.agents_apply()
    scene.turn(look=False)
    blocks = [
        str(block.prefix) for block in scene.publisher.plans[node].plan.networks[0].blocks if block.node == 1
    ]
    assert blocks == ["10.1.0.0/28", "10.1.0.32/28"]
    assert scene.turn(look=False) == []
