"""`explain`: packets and declarations agree; reasons, places and remedies are the right ones."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from random import Random

import pytest

from compiler.compilation import Compilation, compile
from compiler.names import NodeName, ObjectName
from compiler.rendering import ruleset_of
from review.explain_ends import Unclear
from review.explain_ground import Ground, Written
from review.explain_steps import words_of
from tests.golden.case import CASES, case
from tests.review.asking import ask, ground, reasons
from tests.verifier import scene
from verifier.nft_text import read_ruleset

# --- packets and declarations agree ---


@pytest.mark.parametrize(
    "source", ["red-1", "green-2", "north-3", "south-2", "old-1", "plain-1", "node:node-1"]
)
def test_what_a_packet_does_is_what_is_declared(source: str) -> None:
    targets = [
        *("red-2", "blue-1", "green-1", "centre-1", "north-1", "old-3", "pod:team-a/dns"),
        *("service:web", "shop", "mixed", "near", "draining", "kube-dns", "metrics", "kubernetes"),
        *("node:node-2", "198.51.100.7"),
    ]
    for target in targets:
        answer = ask(source, target)
        assert answer.as_declared, f"{source} to {target}: {answer}"
        assert answer.reasons, f"{source} to {target}"
        assert [family.reaches for family in answer.families] == [answer.reaches] * len(answer.families)


def _asked(on: Ground, seed: str) -> list[tuple[str, str]]:
    """A few questions about whatever there is, at random."""
    random = Random(seed)
    pods = [f"pod:{name}" for name in sorted(on.inventory.pods)]
    services = [f"service:{name}" for name in sorted(on.inventory.services)]
    nodes = [f"node:{name}" for name in sorted(on.meaning.nodes)]
    networks = [f"network:{name}" for name in sorted(on.numbers)]
    sources = [*pods, *networks, *nodes[:1], "203.0.113.200"]
    targets = [*pods, *networks, *services, *nodes[-1:], "203.0.113.77"]
    pairs = [(one, other) for one in sources for other in targets if one != other]
    return random.sample(pairs, min(6, len(pairs)))


@pytest.mark.parametrize("golden", [name for name in CASES if case(name).after.compilation is not None])
def test_packets_and_declarations_agree_on_every_golden(golden: str) -> None:
    on = Ground.of(_compiled_case(golden))
    for source, target in _asked(on, golden):
        answer = ask(source, target, on=on)
        assert answer.as_declared, f"{source} to {target}: {answer}"
        assert answer.reasons, f"{source} to {target}"


def test_a_node_that_holds_something_else_is_found_out() -> None:
    compilation = scene.compiled()
    plan = compilation.plans[NodeName("node-2")]
    text = ruleset_of(plan).text
    lines = [line for line in text.splitlines() if "team-a/red > team-a/blue" not in line]
    assert len(lines) == len(text.splitlines()) - 1
    rendered = ground().text_of(NodeName("node-2"))
    doctored = Ground(
        meaning=ground().meaning,
        inventory=ground().inventory,
        plans=compilation.plans,
        written={NodeName("node-2"): Written(ruleset="\n".join(lines), layout=rendered.layout)},
    )
    answer = ask("red-1", "blue-2", on=doctored)
    assert (answer.reaches, answer.declared, answer.as_declared) == (False, True, False)


def test_a_node_may_be_as_its_kernel_is() -> None:
    """Its ports are found by the routes that lead to the pods, whatever they are called."""
    names = (NodeName("node-1"), NodeName("node-2"))
    kernels = ground().cluster(names, ()).kernels
    real = Ground(
        meaning=ground().meaning,
        inventory=ground().inventory,
        plans=scene.compiled().plans,
        real={name: kernels[name].node for name in names},
    )
    for target in ("red-1", "red-2", "blue-2", "service:web"):
        assert ask("blue-1", target, on=real) == ask("blue-1", target)


# --- the way ---


def test_the_way_leads_through_both_nodes_to_the_declarations() -> None:
    answer = ask("red-1", "blue-2", ("tcp", 8080))
    assert reasons(answer) == [
        "networks team-a/red and team-a/blue talk by mesh router team-a/mesh (routers.yaml:81)"
    ]
    assert [reason.places for reason in answer.reasons] == [("routers.yaml:81",)]
    four, six = answer.families
    assert (four.version, four.source, four.target, four.reaches) == (4, "10.1.0.17", "10.2.0.17", True)
    assert (six.version, six.reaches) == (6, True)
    (there,) = four.there
    assert there.end == "delivered to pod team-a/blue-2 on node-2"
    assert list(dict.fromkeys(step.node for step in there.steps)) == ["node-1", "node-2"]
    last = there.steps[-1]
    assert (last.hook, last.chain, last.rule) == ("forward", "forward", "iifgroup . oifgroup @peers accept")
    assert last.element.endswith('comment "team-a/red > team-a/blue"')
    assert last.means == "the two networks may talk"
    assert last.places == ("networks.yaml:1", "networks.yaml:11", "routers.yaml:81")
    (back,) = four.back
    assert back.end == "delivered to pod team-a/red-1 on node-1"


def test_a_service_has_a_way_for_each_kind_of_end() -> None:
    answer = ask("blue-1", "service:team-a/web")
    assert (answer.protocol, answer.port, answer.reaches) == ("tcp", 80, True)
    chains = {step.chain for way in answer.families[0].there for step in way.steps}
    assert {"services_of_network", "pick3", "translate", "forward"} <= chains
    assert {way.end for way in answer.families[0].there} == {
        "delivered to pod team-a/red-1 on node-1",
        "delivered to pod team-a/red-2 on node-2",
        "delivered to pod team-a/blue-2 on node-2",
    }


def test_infrastructure_is_reached_by_the_host_link() -> None:
    answer = ask("red-1", "kube-dns", ("udp", 53))
    assert reasons(answer) == ["Service kube-system/kube-dns is infrastructure of network team-a/red"]
    (way,) = answer.families[0].there
    assert way.end == "on its way to 10.244.2.53 in the default network, from node-1"
    assert [step.chain for step in way.steps if "@infrastructure4" in step.rule] == ["to_host"]


def test_every_rule_that_atoll_writes_has_words() -> None:
    plan = scene.compiled().plans[NodeName("node-1")]
    chains = read_ruleset(ruleset_of(plan).text).chains
    silent = [
        f"{chain.name}: {rule.text}"
        for chain in chains.values()
        for rule in chain.rules
        if not words_of(chain.name, rule.text)
    ]
    assert silent == []


# --- a no, and what it takes ---


def test_spokes_do_not_talk_and_talking_is_not_transitive() -> None:
    answer = ask("north-1", "south-2")
    assert reasons(answer) == [
        "no router lets networks team-a/north and team-a/south talk",
        "both talk to team-a/centre, but talking is not transitive",
    ]
    assert answer.families[0].there[0].end.startswith("refused on node-1")


def test_networks_that_overlap_must_change_subnets_first() -> None:
    (remedy,) = ask("red-1", "green-1").remedies
    assert remedy.what == (
        "Change subnets first: 10.1.0.0/24 of team-a/red overlaps 10.1.0.0/24 of team-a/green, and a router "
        "between the two would be refused"
    )


def test_a_service_with_another_port_says_which_it_has() -> None:
    answer = ask("red-1", "service:web", ("tcp", 443))
    assert reasons(answer) == ["Service team-a/web has no port tcp/443; it has tcp/80, udp/81"]


def test_a_service_of_another_network_says_whose_endpoints_it_has() -> None:
    answer = ask("north-1", "service:web")
    assert "Service team-a/web has endpoints in network team-a/red" in reasons(answer)
    assert answer.remedies


def test_egress_and_infrastructure_are_fields_of_the_network() -> None:
    outside = ask("red-1", "198.51.100.7")
    assert reasons(outside) == ["network team-a/red has `egress: none`"]
    assert outside.remedies[0].yaml == (
        "# VirtualNetwork team-a/red (networks.yaml:1)\nspec:\n  egress: snat\n"
    )
    metrics = ask("red-1", "pod:plain-1", ("tcp", 9100))
    assert metrics.remedies[0].what == "List Service monitoring/metrics as infrastructure of the network"
    assert "services: [dns, api, monitoring/metrics]" in metrics.remedies[0].yaml


def test_who_is_outside_is_told_to_come_in() -> None:
    answer = ask("plain-1", "red-1")
    assert reasons(answer) == ["nothing outside network team-a/red and its peers reaches its pods"]
    assert "atoll.dev/network: team-a/red" in answer.remedies[0].yaml


def test_the_nodes_own_pods_are_probed_and_others_not() -> None:
    assert ask("node:node-1", "red-1").reaches is True
    assert ask("node:node-1", "red-2").reaches is False


# --- names ---


def test_an_address_of_several_pods_is_asked_back() -> None:
    with pytest.raises(Unclear) as twice:
        ask("plain-1", "10.1.0.17")
    assert str(twice.value) == (
        "10.1.0.17: several have this address. Say which: pod:team-a/green-2, pod:team-a/red-1."
    )


@pytest.mark.parametrize(
    ("source", "target", "sentence"),
    [
        ("service:web", "red-1", "service:web: a Service sends nothing. Name a pod."),
        ("10.2.0.5", "red-1", "10.2.0.5: no pod has this address, so nobody sends from it. Name a pod."),
        (
            "pod:gone",
            "red-1",
            "pod:gone: nothing has this name. Write pod:, network: or service: and namespace/name, node: and "
            "a name, or an address.",
        ),
        ("red-1", "pod:web", "pod:web: nothing has this name. There is service:team-a/web."),
    ],
)
def test_what_cannot_be_asked_is_said(source: str, target: str, sentence: str) -> None:
    with pytest.raises(Unclear) as unclear:
        ask(source, target)
    assert str(unclear.value) == sentence


def test_an_address_of_a_block_that_no_pod_has_is_refused_there() -> None:
    answer = ask("red-1", "10.2.0.5")
    assert reasons(answer)[0] == "no pod has the address 10.2.0.5; it lies in a block of team-a/blue"
    assert (answer.reaches, answer.as_declared) == (False, True)


def test_a_network_is_judged_by_one_of_its_pods() -> None:
    answer = ask("network:red", "network:blue")
    assert answer.notes == (
        "For network team-a/red stands its pod team-a/red-1 on node-1.",
        "For network team-a/blue stands its pod team-a/blue-2 on node-2.",
    )


def test_a_pod_that_has_no_address_yet_gets_one_to_be_judged_by() -> None:
    inventory = ground().inventory
    name = next(name for name in inventory.pods if name.name == "red-1")
    pods = {**inventory.pods, name: replace(inventory.pods[name], addresses=())}
    waiting = Ground(
        meaning=ground().meaning, inventory=replace(inventory, pods=pods), plans=scene.compiled().plans
    )
    answer = ask("red-1", "blue-2", on=waiting)
    assert answer.notes == (
        "Pod team-a/red-1 has no address yet; judged by one it may get: 10.1.0.17, fd00:1::41.",
    )
    assert answer.reaches is True


BLUE_2 = ObjectName(namespace="team-a", name="blue-2")


def _elsewhere(pod: str, address: IPv4Address) -> Ground:
    """The pod has an IPv4 address that its node's blocks here do not hold, and Services send there."""
    compilation = scene.compiled()
    inventory = compilation.inputs.inventory
    name = next(name for name in inventory.pods if name.name == pod)
    former, *others = inventory.pods[name].addresses
    pods = {**inventory.pods, name: replace(inventory.pods[name], addresses=(address, *others))}
    slices = {
        key: replace(
            one,
            endpoints=tuple(
                replace(each, addresses=(address,))
                if (each.pod, each.addresses) == (name, (former,))
                else each
                for each in one.endpoints
            ),
        )
        for key, one in inventory.slices.items()
    }
    changed = replace(inventory, pods=pods, slices=slices)
    return Ground.of(compile(compilation.inputs.declarations, changed, compilation.allocations))


