from __future__ import annotations

import threading
from pathlib import Path

import pytest

from agent import cni
from agent.cni import CniError, Command
from compiler.device_names import port_name
from compiler.layering import base_layout, layout_of
from tests.agent.node import PODS, FakeNode, bound, plan_with_pods, publication, request
from tests.compiler.sample_plans import BLUE, RED


@pytest.fixture
def node(tmp_path: Path) -> FakeNode:
    node = FakeNode(tmp_path)
    node.apply(plan_with_pods())
    return node


def _refused(node: FakeNode, asked: cni.Request) -> CniError:
    with pytest.raises(CniError) as caught:
        node.ask(asked)
    return caught.value


def test_add_answers_with_addresses_routes_and_interfaces(node: FakeNode) -> None:
    assert node.ask(request(Command.ADD)) == {
        "cniVersion": "1.1.0",
        "interfaces": [
            {"name": port_name("c1", "eth0"), "mac": "0a:44:00:00:00:01"},
            {"name": "eth0", "mac": "0a:50:d7:2e:03:2f", "sandbox": "/run/netns/c1", "mtu": 1450},
        ],
        "ips": [
            {"address": "10.1.0.1/32", "gateway": "169.254.1.1", "interface": 1},
            {"address": "fd01::/128", "gateway": "fe80::1", "interface": 1},
        ],
        "routes": [
            {"dst": "0.0.0.0/0", "gw": "169.254.1.1"},
            {"dst": "::/0", "gw": "fe80::1"},
        ],
        "dns": {},
    }


def test_after_add_the_kernel_holds_exactly_the_layout_with_the_pod(node: FakeNode) -> None:
    node.ask(request(Command.ADD))
    attachments = [lease.attachment for lease in node.engine.store.leases.values()]
    assert node.kernel.observe().layout == layout_of(plan_with_pods(), attachments)
    assert node.kernel.observe().down == frozenset()


def test_adding_and_deleting_pods_issues_no_nft_command(node: FakeNode) -> None:
    before = len(node.nft.history)
    for n in range(3):
        node.ask(request(Command.ADD, container=f"c{n}"))
    for n in range(3):
        node.ask(request(Command.DEL, container=f"c{n}"))
    assert len(node.nft.history) == before


def test_add_again_answers_the_same_and_changes_nothing(node: FakeNode) -> None:
    first = node.ask(request(Command.ADD))
    before = len(node.kernel.history)
    assert node.ask(request(Command.ADD)) == first
    assert len(node.kernel.history) == before


def test_add_again_mends_a_pod_whose_link_was_lost(node: FakeNode) -> None:
    first = node.ask(request(Command.ADD))
    node.kernel.end_pod("/run/netns/c1")
    assert node.ask(request(Command.ADD)) == first
    assert node.ask(request(Command.CHECK)) == {}


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


def test_delete_twice_is_no_error(node: FakeNode) -> None:
    node.ask(request(Command.ADD))
    node.ask(request(Command.DEL))
    assert node.ask(request(Command.DEL)) == {"delegate": True}


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


def test_a_pod_of_the_default_network_is_left_to_the_ordinary_plugin(node: FakeNode) -> None:
    assert node.ask(request(Command.ADD, "default/plain")) == {"delegate": True}
    assert node.engine.store.leases == {}


def test_a_pod_that_must_wait_is_told_why_and_to_come_again(node: FakeNode) -> None:
    error = _refused(node, request(Command.ADD, "team-c/lost"))
    assert error.code == 11
    assert error.message == "pod team-c/lost must wait: network team-c/typo does not exist"


def test_a_pod_in_no_plan_is_refused_after_the_wait_with_the_plan_that_was_looked_at(node: FakeNode) -> None:
    error = _refused(node, request(Command.ADD, "team-a/web-9"))
    assert error.code == 11
    assert error.message == (
        "pod team-a/web-9 is not in this node's plan (revision abc1234, generation 1) after 0 s;"
        " the controller has not published one with it"
    )


def test_a_node_without_a_plan_says_so(tmp_path: Path) -> None:
    node = FakeNode(tmp_path)
    assert _refused(node, request(Command.ADD)).message == (
        "pod team-a/web-0: this node has no plan yet; is the controller running?"
    )
    assert _refused(node, request(Command.STATUS)).code == 50


