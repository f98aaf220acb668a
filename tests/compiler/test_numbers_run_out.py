"""Nothing is numbered past the last number, and what is refused one says so."""

from __future__ import annotations

from ipaddress import IPv4Address

from compiler.allocations import Allocations, NetworkAllocation, NodeAllocation
from compiler.compilation import compile
from compiler.inventory import Inventory, Node
from compiler.names import MAX_NUMBER, NetworkNumber, NodeName, NodeNumber, ObjectName
from tests.compiler.declared import declarations, network

FORMER_NETWORKS = {
    ObjectName(namespace="team-z", name=f"gone-{number}"): NetworkAllocation(
        number=NetworkNumber(number), retired_in=7
    )
    for number in range(1, MAX_NUMBER + 1)
}
FORMER_NODES = {
    NodeName(f"gone-{number}"): NodeAllocation(number=NodeNumber(number), retired_in=7)
    for number in range(1, MAX_NUMBER + 1)
}
RED = declarations(network("red", "10.1.0.0/24", infrastructure=()))
ONE_NODE = Inventory(
    nodes={NodeName("node-1"): Node(name=NodeName("node-1"), addresses=(IPv4Address("192.0.2.1"),))}
)


def test_a_network_without_a_free_number_refuses_the_commit() -> None:
    allocations = Allocations(generation=7, confirmed=6, networks=FORMER_NETWORKS)
    compilation = compile(RED, Inventory(), allocations)
    assert compilation.refused
    assert compilation.allocations == allocations
    assert [str(problem) for problem in compilation.problems] == [
        "networks.yaml:1:0: error ATL752: VirtualNetwork team-a/red: all 65,534 numbers are taken, or were "
        "by something not yet confirmed gone. Delete networks that nothing uses, or wait until earlier "
        "deletions are applied everywhere."
    ]


def test_a_number_confirmed_gone_is_free() -> None:
    allocations = Allocations(generation=7, confirmed=7, networks=FORMER_NETWORKS)
    compilation = compile(RED, Inventory(), allocations)
    assert compilation.numbers == {ObjectName(namespace="team-a", name="red"): 1}


def test_a_node_without_a_free_number_gets_no_plan_and_refuses_nothing() -> None:
    allocations = Allocations(generation=7, confirmed=6, nodes=FORMER_NODES)
    compilation = compile(declarations(), ONE_NODE, allocations)
    assert not compilation.refused
    assert compilation.plans == {}
    assert [str(problem) for problem in compilation.problems] == [
        "warning ATL756: Node node-1: all 65,534 numbers are taken, or were by something not yet confirmed "
        "gone. Wait until earlier removals are applied everywhere."
    ]
