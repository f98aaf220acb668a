from __future__ import annotations

from pathlib import Path

import pytest

from agent.cni import Command
from agent.undelegated import KEPT
from compiler.device_names import port_name
from compiler.layering import base_layout
from compiler.names import DEFAULT_NETWORK
from tests.agent.node import FakeNode, bound, plan_with_pods, request


@pytest.fixture
def node(tmp_path: Path) -> FakeNode:
    node = FakeNode(tmp_path)
    node.apply(plan_with_pods())
    return node


def test_delete_leaves_nothing_of_the_pod(node: FakeNode) -> None:
    node.ask(request(Command.ADD))
    assert node.ask(request(Command.DEL)) == {}
    assert node.kernel.observe().layout == base_layout(plan_with_pods())
    assert node.kernel.pods == {}
    assert node.engine.store.leases == {}


def test_delete_of_what_was_never_added_is_left_to_the_ordinary_plugin(node: FakeNode) -> None:
    before = len(node.kernel.history)
    assert node.ask(request(Command.DEL)) == {"delegate": True}
    assert len(node.kernel.history) == before


def test_a_delete_that_is_repeated_ends_here(node: FakeNode) -> None:
    node.ask(request(Command.ADD))
    for _ in range(3):
        assert node.ask(request(Command.DEL)) == {}


def test_a_delete_that_is_repeated_after_a_restart_is_left_to_the_ordinary_plugin(node: FakeNode) -> None:
    node.ask(request(Command.ADD))
    node.ask(request(Command.DEL))
    assert node.restarted().ask(request(Command.DEL)) == {"delegate": True}


def test_a_delete_after_an_add_that_failed_ends_here(node: FakeNode) -> None:
    node.refused(request(Command.ADD, "team-a/web-9"))
    assert node.ask(request(Command.DEL)) == {}


def test_a_delete_after_a_collection_ends_here(node: FakeNode) -> None:
    node.ask(request(Command.ADD))
    node.ask(request(Command.GC))
    assert node.ask(request(Command.DEL)) == {}


def test_what_was_handed_over_in_the_end_is_deleted_by_the_ordinary_plugin(node: FakeNode) -> None:
    node.refused(request(Command.ADD, "team-a/web-9"))
    node.apply(plan_with_pods(pods=(bound("team-a/web-9", DEFAULT_NETWORK),)))
    assert node.ask(request(Command.ADD, "team-a/web-9")) == {"delegate": True}
    assert node.ask(request(Command.DEL)) == {"delegate": True}


def test_of_many_attachments_the_oldest_is_forgotten(node: FakeNode) -> None:
    for n in range(KEPT + 1):
        node.refused(request(Command.ADD, "team-a/web-9", container=f"c{n}"))
    assert node.ask(request(Command.DEL, container="c0")) == {"delegate": True}
    assert node.ask(request(Command.DEL, container="c1")) == {}


def test_delete_works_when_the_sandbox_is_gone_already(node: FakeNode) -> None:
    node.ask(request(Command.ADD))
    node.kernel.end_pod("/run/netns/c1")
    assert node.ask(request(Command.DEL)) == {}
    assert node.kernel.observe().layout == base_layout(plan_with_pods())


def test_delete_works_after_a_restart_without_any_plan(node: FakeNode) -> None:
    node.ask(request(Command.ADD))
    node.restart()
    assert node.ask(request(Command.DEL)) == {}
    assert node.kernel.pods == {}


def test_check_finds_nothing_wrong_with_a_pod_as_it_was_added(node: FakeNode) -> None:
    node.ask(request(Command.ADD))
    assert node.ask(request(Command.CHECK)) == {}


def test_check_names_what_the_node_lacks(node: FakeNode) -> None:
    node.ask(request(Command.ADD))
    port = port_name("c1", "eth0")
    node.kernel.set_down(port)
    error = node.refused(request(Command.CHECK))
    assert (error.code, error.message) == (102, f"pod team-a/web-0: the node lacks pod port {port}")


def test_check_names_what_is_wrong_inside_the_pod(node: FakeNode) -> None:
    node.ask(request(Command.ADD))
    node.kernel.pods.clear()
    error = node.refused(request(Command.CHECK))
    assert error.message == "pod team-a/web-0: eth0 does not exist in /run/netns/c1"


def test_garbage_collection_detaches_what_the_runtime_no_longer_knows(node: FakeNode) -> None:
    for n in range(3):
        node.ask(request(Command.ADD, container=f"c{n}"))
    assert node.ask(request(Command.GC, valid=("c1",))) == {}
    assert [key.container for key in node.engine.store.leases] == ["c1"]
    assert set(node.kernel.pods) == {("/run/netns/c1", "eth0")}


def test_check_of_what_was_deleted_fails_here(node: FakeNode) -> None:
    node.ask(request(Command.ADD))
    node.ask(request(Command.DEL))
    error = node.refused(request(Command.CHECK))
    assert (error.code, error.message) == (3, "the container is not attached: no ADD, or DEL since")


def test_check_of_what_was_never_added_is_left_to_the_ordinary_plugin(node: FakeNode) -> None:
    assert node.ask(request(Command.CHECK)) == {"delegate": True}
