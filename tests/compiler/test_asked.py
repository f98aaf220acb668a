"""Addresses that pods ask for: who gets which, on which node, and who waits why."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import ip_address

import pytest

from compiler.asked import parse
from compiler.change import Change
from compiler.compilation import Compilation, recompile
from compiler.inventory import Pod
from tests.compiler.declared import declarations, name, network
from tests.compiler.small_cluster import NODES, THREE, TWO, cluster, compiled, plan, pod


def asking(text: str, address: str, node: int | None = 1, *running: str, of: str | None = "red") -> Pod:
    return replace(pod(text, of, node, *running), asked=address)


def blocks(compilation: Compilation, of: str = "red") -> dict[str, str]:
    entry = compilation.allocations.networks[name(of)]
    return {str(prefix): node for prefix, node in entry.blocks.items()}


def told(compilation: Compilation) -> dict[str, str]:
    """By pod: its address, or why it waits."""
    return {
        binding.name.name: binding.refusal.partition(". ")[0] or " ".join(map(str, binding.addresses))
        for one in compilation.plans.values()
        for binding in one.pods
    }


def then(before: Compilation, *pods: Pod, gone: str = "") -> Compilation:
    changed: dict[object, Pod | None] = {one.name: one for one in pods}
    changed.update({name(one): None for one in gone.split()})
    return recompile(before, Change(pods=changed, confirmed=before.allocations.generation))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("10.1.0.9", "10.1.0.9"),
        (" 10.1.0.9 ", "10.1.0.9"),
        ("fd01::9,10.1.0.9", "10.1.0.9 fd01::9"),
        ("10.1.0.9, fd01::9", "10.1.0.9 fd01::9"),
        ('["10.1.0.9"]', "10.1.0.9"),
        ('["10.1.0.9", "fd01::9"]', "10.1.0.9 fd01::9"),
    ],
)
def test_an_annotation_names_one_address_or_one_of_each_version(text: str, addresses: str) -> None:
    assert " ".join(map(str, parse(text))) == addresses


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "'' is not an IP address, or a list of them"),
        ("ten", "'ten' is not an IP address, or a list of them"),
        ("10.1.0.9/24", "'10.1.0.9/24' is not an IP address, or a list of them"),
        ("fe80::1%eth0", "'fe80::1%eth0' has a zone, which has no meaning outside its host"),
        ("10.1.0.9,10.1.0.8", "'10.1.0.9,10.1.0.8' does not name one address, or one of each IP version"),
        ("[]", "'[]' does not name one address, or one of each IP version"),
        ("[7]", "'[7]' is not a list of IP addresses"),
        ('["10.1.0.9"', "'[\"10.1.0.9\"' is not a list of IP addresses"),
        ("\u0661", "'\\u0661' is not an IP address, or a list of them"),
        ("[" * 5000, f"'{'[' * 100}' is not a list of IP addresses"),
    ],
)
def test_another_annotation_is_refused_with_what_is_wrong(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(reason)}$"):
        parse(text)


def test_an_address_outside_all_blocks_comes_as_a_block_of_its_own() -> None:
    compilation = compiled(TWO, cluster(asking("web", "10.1.0.200", 2)))
    assert blocks(compilation) == {"10.1.0.200/32": "node-2"}
    assert told(compilation) == {"web": "10.1.0.200"}


def test_an_address_in_a_block_of_the_pods_node_needs_no_other() -> None:
    first = compiled(TWO, cluster(pod("any", "red", 1)))
    again = then(first, asking("web", "10.1.0.9", 1))
    assert blocks(again) == {"10.1.0.0/28": "node-1"}
    assert told(again)["web"] == "10.1.0.9"


def test_an_address_in_a_block_of_another_node_is_not_cut_out() -> None:
    first = compiled(TWO, cluster(pod("any", "red", 1)))
    again = then(first, asking("web", "10.1.0.9", 2))
    assert told(again)["web"] == (
        "it asks for address 10.1.0.9 of network team-a/red, which is in block 10.1.0.0/28 of node node-1"
    )


def test_ordinary_blocks_keep_clear_of_addresses_that_are_asked_for() -> None:
    compilation = compiled(TWO, cluster(asking("web", "10.1.0.5", 1), pod("any", "red", 2)))
    assert blocks(compilation) == {"10.1.0.5/32": "node-1", "10.1.0.16/28": "node-2"}


def test_where_no_whole_block_is_left_nodes_get_the_largest_pieces_around_addresses_of_choice() -> None:
    small = declarations(network("red", "10.1.0.0/28"))
    pods = [pod("a", "red", 1), *(pod(f"b-{n}", "red", 2) for n in range(4))]
    compilation = compiled(small, cluster(asking("web", "10.1.0.5", 1), *pods))
    assert blocks(compilation) == {
        "10.1.0.5/32": "node-1",
        "10.1.0.8/29": "node-1",
        "10.1.0.0/30": "node-2",
        "10.1.0.6/31": "node-2",
    }
    assert told(compilation)["web"] == "10.1.0.5"
    assert "ATL751" not in str(compilation.problems)


def test_a_single_address_that_is_left_is_no_block() -> None:
    small = declarations(network("red", "10.1.0.0/29"))
    pods = [asking(f"web-{n}", f"10.1.0.{n}", 1) for n in (3, 5, 6)]
    compilation = compiled(small, cluster(*pods, pod("any-1", "red", 1), pod("any-2", "red", 2)))
    shared = {block: node for block, node in blocks(compilation).items() if not block.endswith("/32")}
    assert shared == {"10.1.0.0/31": "node-1"}
    assert "no block left for node node-2, where 1 pod waits" in str(compilation.problems)


def test_pods_with_blocks_of_their_own_need_no_room_in_others() -> None:
    pods = [asking(f"web-{n}", f"10.1.0.{200 + n}", 1) for n in range(5)]
    compilation = compiled(TWO, cluster(*pods, pod("any", "red", 1)))
    assert [block for block in blocks(compilation) if not block.endswith("/32")] == ["10.1.0.0/28"]


def test_of_two_pods_the_first_by_name_has_the_address_and_the_other_is_told_who() -> None:
    compilation = compiled(TWO, cluster(asking("b", "10.1.0.200", 1), asking("a", "10.1.0.200", 2)))
    assert told(compilation) == {
        "a": "10.1.0.200",
        "b": "address 10.1.0.200 of network team-a/red, that it asks for, is pod team-a/a's",
    }


def test_a_pod_that_had_it_first_keeps_it_whatever_the_others_name_is() -> None:
    first = compiled(TWO, cluster(asking("b", "10.1.0.200", 1)))
    again = then(first, asking("a", "10.1.0.200", 2))
    assert told(again)["b"] == "10.1.0.200"
    running = then(again, asking("b", "10.1.0.200", 1, "10.1.0.200"))
    assert told(running)["b"] == "10.1.0.200"


def test_an_address_follows_its_pod_once_the_former_node_has_confirmed() -> None:
    first = compiled(TWO, cluster(asking("web", "10.1.0.200", 1)))
    moved = recompile(first, Change(pods={name("web"): asking("web", "10.1.0.200", 2)}))
    assert blocks(moved) == {}
    assert told(moved)["web"] == (
        "it asks for address 10.1.0.200 of network team-a/red, which node node-1 had until now"
    )
    after = recompile(moved, Change(confirmed=moved.allocations.generation))
    assert blocks(after) == {"10.1.0.200/32": "node-2"}
    assert told(after)["web"] == "10.1.0.200"


def test_a_pod_that_comes_back_to_its_node_has_its_address_at_once() -> None:
    first = compiled(TWO, cluster(asking("web", "10.1.0.200", 1)))
    gone = recompile(first, Change(pods={name("web"): None}))
    assert blocks(gone) == {}
    back = recompile(gone, Change(pods={name("web"): asking("web", "10.1.0.200", 1)}))
    assert blocks(back) == {"10.1.0.200/32": "node-1"}


def test_an_address_leaves_a_node_that_is_lost() -> None:
    first = compiled(TWO, cluster(asking("web", "10.1.0.200", 1)))
    lost = recompile(
        first,
        Change(nodes={NODES[0]: None}, pods={name("web"): asking("web", "10.1.0.200", 2)}),
    )
    assert blocks(lost) == {}
    after = recompile(lost, Change(confirmed=lost.allocations.generation))
    assert blocks(after) == {"10.1.0.200/32": "node-2"}


def test_the_next_pod_gets_the_address_when_the_first_is_gone() -> None:
    first = compiled(TWO, cluster(asking("a", "10.1.0.200", 1), asking("b", "10.1.0.200", 1)))
    assert told(recompile(first, Change(pods={name("a"): None})))["b"] == "10.1.0.200"


def test_a_running_pod_keeps_its_block_when_its_annotation_is_gone() -> None:
    first = compiled(TWO, cluster(asking("web", "10.1.0.200", 1)))
    running = then(first, asking("web", "10.1.0.200", 1, "10.1.0.200"))
    without = then(running, pod("web", "red", 1, "10.1.0.200"))
    assert "10.1.0.200/32" in blocks(without)
    assert "10.1.0.200/32" not in blocks(then(without, gone="web"))


def test_an_annotation_on_a_running_pod_with_another_address_has_no_effect() -> None:
    first = compiled(TWO, cluster(pod("web", "red", 1)))
    again = then(first, asking("web", "10.1.0.200", 1, "10.1.0.1"))
    assert told(again) == {"web": ""}
    assert [(p.subject, p.reason) for p in again.problems if p.code == "ATL767"] == [
        ("Pod team-a/web", "it asks for 10.1.0.200 and runs with another address")
    ]


def test_one_address_in_two_networks_is_two_addresses_but_not_on_one_node() -> None:
    both = cluster(asking("a", "10.1.0.200", 1), asking("b", "10.1.0.200", 2, of="green"))
    assert told(compiled(THREE, both)) == {"a": "10.1.0.200", "b": "10.1.0.200"}
    one = cluster(asking("a", "10.1.0.200", 1), asking("b", "10.1.0.200", 1, of="green"))
    assert sorted(told(compiled(THREE, one)).values()) == [
        "10.1.0.200",
        "it asks for address 10.1.0.200 of network team-a/red, which another network has on node node-1",
    ]


def test_a_pair_of_addresses_without_ends_has_two() -> None:
    pair = declarations(network("red", "10.1.0.0/31"))
    compilation = compiled(pair, cluster(asking("a", "10.1.0.0", 1), asking("b", "10.1.0.1", 2)))
    assert told(compilation) == {"a": "10.1.0.0", "b": "10.1.0.1"}


def test_a_dual_stack_pod_may_ask_for_one_family_and_gets_any_of_the_other() -> None:
    dual = declarations(network("red", "10.1.0.0/24", "fd01::/64"))
    compilation = compiled(dual, cluster(asking("web", "fd01::77", 1)))
    assert blocks(compilation) == {"fd01::77/128": "node-1", "10.1.0.0/28": "node-1"}
    assert plan(compilation, 1).pods[0].addresses == (ip_address("fd01::77"),)


def test_a_node_that_says_it_needs_more_than_its_pods_gets_another_block() -> None:
    first = compiled(TWO, cluster(pod("web", "red", 1)))
    again = recompile(first, Change(wanted={NODES[0]: {name("red"): 16}}))
    assert blocks(again) == {"10.1.0.0/28": "node-1", "10.1.0.16/28": "node-1"}
    assert blocks(recompile(again, Change(wanted={NODES[0]: None}))) == blocks(again)


def test_a_node_is_believed_up_to_a_bound_and_where_it_has_pods() -> None:
    wide = declarations(network("red", "10.1.0.0/16"), network("blue", "10.2.0.0/16"))
    first = compiled(wide, cluster(pod("web", "red", 1)))
    again = recompile(first, Change(wanted={NODES[0]: {name("red"): 10_000, name("blue"): 10_000}}))
    assert len(blocks(again)) == 17  # 15 addresses in the first, 16 in each other: more than 257
    assert blocks(again, "blue") == {}
