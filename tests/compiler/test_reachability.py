"""The reachability of the whole as text, and what a change does to it."""

from __future__ import annotations

from ipaddress import ip_address

from hypothesis import given

from compiler.model import (
    Egress,
    InfrastructureKeyword,
    LabelSelector,
    Operator,
    Requirement,
    VirtualNetwork,
    VirtualNetworkRouter,
)
from compiler.names import DEFAULT_NETWORK, NetworkNumber
from compiler.plan import Backend, ServicePlan
from compiler.reachability import (
    Reachability,
    ReachabilityChange,
    change_lines,
    changes,
    reachability_of,
    reachability_text,
    visible_services,
)
from compiler.resolve import resolve
from tests.compiler import topologies
from tests.compiler.declared import EVERYTHING, declarations, name, network, router, where

RED = network("a/red", "10.1.0.0/24", line=3, tier="web")
BLUE = network("b/blue", "10.2.0.0/24", line=9)
CONSENT = [(EVERYTHING, EVERYTHING)]
LEFT = router("a/left", "hub", imports=CONSENT, line=2)
RIGHT = router("b/right", "spoke", imports=CONSENT, line=5)
RIGHT_CLOSED = router("b/right", "spoke", imports=[(where(no="such"), None)], line=5)


def reach(*objects: VirtualNetwork | VirtualNetworkRouter) -> Reachability:
    declared = declarations(*objects)
    return reachability_of(declared, resolve(declared, {}))


def lines(before: Reachability, after: Reachability) -> tuple[str, ...]:
    return change_lines(changes(before, after))


def test_text_says_of_each_network_whom_it_reaches_and_why() -> None:
    open_blue = network(
        "b/blue",
        "10.2.0.0/24",
        line=9,
        allowed=where(team="x"),
        infrastructure=(name("logging/logs"), InfrastructureKeyword.DNS),
        egress=Egress.SNAT,
    )
    alone = network("c/alone", "10.3.0.0/24", line=12, infrastructure=(), allowed=EVERYTHING)
    assert reachability_text(reach(alone, open_blue, RED, LEFT, RIGHT)) == (
        "network a/red (networks.yaml:3)\n"
        "  talks to b/blue: hub router a/left (routers.yaml:2) and spoke router b/right (routers.yaml:5), "
        "which import each other\n"
        "  infrastructure: api, dns\n"
        "  egress: none\n"
        "  namespaces: a\n"
        "network b/blue (networks.yaml:9)\n"
        "  talks to a/red: hub router a/left (routers.yaml:2) and spoke router b/right (routers.yaml:5), "
        "which import each other\n"
        "  infrastructure: dns, logging/logs\n"
        "  egress: snat\n"
        "  namespaces: b, and those with team=x\n"
        "network c/alone (networks.yaml:12)\n"
        "  talks to no other network\n"
        "  infrastructure: none\n"
        "  egress: none\n"
        "  namespaces: all\n"
    )


def test_text_names_what_waits_for_consent() -> None:
    assert reachability_text(reach(RED, BLUE, LEFT, RIGHT_CLOSED)).splitlines()[-1] == (
        "waiting: router a/left (routers.yaml:2) waits for the consent of router b/right (routers.yaml:5)"
    )


def test_all_causes_of_a_pair_are_listed() -> None:
    green = network("a/green", "10.4.0.0/24", line=20)
    first, second = router("a/first", "mesh", line=1), router("a/second", "mesh", line=8)
    assert (
        "  talks to a/red: mesh router a/first (routers.yaml:1); mesh router a/second (routers.yaml:8)\n"
        in reachability_text(reach(RED, green, first, second))
    )


def test_selectors_are_written_as_kubectl_writes_them() -> None:
    def requirement(key: str, operator: Operator, *values: str) -> Requirement:
        return Requirement(key=key, operator=operator, values=frozenset(values))

    selector = LabelSelector(
        requirements=(
            requirement("tier", Operator.NOT_IN, "b", "a"),
            requirement("env", Operator.IN, "prod", "live"),
            requirement("team", Operator.EXISTS),
            requirement("old", Operator.DOES_NOT_EXIST),
        )
    )
    (one,) = reach(network("a/red", "10.1.0.0/24", allowed=selector)).networks
    assert one.allowed_namespaces == "!old, env in (live, prod), team, tier notin (a, b)"


