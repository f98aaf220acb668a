"""The verifier's reading of the rules beside the compiler's: two authors, one meaning.

Cases are all goldens and generated clusters, whose names and addresses are drawn from few so that they
meet. What is compared is the compiler's result, down to the elements of the rendered rulesets.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address

import pytest
from hypothesis import HealthCheck, given, settings

from compiler.allocations import Allocations
from compiler.compilation import Compilation, compile
from compiler.inventory import Inventory
from compiler.model import Address, Declarations, RouterType
from compiler.names import DEFAULT_NETWORK, NetworkNumber, NodeName, ObjectName
from compiler.plan import NodePlan, Presence
from compiler.rendering import ruleset_of
from compiler.resolve import resolve
from compiler.ruleset import Ruleset
from tests.compiler import clusters, topologies
from tests.compiler.declared import EVERYTHING, declarations, name, network, router, where
from tests.golden.case import CASES, case
from verifier.meaning import MOST_BACKENDS, Meaning, meaning_of
from verifier.seating import Outside
from verifier.service_meaning import Place
from verifier.talking import talking

ACCEPTED = [name for name in CASES if case(name).after.compilation is not None]
MANY = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def meant(compilation: Compilation) -> Meaning:
    inputs = compilation.inputs
    return meaning_of(inputs.declarations, inputs.inventory, compilation.allocations)


@pytest.mark.parametrize("golden", ACCEPTED)
def test_goldens_mean_what_the_compiler_understood(golden: str) -> None:
    compilation = case(golden).after.compilation
    assert compilation is not None
    agree(compilation)


@MANY
@given(declared=clusters.declarations(), inventory=clusters.inventories())
def test_generated_clusters_mean_what_the_compiler_understood(
    declared: Declarations, inventory: Inventory
) -> None:
    compilation = compile(declared, inventory, Allocations())
    if not compilation.refused:
        agree(compilation)


@settings(max_examples=500, deadline=None)
@given(networks=topologies.networks(), routers=topologies.routers())
def test_generated_routers_connect_what_the_compiler_connects(networks: tuple, routers: tuple) -> None:  # type: ignore[type-arg]
    declared = declarations(*networks, *routers)
    resolution = resolve(declared, {})
    found = talking(declared, {})
    assert found.peers == resolution.peers
    assert found.domains == resolution.domains
    for one in resolution.peers:
        for other in resolution.peers:
            causes = resolution.causes(one, other)
            between = {router.name for router in found.routers_between(one, other)}
            assert between == {name for cause in causes for name in cause.routers}


def agree(compilation: Compilation) -> None:
    meaning, numbers = meant(compilation), compilation.numbers
    resolution = compilation.resolution
    assert {one.name: number for number, one in meaning.networks.items()} == numbers
    for number, one in meaning.networks.items():
        assert one.peers == {numbers[peer] for peer in resolution.peers[one.name]}
        assert one.domain == {numbers[mate] for mate in resolution.domains[one.name]}
        assert number == one.number
    assert meaning.nodes.keys() == compilation.plans.keys()
    for node, plan in compilation.plans.items():
        agree_on_node(meaning, node, plan, numbers)


def agree_on_node(
    meaning: Meaning, node: NodeName, plan: NodePlan, numbers: Mapping[ObjectName, NetworkNumber]
) -> None:
    me = meaning.nodes[node]
    assert (me.number, me.underlay) == (plan.number, plan.address)
    by_number = {one.number: one for one in plan.networks}
    assert me.present == {n for n, one in by_number.items() if one.presence is Presence.PRESENT}
    assert meaning.visible(node) == by_number.keys()
    assert meaning.known_to(node) | meaning.takers_of(node) == {remote.name for remote in plan.remotes}
    for number, one in by_number.items():
        whole = meaning.networks[number]
        prefixes = {
            (prefix, meaning.nodes[at].number)
            for at, some in whole.blocks.items()
            if at in meaning.nodes
            for prefix in some
        }
        assert prefixes == {(block.prefix, block.node) for block in one.blocks}
        if one.presence is Presence.PRESENT:
            assert whole.infrastructure == {Place(a.address, a.protocol, a.port) for a in one.infrastructure}
    for pod in plan.pods:
        if pod.network is None and meaning.seats.inventory.pods[pod.name].asked is not None:
            continue  # it waits for the address that it asks for, and takes no part until it has it
        seat = meaning.seats.seat_of(meaning.seats.inventory.pods[pod.name])
        known = numbers[seat] if isinstance(seat, ObjectName) else None
        assert (DEFAULT_NETWORK if seat is Outside.DEFAULT else known) == pod.network, pod
    agree_on_services(meaning, node, ruleset_of(plan))


def agree_on_services(meaning: Meaning, node: NodeName, ruleset: Ruleset) -> None:
    """Whoever asks on this node is offered exactly these backends, and the same is closed to others."""
    offered = offered_by(ruleset)
    for client in (DEFAULT_NETWORK, *sorted(meaning.nodes[node].present)):
        answers = meaning.answers(node, client)
        assert answers.keys() == offered.get(client, {}).keys()
        for place, answer in answers.items():
            rendered = offered[client][place]
            assert rendered <= answer.backends
            assert len(rendered) == min(len(answer.backends), MOST_BACKENDS)
    closed = {**ruleset.sets["isolated4"], **ruleset.sets["isolated6"]}
    assert {str(address) for address in meaning.services.closed} == closed.keys()
    ports = {f"{protocol.lower()} . {port}" for protocol, port in meaning.services.closed_ports}
    assert ports == ruleset.sets["isolated_ports"].keys()
    for address, closure in meaning.services.closed.items():
        verdict = "goto mixed" if any(closure.mixed) else "goto refuse"
        if len(set(closure.mixed)) == 1:  # where several share it, the compiler may say either
            assert closed[str(address)].value == verdict


def offered_by(ruleset: Ruleset) -> dict[int, dict[Place, set[tuple[Address, int]]]]:
    found: dict[int, dict[Place, set[tuple[Address, int]]]] = {}
    for key, element in [*ruleset.sets["backends4"].items(), *ruleset.sets["backends6"].items()]:
        client, address, protocol, port, _mark = key.split(" . ")
        backend, number = (element.value or "").split(" . ")
        place = Place(ip_address(address), protocol.upper(), int(port))
        found.setdefault(int(client), {}).setdefault(place, set()).add((ip_address(backend), int(number)))
    return found


HUB = router("hub", "hub", where(role="hub"), imports=[(where(of="spokes"), None)], of="hub")
SPOKES = router("spokes", "spoke", where(role="spoke"), imports=[(where(of="hub"), None)], of="spokes")
CENTRE = network("centre", "10.1.0.0/24", role="hub")
LEFT = network("left", "10.2.0.0/24", role="spoke")
RIGHT = network("right", "10.3.0.0/24", role="spoke")


def test_spokes_talk_to_the_hub_and_not_to_each_other() -> None:
    found = talking(declarations(CENTRE, LEFT, RIGHT, HUB, SPOKES), {})
    assert found.may_talk(name("centre"), name("left"))
    assert found.may_talk(name("right"), name("centre"))
    assert not found.may_talk(name("left"), name("right"))


def test_a_domain_holds_those_that_talk_over_others() -> None:
    found = talking(declarations(CENTRE, LEFT, RIGHT, HUB, SPOKES), {})
    assert found.domains[name("left")] == {name("centre"), name("left"), name("right")}


def test_one_sided_imports_connect_nothing() -> None:
    silent = router("spokes", "spoke", where(role="spoke"), of="spokes")
    found = talking(declarations(CENTRE, LEFT, HUB, silent), {})
    assert not found.may_talk(name("centre"), name("left"))


@pytest.mark.parametrize("kind", [RouterType.HUB, RouterType.SPOKE])
def test_routers_of_one_kind_that_is_no_mesh_connect_nothing(kind: RouterType) -> None:
    importing = [(EVERYTHING, None)]
    one = router("one", kind, where(role="hub"), imports=importing)
    other = router("other", kind, where(role="spoke"), imports=importing)
    assert not talking(declarations(CENTRE, LEFT, one, other), {}).may_talk(name("centre"), name("left"))


def test_the_routers_between_two_networks_are_named() -> None:
    found = talking(declarations(CENTRE, LEFT, RIGHT, HUB, SPOKES), {})
    assert found.routers_between(name("centre"), name("left")) == (HUB, SPOKES)
    assert found.routers_between(name("left"), name("right")) == ()
