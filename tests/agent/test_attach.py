from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from agent.attach import WAITING_AT_MOST, Attachments
from agent.cni import CniError, Command
from agent.shortage import Shortages, Wish
from compiler.device_names import port_name
from compiler.layering import base_layout, layout_of
from compiler.names import NodeNumber, ObjectName
from compiler.plan import Block
from tests.agent.node import PODS, FakeNode, bound, plan_with_pods, publication, request
from tests.compiler.sample_plans import BLUE, GREEN, RED, named, network


@pytest.fixture
def node(tmp_path: Path) -> FakeNode:
    node = FakeNode(tmp_path)
    node.apply(plan_with_pods())
    return node


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


def test_add_again_answers_the_same_and_leaves_all_as_it_is(node: FakeNode) -> None:
    first = node.ask(request(Command.ADD))
    before = node.kernel.observe()
    assert node.ask(request(Command.ADD)) == first
    assert node.kernel.observe() == before


def test_neither_the_first_add_nor_another_looks_at_the_whole_node(node: FakeNode) -> None:
    before = node.kernel.observations
    node.ask(request(Command.ADD))
    node.ask(request(Command.ADD))
    node.ask(request(Command.DEL))
    assert node.kernel.observations == before


def test_add_again_mends_what_the_host_side_lacks(node: FakeNode) -> None:
    node.ask(request(Command.ADD))
    node.kernel.set_down(port_name("c1", "eth0"))
    node.ask(request(Command.ADD))
    assert node.ask(request(Command.CHECK)) == {}


def test_add_again_gives_the_same_address_even_if_the_plan_no_longer_knows_the_pod(node: FakeNode) -> None:
    first = node.ask(request(Command.ADD))
    node.apply(plan_with_pods(pods=()))
    assert node.ask(request(Command.ADD)) == first


def test_an_add_that_was_killed_is_finished_by_the_next_one_with_the_same_address(node: FakeNode) -> None:
    first = node.ask(request(Command.ADD))
    node.kernel._drop(port_name("c1", "eth0"))  # killed between lease and link
    node.restart()
    node.apply(plan_with_pods())
    assert node.attachments.sweep() == ()  # its namespace is there: it may come again
    assert node.ask(request(Command.ADD)) == first
    assert node.ask(request(Command.CHECK)) == {}


def test_a_lease_whose_pod_is_gone_without_a_word_is_freed_at_the_start(node: FakeNode) -> None:
    node.ask(request(Command.ADD, container="c1"))
    node.ask(request(Command.ADD, "team-a/web-1", container="c2"))
    node.kernel.end_pod("/run/netns/c1")
    node.restart()
    node.apply(plan_with_pods())
    assert [lease.key.container for lease in node.attachments.sweep()] == ["c1"]
    assert [key.container for key in node.engine.store.leases] == ["c2"]


def test_a_lease_whose_port_is_there_is_kept_even_where_its_namespace_cannot_be_seen(node: FakeNode) -> None:
    node.ask(request(Command.ADD))
    node.kernel.ended.add("/run/netns/c1")  # not mounted into the agent's container
    assert node.attachments.sweep() == ()


def test_add_again_mends_a_pod_whose_link_was_lost(node: FakeNode) -> None:
    first = node.ask(request(Command.ADD))
    node.kernel.end_pod("/run/netns/c1")
    assert node.ask(request(Command.ADD)) == first
    assert node.ask(request(Command.CHECK)) == {}


def test_a_pod_of_the_default_network_is_left_to_the_ordinary_plugin(node: FakeNode) -> None:
    assert node.ask(request(Command.ADD, "default/plain")) == {"delegate": True}
    assert node.engine.store.leases == {}


def test_a_container_that_is_no_pod_is_left_to_the_ordinary_plugin(node: FakeNode) -> None:
    assert node.ask(replace(request(Command.ADD), pod=None)) == {"delegate": True}
    assert node.engine.store.leases == {}


def test_a_pod_that_must_wait_is_told_why_and_to_come_again(node: FakeNode) -> None:
    error = node.refused(request(Command.ADD, "team-c/lost"))
    assert error.code == 11
    assert error.message == "pod team-c/lost must wait: network team-c/typo does not exist"


def test_a_pod_in_no_plan_is_refused_after_the_wait_with_the_plan_that_was_looked_at(node: FakeNode) -> None:
    error = node.refused(request(Command.ADD, "team-a/web-9"))
    assert error.code == 11
    assert error.message == (
        "pod team-a/web-9 is not in this node's plan (revision abc1234, generation 1) after 0 s;"
        " the controller has not published one with it"
    )


def test_a_node_without_a_plan_says_so(tmp_path: Path) -> None:
    node = FakeNode(tmp_path)
    assert node.refused(request(Command.ADD)).message == (
        "pod team-a/web-0: this node has no plan yet; is the controller running?"
    )
    assert node.refused(request(Command.STATUS)).code == 50