def test_a_service_whose_pod_has_an_address_of_no_block_says_that_other_blocks_are_in_force() -> None:
    answer = ask("green-1", "service:shop", on=_elsewhere("green-2", IPv4Address("10.1.0.250")))
    assert (answer.reaches, answer.declared) == (False, True)
    assert answer.notes == (
        "Running pod team-a/green-2 has addresses that are in no block of their node here: "
        "other blocks are in force. Give them: --allocations FILE takes those of the controller.",
    )


def test_a_pod_with_an_address_of_no_block_is_judged_by_one_that_it_would_have() -> None:
    on = _elsewhere("blue-2", IPv4Address("10.2.0.250"))
    lone = replace(on.inventory.pods[BLUE_2], addresses=(IPv4Address("10.2.0.250"),))
    on.inventory = replace(on.inventory, pods={**on.inventory.pods, BLUE_2: lone})
    answer = ask("red-1", "blue-2", on=on)
    assert answer.notes == (
        "Pod team-a/blue-2 has addresses that are in no block of its node here; "
        "judged by one it may get: 10.2.0.17, fd00:2::41.",
    )


def test_two_pods_without_addresses_are_judged_by_two() -> None:
    on = Ground.of(_compiled_case("pod-added"))
    notes = ask("web-1", "web-3", on=on).notes
    assert [note.partition("judged by one it may get: ")[2] for note in notes] == ["10.1.0.1.", "10.1.0.2."]


