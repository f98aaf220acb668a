"""Numbers and blocks: what is kept, what is retired, what is free again, what is next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_network

import pytest

from compiler.allocate import Allotment, Touched, allocate, reallocate
from compiler.allocations import Allocations, NetworkAllocation, NodeAllocation
from compiler.demand import Demand, Place
from compiler.model import VirtualNetwork
from compiler.names import MAX_NUMBER, NetworkNumber, NodeName, NodeNumber, ObjectName
from compiler.ranges import Ranges, lowest_free
from tests.compiler.declared import cluster_config, name, network

RED = network("red", "10.1.0.0/24")
BLUE = network("blue", "10.2.0.0/24")


def demand(
    *networks: VirtualNetwork, nodes: str = "node-1 node-2", v4: int = 28, v6: int = 122, **pods: str
) -> Demand:
    """`red="node-1:3 node-2:1"`: three pods of network red on node-1, one on node-2."""
    return Demand(
        networks={one.name: one for one in networks},
        nodes={NodeName(node) for node in nodes.split()},
        pods={name(network): counted(text) for network, text in pods.items()},
        config=replace(cluster_config(), block_size_v4=v4, block_size_v6=v6),
    )


def counted(text: str) -> Mapping[NodeName, int]:
    pairs = (one.split(":") for one in text.split())
    return {NodeName(node): int(count) for node, count in pairs}


def blocks(allotment: Allotment, network: str) -> dict[str, str]:
    entry = allotment.allocations.networks[name(network)]
    return {str(prefix): node for prefix, node in entry.blocks.items()}


def retired(allotment: Allotment, network: str) -> dict[str, tuple[str, int]]:
    entry = allotment.allocations.networks[name(network)]
    return {str(prefix): owner for prefix, owner in entry.retired_blocks.items()}


def number(allotment: Allotment, network: str) -> int:
    return allotment.allocations.networks[name(network)].number


def confirmed(allotment: Allotment) -> Allocations:
    """Every node has applied the plans of this generation."""
    return replace(allotment.allocations, confirmed=allotment.allocations.generation)


def test_numbers_go_to_networks_in_the_order_of_their_names() -> None:
    first = allocate(demand(RED, BLUE), Allocations())
    assert (number(first, "blue"), number(first, "red")) == (1, 2)


def test_a_new_network_does_not_move_the_numbers_of_others() -> None:
    first = allocate(demand(RED), Allocations())
    second = allocate(demand(RED, BLUE), first.allocations)
    assert (number(second, "red"), number(second, "blue")) == (1, 2)


def test_each_node_gets_one_block_of_each_family() -> None:
    dual = network("red", "10.1.0.0/24", "fd01::/64")
    first = allocate(demand(dual, red="node-1:3 node-2:1"), Allocations())
    assert blocks(first, "red") == {
        "10.1.0.0/28": "node-1",
        "fd01::/122": "node-1",
        "10.1.0.16/28": "node-2",
        "fd01::40/122": "node-2",
    }


def test_the_first_and_last_address_of_an_ipv4_subnet_serve_no_pod() -> None:
    """15 of 16 addresses in the first block: the sixteenth pod needs another one."""
    assert len(blocks(allocate(demand(RED, red="node-1:15"), Allocations()), "red")) == 1
    assert len(blocks(allocate(demand(RED, red="node-1:16"), Allocations()), "red")) == 2


def test_every_address_of_an_ipv6_subnet_serves_a_pod() -> None:
    six = network("red", "fd01::/64")
    assert blocks(allocate(demand(six, v6=126, red="node-1:4"), Allocations()), "red") == {
        "fd01::/126": "node-1"
    }


def test_a_subnet_smaller_than_a_block_is_one_block() -> None:
    small = network("red", "10.1.0.0/30")
    first = allocate(demand(small, red="node-1:2"), Allocations())
    assert blocks(first, "red") == {"10.1.0.0/30": "node-1"}
    assert not first.problems


def test_subnets_are_used_in_the_order_declared() -> None:
    two = network("red", "10.9.0.0/28", "10.1.0.0/24")
    first = allocate(demand(two, red="node-1:1 node-2:1"), Allocations())
    assert blocks(first, "red") == {"10.9.0.0/28": "node-1", "10.1.0.0/28": "node-2"}


def test_blocks_of_overlapping_networks_differ_on_each_node() -> None:
    same = network("blue", "10.1.0.0/24")
    first = allocate(demand(RED, same, blue="node-1:1", red="node-1:1 node-2:1"), Allocations())
    assert blocks(first, "blue") == {"10.1.0.0/28": "node-1"}
    assert blocks(first, "red") == {"10.1.0.16/28": "node-1", "10.1.0.0/28": "node-2"}


def test_blocks_of_other_sizes_overlap_on_no_node_either() -> None:
    wide = network("blue", "10.1.0.0/24")
    first = allocate(demand(wide, v4=26, blue="node-1:1"), Allocations())
    second = allocate(demand(wide, RED, v4=28, blue="node-1:1", red="node-1:1"), first.allocations)
    assert blocks(second, "red") == {"10.1.0.64/28": "node-1"}


def test_a_node_keeps_its_block_when_its_pods_go() -> None:
    first = allocate(demand(RED, red="node-1:1"), Allocations())
    second = allocate(demand(RED), first.allocations)
    assert second.allocations is first.allocations


def test_pods_on_unknown_nodes_get_no_block() -> None:
    first = allocate(demand(RED, red="node-9:1"), Allocations())
    assert blocks(first, "red") == {}


def test_a_removed_subnet_retires_its_blocks() -> None:
    two = network("red", "10.1.0.0/28", "10.2.0.0/24")
    first = allocate(demand(two, red="node-1:1"), Allocations())
    second = allocate(demand(network("red", "10.2.0.0/24"), red="node-1:1"), first.allocations)
    assert retired(second, "red") == {"10.1.0.0/28": ("node-1", 2)}
    assert blocks(second, "red") == {"10.2.0.0/28": "node-1"}


def test_a_widened_subnet_keeps_its_blocks() -> None:
    first = allocate(demand(RED, red="node-1:1"), Allocations())
    second = allocate(demand(network("red", "10.1.0.0/23"), red="node-1:1"), first.allocations)
    assert second.allocations is first.allocations


def test_a_subnet_that_returns_brings_its_blocks_back_at_once() -> None:
    first = allocate(demand(RED, red="node-1:1"), Allocations())
    without = allocate(demand(network("red", "10.7.0.0/24"), red="node-1:1"), first.allocations)
    again = allocate(
        demand(network("red", "10.7.0.0/24", "10.1.0.0/24"), red="node-1:1"), without.allocations
    )
    assert blocks(again, "red") == {"10.1.0.0/28": "node-1", "10.7.0.0/28": "node-1"}


def test_a_removed_node_retires_its_blocks_and_its_number() -> None:
    first = allocate(demand(RED, red="node-1:1 node-2:1"), Allocations())
    second = allocate(demand(RED, nodes="node-2"), first.allocations)
    assert retired(second, "red") == {"10.1.0.0/28": ("node-1", 2)}
    assert second.allocations.nodes[NodeName("node-1")] == NodeAllocation(number=NodeNumber(1), retired_in=2)


def test_a_node_that_returns_has_its_number_and_blocks_at_once() -> None:
    first = allocate(demand(RED, red="node-1:1 node-2:1"), Allocations())
    without = allocate(demand(RED, nodes="node-2"), first.allocations)
    again = allocate(demand(RED), without.allocations)
    assert again.allocations == replace(first.allocations, generation=3)


def test_a_retired_block_goes_to_nobody_else_before_it_is_confirmed_gone() -> None:
    small = network("red", "10.1.0.0/28")
    first = allocate(demand(small, red="node-1:1"), Allocations())
    gone = allocate(demand(small, nodes="node-2", red="node-2:1"), first.allocations)
    assert blocks(gone, "red") == {}
    freed = allocate(demand(small, nodes="node-2", red="node-2:1"), confirmed(gone))
    assert blocks(freed, "red") == {"10.1.0.0/28": "node-2"}
    assert retired(freed, "red") == {}


def test_a_retired_block_keeps_other_networks_off_its_node_until_confirmed() -> None:
    other = network("blue", "10.1.0.0/24")
    first = allocate(demand(RED, red="node-1:1"), Allocations())
    both = demand(network("red", "10.7.0.0/24"), other, blue="node-1:1")
    assert blocks(allocate(both, first.allocations), "blue") == {"10.1.0.16/28": "node-1"}
    retired_first = allocate(demand(network("red", "10.7.0.0/24")), first.allocations)
    assert blocks(allocate(both, confirmed(retired_first)), "blue") == {"10.1.0.0/28": "node-1"}


def test_a_block_that_another_took_meanwhile_does_not_return() -> None:
    other = network("blue", "10.1.0.0/24")
    first = allocate(demand(RED, red="node-1:1"), Allocations())
    away = allocate(demand(network("red", "10.7.0.0/24")), first.allocations)
    taken = allocate(demand(network("red", "10.7.0.0/24"), other, blue="node-1:1"), confirmed(away))
    back = allocate(demand(RED, other, blue="node-1:1", red="node-1:1"), taken.allocations)
    assert blocks(back, "blue") == {"10.1.0.0/28": "node-1"}
    assert blocks(back, "red") == {"10.1.0.16/28": "node-1"}


def test_a_deleted_network_that_returns_is_as_it_was() -> None:
    first = allocate(demand(RED, BLUE, red="node-1:1"), Allocations())
    gone = allocate(demand(BLUE), first.allocations)
    assert gone.allocations.networks[RED.name].retired_in == 2
    again = allocate(demand(RED, BLUE), confirmed(gone))
    assert again.allocations == replace(first.allocations, generation=3, confirmed=2)


def test_a_renamed_network_is_another_one() -> None:
    first = allocate(demand(RED, red="node-1:1"), Allocations())
    renamed = allocate(demand(network("crimson", "10.1.0.0/24"), crimson="node-1:1"), first.allocations)
    assert number(renamed, "crimson") == 2
    assert blocks(renamed, "crimson") == {"10.1.0.16/28": "node-1"}


def test_a_freed_number_is_the_next_one_only_once_confirmed() -> None:
    first = allocate(demand(RED, BLUE), Allocations())
    gone = allocate(demand(RED), first.allocations)
    green = network("green", "10.3.0.0/24")
    assert number(allocate(demand(RED, green), gone.allocations), "green") == 3
    freed = allocate(demand(RED, green), confirmed(gone))
    assert number(freed, "green") == 1
    assert BLUE.name not in freed.allocations.networks


def test_the_number_of_a_network_that_returns_is_given_to_no_newcomer() -> None:
    first = allocate(demand(BLUE), Allocations())
    gone = allocate(demand(), first.allocations)
    both = allocate(demand(BLUE, network("amber", "10.3.0.0/24")), confirmed(gone))
    assert (number(both, "blue"), number(both, "amber")) == (1, 2)


def test_the_generation_grows_only_with_a_change() -> None:
    first = allocate(demand(RED, red="node-1:1"), Allocations())
    second = allocate(demand(RED, red="node-1:2"), first.allocations)
    third = allocate(demand(RED, red="node-1:16"), second.allocations)
    generations = [one.allocations.generation for one in (first, second, third)]
    assert generations == [1, 1, 2]


def test_exhaustion_names_the_network_the_node_and_the_remedy() -> None:
    small = network("red", "10.1.0.0/28", line=7)
    first = allocate(demand(small, red="node-1:1 node-2:3"), Allocations())
    assert [str(problem) for problem in first.problems] == [
        "networks.yaml:7:0: warning ATL751: VirtualNetwork team-a/red: its IPv4 subnets have no block left "
        "for node node-2, where 3 pods wait. Add an IPv4 subnet to VirtualNetwork team-a/red, or widen one "
        "of its subnets."
    ]


def test_what_found_no_block_finds_one_as_soon_as_there_is_room() -> None:
    small = network("red", "10.1.0.0/28")
    short = allocate(demand(small, red="node-1:1 node-2:1"), Allocations())
    wide = network("red", "10.1.0.0/27")
    again = reallocate(short, demand(wide, red="node-1:1 node-2:1"), Touched(networks=[wide.name]))
    assert not again.problems
    assert blocks(again, "red") == {"10.1.0.0/28": "node-1", "10.1.0.16/28": "node-2"}


def full(entries: int) -> Allocations:
    return Allocations(
        networks={
            ObjectName(namespace="full", name=f"n{i}"): NetworkAllocation(number=NetworkNumber(i))
            for i in range(1, entries + 1)
        }
    )


def test_a_network_without_a_number_is_an_error() -> None:
    allocations = full(MAX_NUMBER)
    others = [network(str(one), "10.1.0.0/24") for one in allocations.networks]
    first = allocate(demand(RED, *others), allocations)
    assert [(problem.code, problem.subject) for problem in first.refusals] == [
        ("ATL752", "VirtualNetwork team-a/red")
    ]


def test_reallocating_looks_at_what_is_touched() -> None:
    first = allocate(demand(RED, BLUE, red="node-1:1"), Allocations())
    later = demand(RED, BLUE, red="node-1:1 node-2:1")
    untouched = reallocate(first, later, Touched())
    assert untouched.allocations is first.allocations
    touched = reallocate(first, later, Touched(places=[Place(RED.name, NodeName("node-2"))]))
    assert touched == allocate(later, first.allocations)
    assert touched.allocations.networks[BLUE.name] is first.allocations.networks[BLUE.name]


@pytest.mark.parametrize(
    ("runs", "start", "end", "size", "expected"),
    [
        ([], 0, 15, 4, 0),
        ([(0, 3)], 0, 15, 4, 4),
        ([(1, 1)], 0, 15, 4, 4),
        ([(0, 3), (4, 7), (8, 8)], 0, 15, 4, 12),
        ([(0, 3), (8, 11)], 0, 15, 4, 4),
        ([(2, 13)], 0, 15, 4, None),
        ([(0, 15)], 0, 15, 4, None),
        ([(0, 7)], 4, 15, 4, 8),
    ],
)
def test_the_lowest_free_position(
    runs: list[tuple[int, int]], start: int, end: int, size: int, expected: int | None
) -> None:
    assert lowest_free(start, end, size, Ranges(runs)) == expected
    assert lowest_free(start, end, size, *(Ranges([run]) for run in runs)) == expected


def test_prefixes_of_an_allotment_are_of_the_declared_family() -> None:
    six = network("red", "fd01::/64")
    first = allocate(demand(six, red="node-1:1"), Allocations())
    assert list(first.allocations.networks[six.name].blocks) == [ip_network("fd01::/122")]
