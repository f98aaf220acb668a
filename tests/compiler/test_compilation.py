"""Compiling and recompiling: what a refusal leaves, what stays shared, what a change changes."""

from __future__ import annotations

from dataclasses import replace

from compiler.change import Change
from compiler.compilation import compile, recompile
from tests.compiler.declared import declarations, name, network
from tests.compiler.small_cluster import (
    BLUE,
    GREEN,
    MESH,
    PLAIN_POD,
    RED,
    RED_POD,
    THREE,
    TWO,
    cluster,
    compiled,
    plan,
    pod,
    served,
    service,
)

# --- refusals ------------------------------------------------------------------------------------

OVERLAPPING = declarations(RED, GREEN, MESH)


def test_an_error_refuses_the_whole_and_gives_the_allocations_back() -> None:
    first = compiled(TWO, cluster(pod("web", "red")))
    refused = recompile(first, Change(declarations=OVERLAPPING))
    assert refused.refused
    assert refused.plans == {}
    assert refused.allocations is first.allocations
    assert {problem.code for problem in refused.problems if problem.severity == "error"} == {"ATL411"}


def test_a_refused_compilation_can_be_gone_on_from() -> None:
    first = compiled(THREE, cluster(pod("web", "red")))
    refused = recompile(first, Change(declarations=OVERLAPPING))
    again = recompile(refused, Change(declarations=THREE))
    assert again == first


def test_a_deletion_in_use_is_refused() -> None:
    first = compiled(TWO, cluster(pod("web", "red")))
    refused = recompile(first, Change(declarations=declarations(BLUE)))
    assert "ATL602" in {problem.code for problem in refused.problems}
    assert refused.refused


# --- what is shared ------------------------------------------------------------------------------


def test_a_pod_in_an_existing_block_changes_its_own_nodes_bindings_alone() -> None:
    first = compiled(TWO, cluster(pod("web", "red", 1), pod("app", "red", 2)))
    more = recompile(first, Change(pods={name("more"): pod("more", "red", 1)}))
    assert more.allocations is first.allocations
    assert plan(more, 2) is plan(first, 2)
    assert plan(more, 1).networks is plan(first, 1).networks
    assert replace(plan(more, 1), pods=()) == replace(plan(first, 1), pods=())


def test_a_line_that_moves_in_a_file_changes_no_plan() -> None:
    first = compiled(TWO, cluster(pod("web", "red", 1)))
    lower = declarations(network("red", "10.1.0.0/24", line=99, side="left"), BLUE)
    moved = recompile(first, Change(declarations=lower))
    assert all(moved.plans[node] is plan for node, plan in first.plans.items())


def test_the_compilation_before_stays_as_it_was() -> None:
    first = compiled(TWO, cluster(pod("web", "red", 1)))
    before = (dict(first.plans), first.allocations, dict(first.inputs.inventory.pods))
    recompile(
        first, Change(pods={name("web"): None, name("more"): pod("more", "blue", 2)}, declarations=THREE)
    )
    assert (dict(first.plans), first.allocations, dict(first.inputs.inventory.pods)) == before


def test_what_is_confirmed_gone_may_be_reused() -> None:
    first = compiled(declarations(RED), cluster())
    gone = recompile(first, Change(declarations=declarations()))
    green = Change(declarations=declarations(GREEN), confirmed=gone.allocations.generation)
    assert recompile(gone, green).numbers == {GREEN.name: 1}
    assert recompile(gone, replace(green, confirmed=None)).numbers == {GREEN.name: 2}


def test_warnings_of_capacity_come_and_go() -> None:
    small = network("red", "10.1.0.0/28")
    full = compiled(declarations(small), cluster(pod("web", "red", 1)))
    assert [problem.code for problem in full.problems if problem.code.startswith("ATL7")] == ["ATL753"]
    wider = recompile(full, Change(declarations=declarations(RED)))
    assert [problem.code for problem in wider.problems if problem.code.startswith("ATL7")] == []


def test_a_node_with_too_many_networks_is_reported() -> None:
    declared = declarations(RED, BLUE)
    few = replace(declared.config.limits, max_networks_per_node=1)
    limited = replace(declared, config=replace(declared.config, limits=few))
    crowded = compiled(limited, cluster(pod("web", "red", 1), pod("db", "blue", 1)))
    assert [problem.reason for problem in crowded.problems if problem.code == "ATL754"] == [
        "it holds 2 networks, 2 of its own pods and 0 that these may talk to; limits.maxNetworksPerNode is 1"
    ]


def test_compiled_services_say_who_uses_them() -> None:
    listed = network("red", "10.1.0.0/24", infrastructure=(name("plain"),))
    compilation = served(declarations(listed), service("plain", 1, PLAIN_POD), pods=[PLAIN_POD])
    assert [one.infrastructure_of for one in compilation.service_plans] == [(1,)]


def test_a_pod_whose_old_network_goes_finds_a_block_of_the_one_it_names_at_once() -> None:
    first = compiled(TWO, cluster(pod("web", "red", 1)))
    renamed = recompile(first, Change(pods={name("web"): pod("web", "blue", 1, "10.1.0.1")}))
    config = replace(TWO.config, confirm_deletion_of=(RED.name,))
    change = Change(declarations=replace(declarations(BLUE), config=config))
    alone = recompile(renamed, change)
    assert set(alone.allocations.networks[BLUE.name].blocks.values()) == {"node-1"}
    assert alone == compile(change.declarations or TWO, renamed.inputs.inventory, renamed.allocations)


def test_an_infrastructure_list_that_changes_shows_on_the_networks_nodes() -> None:
    first = served(TWO, service("plain", 1, PLAIN_POD), pods=[RED_POD, PLAIN_POD])
    assert plan(first, 1).services == ()
    listed = network("red", "10.1.0.0/24", line=1, infrastructure=(name("plain"),), side="left")
    after = recompile(first, Change(declarations=declarations(listed, BLUE)))
    assert [one.infrastructure_of for one in plan(after, 1).services] == [(first.numbers[RED.name],)]
    assert plan(after, 2).services == ()