def test_a_pod_made_anew_under_its_name_waits_for_the_plan_that_knows_it(node: FakeNode) -> None:
    error = node.refused(request(Command.ADD, uid="u2"))
    assert (error.code, error.message) == (
        11,
        "pod team-a/web-0 of UID u2 is not in this node's plan,"
        " which has an earlier or later one of that name, UID u1",
    )


def test_a_network_that_is_only_carried_waits_for_the_plan_that_has_it_present(node: FakeNode) -> None:
    node.apply(plan_with_pods(RED, BLUE, pods=(bound("team-a/blue-0", 2),)))
    assert node.refused(request(Command.ADD, "team-a/blue-0")).code == 11


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


def test_the_same_add_twice_at_once_attaches_once(tmp_path: Path) -> None:
    node = FakeNode(tmp_path, patience=30.0)
    node.apply(plan_with_pods(pods=()))
    with ThreadPoolExecutor() as pool:
        adds = [pool.submit(node.ask, request(Command.ADD)) for _ in range(2)]
        node.engine.apply(publication(plan_with_pods(), generation=2))
        first, second = (add.result(timeout=20) for add in adds)
    assert first == second
    assert len(node.engine.store.leases) == 1
    assert node.ask(request(Command.CHECK)) == {}


def test_what_the_kernel_refuses_leaves_neither_links_nor_lease(node: FakeNode) -> None:
    port = port_name("c1", "eth0")
    action = f"put neighbour 10.1.0.1 lladdr 0a:50:d7:2e:03:2f dev {port}"
    node.kernel.refuse = {action}
    error = node.refused(request(Command.ADD))
    assert error.code == 100
    assert error.message == f"pod team-a/web-0: {action}: Operation not permitted"
    assert node.kernel.observe().layout == base_layout(plan_with_pods())
    assert node.engine.store.leases == {}


def _fill(node: FakeNode) -> None:
    for n in range(15):  # of 16: the subnet's first address stays free
        node.ask(request(Command.ADD, container=f"c{n}"))


FULL = "pod team-a/web-1: network team-a/red has no free IPv4 address on this node, in 10.1.0.0/28"


def test_full_blocks_are_told(node: FakeNode) -> None:
    _fill(node)
    error = node.refused(request(Command.ADD, "team-a/web-1", container="c15"))
    assert (error.code, error.message) == (101, FULL)


def test_while_addresses_rest_a_full_block_stays_full(node: FakeNode) -> None:
    _fill(node)
    node.ask(request(Command.DEL, container="c0"))
    error = node.refused(request(Command.ADD, "team-a/web-1", container="c15"))
    assert (error.code, error.message) == (101, f"{FULL}; released ones rest for a while")
    node.clock.now += node.quiet
    assert node.ask(request(Command.ADD, "team-a/web-1", container="c15"))["ips"] == [
        {"address": "10.1.0.1/32", "gateway": "169.254.1.1", "interface": 1},
        {"address": "fd01::f/128", "gateway": "fe80::1", "interface": 1},
    ]


def test_an_add_waits_for_another_block_and_asks_for_it(tmp_path: Path) -> None:
    node = FakeNode(tmp_path, patience=30.0)
    node.apply(plan_with_pods())
    _fill(node)
    told: list[ObjectName] = []
    wished: list[tuple[Wish, ...]] = []
    asked = threading.Event()

    def rouse() -> None:
        wished.append(shortages.wishes)
        asked.set()

    shortages = Shortages(rouse=rouse, told=told.append)
    node.attachments = Attachments(node.engine, patience=30.0, shortages=shortages)
    answers: list[dict[str, object]] = []
    last = request(Command.ADD, "team-a/web-1", container="c15")
    waiting = threading.Thread(target=lambda: answers.append(node.ask(last)))
    waiting.start()
    assert asked.wait(timeout=20)
    wider = replace(RED, blocks=(*RED.blocks, Block(prefix=ip_network("10.1.0.16/28"), node=NodeNumber(1))))
    node.engine.apply(publication(plan_with_pods(wider, BLUE, GREEN), generation=2))
    waiting.join(timeout=20)
    assert [answer["ips"] for answer in answers] == [
        [
            {"address": "10.1.0.16/32", "gateway": "169.254.1.1", "interface": 1},
            {"address": "fd01::f/128", "gateway": "fe80::1", "interface": 1},
        ]
    ]
    assert told == [named("team-a/red")]
    assert wished == [(Wish(network=named("team-a/red"), addresses=16),), ()]


def test_a_pod_gets_the_address_that_it_asks_for(node: FakeNode) -> None:
    pods = (bound("team-a/web-0", 1, addresses=("10.1.0.9",)), bound("team-a/web-1", 1))
    node.apply(plan_with_pods(pods=pods))
    assert node.ask(request(Command.ADD))["ips"] == [
        {"address": "10.1.0.9/32", "gateway": "169.254.1.1", "interface": 1},
        {"address": "fd01::/128", "gateway": "fe80::1", "interface": 1},
    ]


