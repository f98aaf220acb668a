"""What holds for every cluster, held on generated ones."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import combinations
from typing import TypeVar

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from compiler.allocations import Allocations, NetworkAllocation
from compiler.change import Change, change_between
from compiler.codec import encode_allocations, encode_plan
from compiler.compilation import Compilation, compile, recompile
from compiler.inventory import Inventory
from compiler.model import Declarations, Prefix
from compiler.names import DEFAULT_NETWORK, NetworkNumber, NodeName, NodeNumber, ObjectName
from compiler.plan import NodePlan, Presence, ServicePlan, is_single
from compiler.rendering import visible_backends
from tests.compiler import clusters

K = TypeVar("K")
V = TypeVar("V")

thorough = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
random_order = st.randoms(use_true_random=False)


def compiled(
    declarations: Declarations, inventory: Inventory, allocations: Allocations | None = None
) -> Compilation:
    """A compilation that is not refused."""
    compilation = compile(declarations, inventory, allocations or Allocations())
    assume(not compilation.refused)
    return compilation


def at_rest(declarations: Declarations, inventory: Inventory) -> Compilation:
    """Where running pods have addresses that no allocation knows, one compilation is not enough."""
    current = compiled(declarations, inventory)
    for _ in range(5):
        following = recompile(current, Change())
        if following.allocations is current.allocations:
            return following
        current = following
    raise AssertionError("allocations go on and on")


def in_bytes(compilation: Compilation) -> tuple[bytes, Mapping[NodeName, bytes]]:
    plans = {node: encode_plan(plan) for node, plan in compilation.plans.items()}
    return encode_allocations(compilation.allocations), plans


# --- recompilation ------------------------------------------------------------------------------


@thorough
@given(clusters.declarations(), clusters.inventories(), st.lists(clusters.changes(), max_size=5), st.data())
def test_recompiling_gives_what_compiling_from_scratch_gives(
    declarations: Declarations, inventory: Inventory, changes: list[Change], data: st.DataObject
) -> None:
    current = compiled(declarations, inventory)
    for drawn in changes:
        generation = current.allocations.generation
        confirmed = data.draw(st.sampled_from([None, generation, max(generation - 1, 0)]))
        again = recompile(current, replace(drawn, confirmed=confirmed))
        allocations = current.allocations
        if confirmed is not None:
            allocations = replace(allocations, confirmed=confirmed)
        scratch = compile(again.inputs.declarations, again.inputs.inventory, allocations)
        assert again.problems == scratch.problems
        assert again.allocations == scratch.allocations
        assert again.resolution == scratch.resolution
        assert again.plans == scratch.plans
        if not again.refused:
            current = again


@thorough
@given(clusters.declarations(), clusters.inventories(), clusters.inventories())
def test_the_difference_between_two_inventories_leads_from_one_to_the_other(
    declarations: Declarations, before: Inventory, after: Inventory
) -> None:
    first = compiled(declarations, before)
    again = recompile(first, change_between(first.inputs.inventory, after))
    assert again == compile(declarations, after, first.allocations)


@thorough
@given(clusters.declarations(), clusters.inventories())
def test_a_change_of_nothing_gives_the_same_plans_themselves(
    declarations: Declarations, inventory: Inventory
) -> None:
    first = at_rest(declarations, inventory)
    again = recompile(first, Change(declarations=declarations))
    assert again.allocations is first.allocations
    assert all(again.plans[node] is plan for node, plan in first.plans.items())


# --- determinism ---------------------------------------------------------------------------------


@thorough
@given(clusters.declarations(), clusters.inventories(), random_order)
def test_the_order_of_inputs_never_matters(
    declarations: Declarations, inventory: Inventory, order: random.Random
) -> None:
    straight = compile(declarations, inventory, Allocations())
    mixed = replace(
        declarations,
        networks=tuple(order.sample(declarations.networks, len(declarations.networks))),
        routers=tuple(order.sample(declarations.routers, len(declarations.routers))),
    )
    shuffled = compile(
        mixed,
        Inventory(
            nodes=in_order(inventory.nodes, order),
            namespaces=in_order(inventory.namespaces, order),
            pods=in_order(inventory.pods, order),
            services=in_order(inventory.services, order),
            slices=in_order(inventory.slices, order),
            wanted=in_order(inventory.wanted, order),
        ),
        Allocations(),
    )
    assert shuffled == straight
    assert in_bytes(shuffled) == in_bytes(straight)


def in_order(some: Mapping[K, V], order: random.Random) -> Mapping[K, V]:
    return dict(order.sample([*some.items()], len(some)))


@thorough
@given(clusters.declarations(), clusters.inventories())
def test_compiling_twice_gives_the_same_bytes(declarations: Declarations, inventory: Inventory) -> None:
    once = compile(declarations, inventory, Allocations())
    twice = compile(declarations, inventory, Allocations())
    assert in_bytes(once) == in_bytes(twice)


# --- allocations ---------------------------------------------------------------------------------


@thorough
@given(clusters.declarations(), clusters.inventories(), st.lists(clusters.changes(most=6), max_size=5))
def test_what_keeps_its_ground_keeps_its_number_and_its_blocks(
    declarations: Declarations, inventory: Inventory, changes: list[Change]
) -> None:
    before = compiled(declarations, inventory)
    for change in changes:
        after = recompile(before, change)
        if after.refused:
            continue
        for name, number in before.numbers.items():
            if name in after.numbers:
                assert after.numbers[name] == number
                assert_blocks_kept(name, before, after)
        for node, plan in before.plans.items():
            if node in after.plans:
                assert after.plans[node].number == plan.number
        before = after


def assert_blocks_kept(name: ObjectName, before: Compilation, after: Compilation) -> None:
    """Blocks, that is: a single address goes with the pod that asks for it (compiler.singles)."""
    subnets = [subnet.prefix for subnet in after.inputs.networks[name].subnets]
    kept = after.allocations.networks[name].blocks
    for prefix, node in before.allocations.networks[name].blocks.items():
        if is_single(prefix, subnets):
            continue
        if node in after.plans and any(within(prefix, subnet) for subnet in subnets):
            assert kept[prefix] == node


@thorough
@given(clusters.declarations(), clusters.inventories(), clusters.changes(most=6))
def test_what_is_taken_away_and_given_back_is_as_it_was(
    declarations: Declarations, inventory: Inventory, change: Change
) -> None:
    first = compiled(declarations, inventory)
    away = recompile(first, change)
    assume(not away.refused)
    back = replace(change_between(away.inputs.inventory, inventory), declarations=declarations)
    again = recompile(away, back)
    assert again.numbers == first.numbers
    for name in first.numbers:
        assert (
            first.allocations.networks[name].blocks.items() <= again.allocations.networks[name].blocks.items()
        )


@thorough
@given(
    clusters.declarations(), clusters.inventories(), st.lists(clusters.changes(most=6), max_size=5), st.data()
)
def test_nothing_takes_what_another_may_still_hold(
    declarations: Declarations, inventory: Inventory, changes: list[Change], data: st.DataObject
) -> None:
    current = compiled(declarations, inventory)
    for change in changes:
        confirmed = data.draw(st.sampled_from([None, current.allocations.generation]))
        after = recompile(current, replace(change, confirmed=confirmed))
        if not after.refused:
            current = after
        assert_disjoint(current.allocations)


def assert_disjoint(allocations: Allocations) -> None:
    """Numbers, blocks of a network, and blocks on a node, with those that are not confirmed gone."""

    def held(retired_in: int | None) -> bool:
        return retired_in is None or retired_in > allocations.confirmed

    numbers = [entry.number for entry in allocations.networks.values() if held(entry.retired_in)]
    assert len(numbers) == len(set(numbers))
    nodes = [entry.number for entry in allocations.nodes.values() if held(entry.retired_in)]
    assert len(nodes) == len(set(nodes))
    on_node: dict[NodeName, list[Prefix]] = {}
    for entry in allocations.networks.values():
        mine = [(p, node) for p, node in entry.blocks.items() if held(entry.retired_in)]
        mine += [(p, node) for p, (node, ended) in entry.retired_blocks.items() if held(ended)]
        assert not any(overlap(a, b) for (a, _), (b, _) in combinations(mine, 2))
        for prefix, node in mine:
            on_node.setdefault(node, []).append(prefix)
    for prefixes in on_node.values():
        assert not any(overlap(a, b) for a, b in combinations(prefixes, 2))


def overlap(one: Prefix, other: Prefix) -> bool:
    return one.version == other.version and one.overlaps(other)


def within(prefix: Prefix, subnet: Prefix) -> bool:
    return prefix.version == subnet.version and prefix.subnet_of(subnet)  # type: ignore[arg-type]


@thorough
@given(clusters.declarations(), clusters.inventories())
def test_every_pod_can_have_an_address_or_a_warning_says_that_it_waits(
    declarations: Declarations, inventory: Inventory
) -> None:
    compilation = at_rest(declarations, inventory)
    short = {(p.subject, p.reason) for p in compilation.problems if p.code == "ATL751"}
    for node, plan in compilation.plans.items():
        for network in plan.networks:
            entry = compilation.allocations.networks[network.name]
            pods = sum(binding.network == network.number for binding in plan.pods)
            for version in {subnet.version for subnet in network.subnets}:
                room = room_of(entry, node, network.subnets, version)
                waiting = any(
                    subject == f"VirtualNetwork {network.name}"
                    and f"IPv{version}" in reason
                    and node in reason
                    for subject, reason in short
                )
                assert waiting or room >= pods


def room_of(entry: NetworkAllocation, node: NodeName, subnets: Iterable[Prefix], version: int) -> int:
    ends = {end for subnet in subnets if version == 4 for end in (subnet[0], subnet[-1])}
    blocks = [p for p, owner in entry.blocks.items() if owner == node and p.version == version]
    return sum(address not in ends for block in blocks for address in block)


# --- reachability --------------------------------------------------------------------------------


@thorough
@given(clusters.declarations(), clusters.inventories())
def test_talking_is_symmetric_in_every_plan(declarations: Declarations, inventory: Inventory) -> None:
    for plan in compiled(declarations, inventory).plans.values():
        pairs = {(network.number, peer) for network in plan.networks for peer in network.peers}
        assert pairs == {(right, left) for left, right in pairs}
        assert all(left != right for left, right in pairs)


@thorough
@given(clusters.declarations(), clusters.inventories(), st.data())
def test_taking_a_router_away_never_adds_reach(
    declarations: Declarations, inventory: Inventory, data: st.DataObject
) -> None:
    assume(declarations.routers)
    gone = data.draw(st.sampled_from(declarations.routers))
    fewer = replace(declarations, routers=tuple(one for one in declarations.routers if one is not gone))
    before, after = compiled(declarations, inventory), compiled(fewer, inventory)
    assert reach(after) <= reach(before)


def reach(compilation: Compilation) -> set[tuple[str, NetworkNumber, NetworkNumber]]:
    """Where which networks may talk; allocations from the same start are the same."""
    return {
        (node, network.number, peer)
        for node, plan in compilation.plans.items()
        for network in plan.networks
        for peer in network.peers
    }


# --- plans ---------------------------------------------------------------------------------------


@thorough
@given(clusters.declarations(), clusters.inventories())
def test_plans_mention_what_their_node_needs_and_nothing_else(
    declarations: Declarations, inventory: Inventory
) -> None:
    compilation = compiled(declarations, inventory)
    met = {plan.number: nodes_met(plan) for plan in compilation.plans.values()}
    for plan in compilation.plans.values():
        present = {pod.network for pod in plan.pods if pod.network is not None} - {DEFAULT_NETWORK}
        present |= networks_awaited(compilation, plan.name)
        held = present | {
            compilation.numbers[peer]
            for name, number in compilation.numbers.items()
            if number in present
            for peer in compilation.resolution.peers[name]
        }
        assert [network.number for network in plan.networks] == sorted(held)
        for network in plan.networks:
            assert (network.presence is Presence.PRESENT) == (network.number in present)
            assert set(network.peers) <= held
            assert network.presence is Presence.PRESENT or set(network.peers) <= present
        meeting = {other for other, theirs in met.items() if plan.number in theirs}
        assert [remote.number for remote in plan.remotes] == sorted(
            (met[plan.number] | meeting) - {plan.number}
        )
        assert {pod.name for pod in plan.pods} == {
            pod.name for pod in inventory.pods.values() if pod.node == plan.name
        }
        assert_services_needed(plan, held)


@thorough
@given(clusters.declarations(), clusters.inventories(), st.lists(clusters.changes(), max_size=3))
def test_nodes_know_each_other_or_neither_does(
    declarations: Declarations, inventory: Inventory, changes: list[Change]
) -> None:
    """Who takes VXLAN packets of a node is guarded by it from those that others forge there."""
    current = compiled(declarations, inventory)
    for change in (Change(), *changes):
        current = recompile(current, change)
        assume(not current.refused)
        known = {(plan.name, remote.name) for plan in current.plans.values() for remote in plan.remotes}
        assert known == {(other, one) for one, other in known}


def nodes_met(plan: NodePlan) -> set[NodeNumber]:
    """With a block of a network that is seen here."""
    return {block.node for network in plan.networks for block in network.blocks}


def networks_awaited(compilation: Compilation, node: NodeName) -> set[NetworkNumber]:
    """Of pods that wait for an address: they may start at any moment."""
    assert compilation.stages is not None
    settlement = compilation.stages.settlement
    return {
        compilation.numbers[seat.membership.network]
        for pod, seat in settlement.placement.seats.get(node, {}).items()
        if pod in settlement.asked.refusals and seat.membership.network is not None
    }


def assert_services_needed(plan: NodePlan, held: set[NetworkNumber]) -> None:
    mixed = {service.name for service in plan.isolated if service.mixed}
    for service in plan.services:
        assert set(service.infrastructure_of) <= {n.number for n in plan.networks}
        assert service.backends
        for backend in service.backends:
            if backend.network == DEFAULT_NETWORK:
                assert service.infrastructure_of or service.name in mixed
            else:
                assert backend.network in held
            assert backend.node == plan.number or not service.local_only


@thorough
@given(clusters.declarations(), clusters.inventories())
def test_every_client_sees_on_its_node_what_it_would_see_in_the_whole(
    declarations: Declarations, inventory: Inventory
) -> None:
    compilation = compiled(declarations, inventory)
    whole = [*compilation.service_plans]
    for plan in compilation.plans.values():
        for network in plan.networks:
            if network.presence is Presence.PRESENT:
                sight = frozenset((network.number, *network.peers))
                assert seen(plan, plan.services, network.number, sight) == seen(
                    plan, whole, network.number, sight
                )
        mixed = {service.name for service in plan.isolated if service.mixed}
        outside = frozenset((DEFAULT_NETWORK,))
        assert seen(plan, (s for s in plan.services if s.name in mixed), DEFAULT_NETWORK, outside) == seen(
            plan, (s for s in whole if s.name in mixed), DEFAULT_NETWORK, outside
        )


def seen(
    plan: NodePlan, services: Iterable[ServicePlan], client: NetworkNumber, sight: frozenset[NetworkNumber]
) -> list[tuple[ObjectName, str, object]]:
    def each() -> Iterator[tuple[ObjectName, str, object]]:
        for service in services:
            backends = visible_backends(plan, service, client, sight)
            if backends:
                yield service.name, service.addresses[0].compressed, backends

    return [*each()]