def test_a_network_whose_only_pod_asks_has_no_other() -> None:
    on = Ground.of(_compiled_case("spoke-with-spoke"))
    answer = ask("db-1", "network:team-a/blue", on=on)
    assert answer.notes[-1] == "No other pod of network team-a/blue runs, so there is no way to look at."
    assert (answer.reaches, answer.families) == (True, ())


def _compiled_case(golden: str) -> Compilation:
    compilation = case(golden).after.compilation
    assert compilation is not None
    return compilation


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "0.0.0.0", "::"])
@pytest.mark.parametrize("other", ["red-1", "plain-1"])
def test_no_packet_between_hosts_bears_a_loopback_address(address: str, other: str) -> None:
    for asked in ((address, other), (other, address)):
        with pytest.raises(Unclear, match="no packet between hosts bears it"):
            ask(*asked)


@pytest.mark.parametrize("address", ["224.0.0.1", "ff02::1", "255.255.255.255"])
def test_nobody_sends_from_an_address_of_many(address: str) -> None:
    with pytest.raises(Unclear, match="it is of many, so nobody sends from it"):
        ask(address, "plain-1")


@pytest.mark.parametrize("source", ["node:node-1", "node:node-2", "plain-1", "198.51.100.7", "blue-2"])
def test_an_address_of_a_block_that_no_pod_has_is_reached_by_nobody(source: str) -> None:
    answer = ask(source, "10.2.0.9")
    assert (answer.reaches, answer.as_declared) == (False, True)
    assert "no pod has the address 10.2.0.9; it lies in a block of team-a/blue" in reasons(answer)


def test_an_address_of_two_networks_is_the_askers() -> None:
    """Red and green have the same subnets, and a pod each at 10.1.0.17."""
    assert ask("red-2", "10.1.0.17").target == "pod team-a/red-1"
    assert ask("green-1", "10.1.0.17").target == "pod team-a/green-2"
    assert reasons(ask("red-2", "10.1.0.20")) == [
        "no pod has the address 10.1.0.20; it lies in a block of team-a/red",
        "both are on network team-a/red",
    ]


def test_an_address_that_is_nobodys_in_two_networks_is_asked_back() -> None:
    with pytest.raises(Unclear, match="it lies in blocks of team-a/green and team-a/red"):
        ask("plain-1", "10.1.0.20")