def test_the_second_pod_that_asks_for_an_address_waits_and_is_told_who_has_it(node: FakeNode) -> None:
    pods = tuple(bound(f"team-a/web-{n}", 1, addresses=("10.1.0.9",)) for n in range(2))
    node.apply(plan_with_pods(pods=pods))
    node.ask(request(Command.ADD))
    second = request(Command.ADD, "team-a/web-1", container="c2")
    error = node.refused(second)
    assert (error.code, error.message) == (
        11,
        "pod team-a/web-1: address 10.1.0.9 of network team-a/red, that it asks for,"
        " is held by pod team-a/web-0",
    )
    node.ask(request(Command.DEL))
    assert node.ask(second)["ips"] == [
        {"address": "10.1.0.9/32", "gateway": "169.254.1.1", "interface": 1},
        {"address": "fd01::1/128", "gateway": "fe80::1", "interface": 1},
    ]


def test_what_no_pod_of_a_network_can_have_is_refused_before_anything_is_made(node: FakeNode) -> None:
    refusal = CniError(2, "hostPort", "Use a Service")
    error = node.refused(request(Command.ADD, refusal=refusal))
    assert (error.code, error.message, error.details) == (2, "hostPort", "Use a Service")
    assert node.engine.store.leases == {}
    assert node.ask(request(Command.ADD, "default/plain", refusal=refusal)) == {"delegate": True}


def test_fifty_pods_at_once_get_an_address_each(tmp_path: Path) -> None:
    node = FakeNode(tmp_path)
    wide = network(1, "team-a/red", "10.1.0.0/24", "10.1.0.0/24@1")
    pods = tuple(bound(f"team-a/web-{n}", 1) for n in range(50))
    node.apply(plan_with_pods(wide, pods=pods))
    with ThreadPoolExecutor(max_workers=50) as pool:
        answers = list(
            pool.map(
                node.ask, [request(Command.ADD, f"team-a/web-{n}", container=f"c{n}") for n in range(50)]
            )
        )
    assert len({str(answer["ips"]) for answer in answers}) == 50
    assert len(node.restarted().engine.store.leases) == 50


def test_no_more_than_so_many_wait_at_a_time(tmp_path: Path) -> None:
    node = FakeNode(tmp_path)
    node.apply(plan_with_pods())
    _fill(node)
    waiting: list[ObjectName] = []
    all_wait = threading.Event()

    def told(network: ObjectName) -> None:
        waiting.append(network)
        if len(waiting) == WAITING_AT_MOST:
            all_wait.set()

    node.attachments = Attachments(node.engine, patience=60.0, shortages=Shortages(told=told))
    with ThreadPoolExecutor(max_workers=WAITING_AT_MOST) as pool:
        adds = [
            pool.submit(node.ask, request(Command.ADD, "team-a/web-1", container=f"w{n}"))
            for n in range(WAITING_AT_MOST)
        ]
        assert all_wait.wait(timeout=60)
        error = node.refused(request(Command.ADD, "team-a/web-1", container="one-more"))
        deleted = node.ask(request(Command.DEL, container="c0"))
        wide = network(1, "team-a/red", "10.1.0.0/16 fd01::/64", "10.1.1.0/24@1 fd01::/112@1")
        node.engine.apply(publication(plan_with_pods(wide, BLUE, GREEN), generation=2))
        answers = [add.result(timeout=60) for add in adds]
    assert (error.code, error.message.partition(";")[0]) == (101, "128 others wait already")
    assert deleted == {}
    assert len({str(answer["ips"]) for answer in answers}) == WAITING_AT_MOST


def test_what_cannot_be_brought_to_the_disk_is_not_attached(node: FakeNode) -> None:
    (node.folder / "addresses").unlink()
    (node.folder / "addresses").mkdir()
    error = node.refused(request(Command.ADD))
    assert (error.code, error.message.partition(":")[0]) == (5, "the node's address file")
    assert node.kernel.pods == {}


def test_a_pod_that_runs_keeps_its_address_where_its_repeated_add_cannot_be_brought_to_the_disk(
    node: FakeNode,
) -> None:
    node.ask(request(Command.ADD))
    (node.folder / "addresses").unlink()
    (node.folder / "addresses").symlink_to("/dev/null")  # takes every line, and no fsync
    assert node.refused(replace(request(Command.ADD), netns="/run/netns/other")).code == 5
    assert [key.container for key in node.engine.store.leases] == ["c1"]


def test_status_of_a_node_with_a_plan_is_good(node: FakeNode) -> None:
    assert node.ask(request(Command.STATUS)) == {}


def test_status_names_the_trouble_that_keeps_pods_from_starting(node: FakeNode) -> None:
    node.attachments = Attachments(node.engine, patience=0.0, trouble=lambda: "the kernel refuses")
    error = node.refused(request(Command.STATUS))
    assert (error.code, error.message) == (50, "the kernel refuses")


def test_pods_outlive_a_restart_untouched(node: FakeNode) -> None:
    node.ask(request(Command.ADD))
    before = len(node.kernel.history)
    node.restart()
    node.apply(plan_with_pods(pods=PODS))
    assert len(node.kernel.history) == before
    assert node.ask(request(Command.CHECK)) == {}