def test_a_network_asks_services_with_endpoints_in_itself_in_peers_and_in_its_infrastructure() -> None:
    def plan(text: str, *backends: int, users: tuple[int, ...] = ()) -> ServicePlan:
        return ServicePlan(
            name=name(text),
            port_name="",
            addresses=(),
            protocol="TCP",
            port=80,
            client_affinity=False,
            local_only=False,
            backends=tuple(
                Backend(network=NetworkNumber(one), node=None, address=ip_address("10.0.0.1"), port=80)
                for one in backends
            ),
            infrastructure_of=tuple(map(NetworkNumber, users)),
        )

    declared = declarations(RED, BLUE, network("c/alone", "10.3.0.0/24"), LEFT, RIGHT)
    resolution = resolve(declared, {})
    numbers = {
        name("a/red"): NetworkNumber(1),
        name("b/blue"): NetworkNumber(2),
        name("c/alone"): NetworkNumber(3),
    }
    plans = (
        plan("a/of-red", 1),
        plan("c/of-alone", 3),
        plan("x/dns", DEFAULT_NETWORK, users=(1, 3)),
        plan("x/plain", DEFAULT_NETWORK),
        plan("x/listed-but-elsewhere", 3, users=(1,)),
    )
    visible = visible_services(plans, numbers, resolution)
    assert visible == {
        name("a/red"): (name("a/of-red"), name("x/dns")),
        name("b/blue"): (name("a/of-red"),),
        name("c/alone"): (name("c/of-alone"), name("x/dns"), name("x/listed-but-elsewhere")),
    }
    text = reachability_text(reachability_of(declared, resolution, visible))
    assert "  asks service a/of-red\n  asks service x/dns\n  infrastructure: api, dns\n" in text


def test_a_router_gained_and_lost_names_the_pairs_with_their_cause() -> None:
    green = network("a/green", "10.4.0.0/24")
    before, after = reach(RED, green), reach(RED, green, router("a/mesh", "mesh", line=7))
    assert lines(before, after) == ("+ a/green and a/red may talk: mesh router a/mesh (routers.yaml:7)",)
    assert lines(after, before) == (
        "- a/green and a/red talk no more; it was mesh router a/mesh (routers.yaml:7)",
    )


def test_consent_asked_given_and_withdrawn() -> None:
    alone = reach(RED, BLUE, RIGHT_CLOSED)
    asked = reach(RED, BLUE, LEFT, RIGHT_CLOSED)
    agreed = reach(RED, BLUE, LEFT, RIGHT)
    pair = (
        "hub router a/left (routers.yaml:2) and spoke router b/right (routers.yaml:5), "
        "which import each other"
    )
    assert lines(alone, asked) == (
        "~ router a/left (routers.yaml:2) waits for the consent of router b/right (routers.yaml:5)",
    )
    assert lines(asked, agreed) == (
        f"+ a/red and b/blue may talk: {pair}",
        "+ consent given by router b/right to a/left",
    )
    assert lines(agreed, asked) == (
        f"- a/red and b/blue talk no more; it was {pair}",
        "- consent withdrawn by router b/right from a/left",
    )
    assert lines(asked, alone) == ("~ router a/left no longer waits for b/right",)


def test_networks_and_their_properties_that_change_are_listed() -> None:
    wider = network("a/red", "10.1.0.0/24", allowed=EVERYTHING, infrastructure=(), egress=Egress.SNAT)
    assert lines(reach(RED), reach(wider, BLUE)) == (
        "+ network b/blue",
        "~ a/red infrastructure: api, dns -> none",
        "~ a/red egress: none -> snat",
        "~ a/red namespaces: a -> all",
    )
    assert lines(reach(RED, BLUE), reach(RED)) == ("- network b/blue",)


def test_objects_that_only_move_in_their_files_change_nothing() -> None:
    moved = (
        network("a/red", "10.1.0.0/24", line=300, tier="web"),
        network("b/blue", "10.2.0.0/24", line=900),
        router("a/left", "hub", imports=CONSENT, line=200),
        router("b/right", "spoke", imports=CONSENT, line=500),
    )
    assert changes(reach(RED, BLUE, LEFT, RIGHT), reach(*moved)) == ReachabilityChange()


@given(topologies.networks(), topologies.routers(), topologies.routers())
def test_gains_one_way_are_losses_the_other_way(
    networks: tuple[VirtualNetwork, ...],
    one: tuple[VirtualNetworkRouter, ...],
    other: tuple[VirtualNetworkRouter, ...],
) -> None:
    before, after = reach(*networks, *one), reach(*networks, *other)
    there, back = changes(before, after), changes(after, before)
    assert there.gained == back.lost
    assert there.lost == back.gained
    assert changes(before, before) == ReachabilityChange()


@given(topologies.networks(), topologies.routers())
def test_the_text_agrees_with_the_graph(
    networks: tuple[VirtualNetwork, ...], routers: tuple[VirtualNetworkRouter, ...]
) -> None:
    declared = declarations(*networks, *routers)
    resolution = resolve(declared, {})
    for one in reachability_of(declared, resolution).networks:
        assert frozenset(peer.name for peer in one.peers) == resolution.peers[one.name]
        assert all(peer.causes == resolution.causes(one.name, peer.name) for peer in one.peers)
