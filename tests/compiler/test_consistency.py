"""Allocations that contradict themselves are not taken."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest

from compiler.allocations import Allocations, NetworkAllocation, NodeAllocation
from compiler.codec import Malformed, decode_allocations, encode_allocations
from compiler.names import NetworkNumber, NodeName, NodeNumber, ObjectName
from tests.compiler.declared import name

RED, BLUE = name("team-a/red"), name("team-a/blue")


def network(number: int, retired_in: int | None = None, **blocks: str) -> NetworkAllocation:
    """Blocks by the third byte and, after `_`, length of their IPv4 prefix: `b1_28="node-1"`."""
    prefixes = {}
    for text, node in blocks.items():
        third, length = text.removeprefix("b").split("_")
        prefixes[ip_network(f"10.1.{third}.0/{length}")] = NodeName(node)
    return NetworkAllocation(number=NetworkNumber(number), blocks=prefixes, retired_in=retired_in)


def node(number: int) -> NodeAllocation:
    return NodeAllocation(number=NodeNumber(number))


SOUND = Allocations(
    generation=3,
    confirmed=2,
    networks={RED: network(1, b0_28="node-1"), BLUE: network(2, b0_28="node-2")},
    nodes={NodeName("node-1"): node(1), NodeName("node-2"): node(2)},
)


def with_networks(**networks: NetworkAllocation) -> Allocations:
    entries: dict[ObjectName, NetworkAllocation] = {name(f"team-a/{key}"): networks[key] for key in networks}
    return replace(SOUND, networks=entries)


@pytest.mark.parametrize(
    "allocations",
    [
        SOUND,
        Allocations(),
        with_networks(red=network(1, b0_28="node-1"), blue=network(2, retired_in=3, b0_28="node-1")),
        with_networks(red=network(65534, b0_28="node-1", b1_28="node-1")),
    ],
)
def test_what_can_be_true_is_taken(allocations: Allocations) -> None:
    assert decode_allocations(encode_allocations(allocations)) == allocations


@pytest.mark.parametrize(
    ("allocations", "complaint"),
    [
        (
            with_networks(blue=network(1), red=network(1)),
            "networks team-a/blue and team-a/red both have number 1",
        ),
        (with_networks(red=network(0)), "the number of network team-a/red is 0, and must be 1 to 65534"),
        (with_networks(red=network(65535)), "the number of network team-a/red is 65535"),
        (
            replace(SOUND, nodes={NodeName("node-1"): node(1), NodeName("node-2"): node(1)}),
            "nodes node-1 and node-2 both have number 1",
        ),
        (
            with_networks(red=network(1, b0_24="node-1", b0_28="node-2")),
            "the blocks 10.1.0.0/24 and 10.1.0.0/28 of network team-a/red overlap",
        ),
        (
            with_networks(blue=network(1, b0_28="node-1"), red=network(2, b0_24="node-1")),
            "of node node-1 overlap",
        ),
        (replace(SOUND, confirmed=4), "confirmed is 4, and generation 3"),
        (replace(SOUND, confirmed=-1), "confirmed is -1"),
    ],
)
def test_what_cannot_be_true_is_refused_with_the_reason(allocations: Allocations, complaint: str) -> None:
    with pytest.raises(Malformed) as refused:
        decode_allocations(encode_allocations(allocations))
    assert complaint in str(refused.value)
