"""Pods that wait, and pods on nodes that nobody knows: one warning for many."""

from __future__ import annotations

from dataclasses import replace

from compiler.change import Change
from compiler.compilation import Compilation, compile, recompile
from compiler.inventory import Namespace
from tests.compiler.declared import declarations, name, network
from tests.compiler.small_cluster import NODES, RED, TWO, cluster, compiled, pod


def told(compilation: Compilation, code: str) -> list[tuple[str, str]]:
    return [(p.subject, p.reason) for p in compilation.problems if p.code == code]


GONE = "its annotation names network team-a/gone, which is not declared"


def test_a_pod_that_waits_is_told_with_reason_and_remedy() -> None:
    waiting = compiled(TWO, cluster(pod("web", "gone")))
    assert told(waiting, "ATL317") == [("Pod team-a/web", f"it waits: {GONE}")]
    assert [p.remedy for p in waiting.problems if p.code == "ATL317"] == [
        "Declare VirtualNetwork team-a/gone, or correct the annotation"
    ]


def test_pods_that_wait_for_one_reason_are_counted_and_three_are_named() -> None:
    several = [pod(f"web-{i}", "gone", None if i % 2 else 1) for i in range(5)]
    assert told(compiled(TWO, cluster(*several)), "ATL317") == [
        ("Namespace team-a", f"5 pods wait (web-0, web-1, web-2 and 2 more), each for one reason: {GONE}")
    ]


def test_pods_of_one_namespace_with_two_annotations_are_told_of_twice() -> None:
    waiting = compiled(TWO, cluster(pod("web", "gone"), pod("db", "lost")))
    assert [subject for subject, _ in told(waiting, "ATL317")] == ["Pod team-a/db", "Pod team-a/web"]


def test_a_pod_that_runs_elsewhere_does_not_wait() -> None:
    running = compiled(TWO, cluster(pod("web", "gone", 1, "10.244.0.7")))
    assert told(running, "ATL317") == []


def test_waiting_ends_with_the_declaration_and_begins_with_the_next_pod() -> None:
    first = compiled(TWO, cluster(pod("web", "gone")))
    declared = declarations(*TWO.networks, network("gone", "10.9.0.0/24"))
    second = recompile(first, Change(declarations=declared))
    assert told(second, "ATL317") == []
    third = recompile(second, Change(pods={name("db"): pod("db", "lost")}))
    assert [subject for subject, _ in told(third, "ATL317")] == ["Pod team-a/db"]
    fourth = recompile(third, Change(pods={name("db"): None}))
    assert told(fourth, "ATL317") == []


def test_waiting_follows_the_namespace() -> None:
    first = compiled(TWO, cluster(pod("web", None)))
    assert told(first, "ATL317") == []
    gone = recompile(
        first, Change(namespaces={"team-a": Namespace(name="team-a", labels={}, network="gone")})
    )
    assert [subject for subject, _ in told(gone, "ATL317")] == ["Pod team-a/web"]


def test_what_a_change_does_not_concern_is_not_looked_at_again() -> None:
    first = compiled(TWO, cluster(pod("web", "gone"), pod("db", "red")))
    again = recompile(first, Change(pods={name("db"): pod("db", "blue")}))
    before, after = ([p for p in c.problems if p.code == "ATL317"] for c in (first, again))
    assert before[0] is after[0]


def test_pods_on_nodes_that_the_inventory_lacks_are_told_of_once() -> None:
    lost = cluster(pod("web", "red", 3), pod("db", "red", 3), pod("app", "red", 1))
    assert told(compiled(declarations(RED), lost), "ATL757") == [
        (
            "Node node-3",
            "2 pods are bound to a node that the inventory does not hold: node-3 has team-a/db, team-a/web",
        )
    ]
    without = replace(lost, nodes={})
    assert told(compiled(declarations(RED), without), "ATL757") == [
        (
            "Nodes",
            "3 pods are bound to 2 nodes that the inventory does not hold: node-1 has team-a/app; "
            "node-3 has team-a/db, team-a/web",
        )
    ]


def test_a_node_that_comes_ends_the_warning() -> None:
    known = cluster(pod("web", "red", 3), nodes=3)
    first = compiled(declarations(RED), replace(known, nodes={}))
    again = recompile(first, Change(nodes={NODES[2]: known.nodes[NODES[2]]}))
    assert told(again, "ATL757") == []
    assert again.problems == compile(declarations(RED), again.inputs.inventory, first.allocations).problems