def test_a_pod_made_anew_under_its_name_waits_for_the_plan_that_knows_it(node: FakeNode) -> None:
    assert _refused(node, request(Command.ADD, uid="u2")).code == 11


def test_a_network_that_is_only_carried_waits_for_the_plan_that_has_it_present(node: FakeNode) -> None:
    node.apply(plan_with_pods(RED, BLUE, pods=(bound("team-a/blue-0", 2),)))
    assert _refused(node, request(Command.ADD, "team-a/blue-0")).code == 11


def test_add_returns_as_soon_as_the_plan_with_its_pod_is_in_force(tmp_path: Path) -> None:
    node = FakeNode(tmp_path, patience=30.0)
    node.apply(plan_with_pods(pods=()))
    answers: list[dict[str, object]] = []
    waiting = threading.Thread(target=lambda: answers.append(node.ask(request(Command.ADD))))
    waiting.start()
    node.engine.apply(publication(plan_with_pods(), generation=2))
    waiting.join(timeout=20)
    assert [answer["ips"] for answer in answers] == [
        [
            {"address": "10.1.0.1/32", "gateway": "169.254.1.1", "interface": 1},
            {"address": "fd01::/128", "gateway": "fe80::1", "interface": 1},
        ]
    ]


def test_what_the_kernel_refuses_leaves_neither_links_nor_lease(node: FakeNode) -> None:
    port = port_name("c1", "eth0")
    action = f"put neighbour 10.1.0.1 lladdr 0a:50:d7:2e:03:2f dev {port}"
    node.kernel.refuse = {action}
    error = _refused(node, request(Command.ADD))
    assert error.code == 100
    assert error.message == f"pod team-a/web-0: {action}: Operation not permitted"
    assert node.kernel.observe().layout == base_layout(plan_with_pods())
    assert node.engine.store.leases == {}


def test_full_blocks_are_told(node: FakeNode) -> None:
    for n in range(15):  # of 16: the subnet's first address stays free
        node.ask(request(Command.ADD, container=f"c{n}"))
    error = _refused(node, request(Command.ADD, "team-a/web-1", container="c15"))
    assert (error.code, error.message) == (
        101,
        "pod team-a/web-1: network team-a/red has no free IPv4 address on this node, in 10.1.0.0/28",
    )


def test_check_finds_nothing_wrong_with_a_pod_as_it_was_added(node: FakeNode) -> None:
    node.ask(request(Command.ADD))
    assert node.ask(request(Command.CHECK)) == {}


def test_check_names_what_the_node_lacks(node: FakeNode) -> None:
    node.ask(request(Command.ADD))
    port = port_name("c1", "eth0")
    node.kernel.set_down(port)
    error = _refused(node, request(Command.CHECK))
    assert (error.code, error.message) == (102, f"pod team-a/web-0: the node lacks pod port {port}")


def test_check_names_what_is_wrong_inside_the_pod(node: FakeNode) -> None:
    node.ask(request(Command.ADD))
    node.kernel.pods.clear()
    error = _refused(node, request(Command.CHECK))
    assert error.message == "pod team-a/web-0: eth0 does not exist in /run/netns/c1"


def test_garbage_collection_detaches_what_the_runtime_no_longer_knows(node: FakeNode) -> None:
    for n in range(3):
        node.ask(request(Command.ADD, container=f"c{n}"))
    assert node.ask(request(Command.GC, valid=("c1",))) == {}
    assert [key.container for key in node.engine.store.leases] == ["c1"]
    assert set(node.kernel.pods) == {("/run/netns/c1", "eth0")}


def test_status_of_a_node_with_a_plan_is_good(node: FakeNode) -> None:
    assert node.ask(request(Command.STATUS)) == {}


def test_pods_outlive_a_restart_untouched(node: FakeNode) -> None:
    node.ask(request(Command.ADD))
    before = len(node.kernel.history)
    node.restart()
    node.apply(plan_with_pods(pods=PODS))
    assert len(node.kernel.history) == before
    assert node.ask(request(Command.CHECK)) == {}
