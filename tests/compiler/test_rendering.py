"""Plan to ruleset: literal elements, as nft gets them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from compiler.chains import CHOICES, choices_for
from compiler.model import Egress
from compiler.names import DEFAULT_NETWORK, NetworkNumber
from compiler.plan import NodePlan, Presence
from compiler.rendering import ruleset_of
from compiler.sets import SET_NAMES
from tests.compiler.sample_plans import (
    BLUE,
    GREEN,
    ISOLATED,
    RED,
    WEB,
    backend,
    node_plan,
    service,
)


def elements(plan: NodePlan, name: str) -> dict[str, str | None]:
    return {key: element.value for key, element in ruleset_of(plan).sets[name].items()}


def test_every_set_of_the_table_is_rendered() -> None:
    assert set(ruleset_of(node_plan()).sets) == set(SET_NAMES)


def test_zones_number_vrf_and_host_link_and_join_a_domain() -> None:
    assert elements(node_plan(), "zones") == {"1": "1", "2": "1", "3": "3", "65537": "1", "65539": "3"}


def test_peers_hold_both_directions_and_each_network_with_itself() -> None:
    both = node_plan(RED, replace(BLUE, presence=Presence.PRESENT), GREEN)
    assert list(elements(both, "peers")) == ["1 . 1", "1 . 2", "2 . 1", "2 . 2", "3 . 3"]


def test_a_carried_network_reaches_the_present_one_and_nothing_reaches_it_here() -> None:
    assert list(elements(node_plan(), "peers")) == ["1 . 1", "2 . 1", "3 . 3"]


def test_a_service_is_asked_from_networks_that_reach_a_backend_and_from_no_other() -> None:
    assert elements(node_plan(), "vips4") == {"1 . 10.96.0.20 . tcp . 80": "goto pick3"}


def test_each_choice_leads_to_one_backend() -> None:
    key = "1 . 10.96.0.20 . tcp . 80 . 0xa700000"
    assert elements(node_plan(), "backends4") == {
        f"{key}0": "10.1.0.1 . 8080",
        f"{key}1": "10.1.0.17 . 8080",
        f"{key}2": "10.2.0.17 . 8080",
    }


def test_backends_that_the_client_may_not_reach_are_not_choices() -> None:
    lonely = node_plan(replace(RED, peers=()), GREEN)
    assert elements(lonely, "vips4") == {"1 . 10.96.0.20 . tcp . 80": "goto pick2"}


def test_terminating_backends_serve_only_while_none_is_ready() -> None:
    going = backend(1, 1, "10.1.0.1", ready=False)
    ready = backend(1, 2, "10.1.0.17")
    both = elements(node_plan(services=(service(going, ready),)), "backends4")
    alone = elements(node_plan(services=(service(going),)), "backends4")
    assert list(both.values()) == ["10.1.0.17 . 8080"]
    assert list(alone.values()) == ["10.1.0.1 . 8080"]


def test_a_service_local_to_the_node_has_only_its_backends() -> None:
    local = replace(WEB, local_only=True)
    assert list(elements(node_plan(services=(local,)), "backends4").values()) == ["10.1.0.1 . 8080"]


def test_client_affinity_chooses_by_source_address() -> None:
    sticky = replace(WEB, client_affinity=True)
    assert list(elements(node_plan(services=(sticky,)), "vips4").values()) == ["goto stick3"]


def test_more_backends_than_exact_choices_are_spread_over_all_slots() -> None:
    many = tuple(backend(1, 2, f"10.1.1.{n}") for n in range(20))
    chosen = elements(node_plan(services=(service(*many),)), "backends4")
    assert len(chosen) == 32
    assert set(chosen.values()) == {f"10.1.1.{n} . 8080" for n in range(20)}


def test_choices_are_exact_up_to_sixteen_and_powers_of_two_beyond() -> None:
    assert [choices_for(n) for n in (1, 7, 16, 17, 33, 5000)] == [1, 7, 16, 32, 64, 1024]
    assert list(CHOICES) == sorted(CHOICES)


def test_infrastructure_is_reached_by_the_networks_that_list_it() -> None:
    assert list(elements(node_plan(), "infrastructure4")) == ["1 . 10.244.1.2 . udp . 53"]


def test_an_infrastructure_service_is_a_choice_for_the_networks_that_list_it() -> None:
    dns = service(
        replace(backend(0, 1, "10.244.1.2"), network=DEFAULT_NETWORK),
        infrastructure_of=(NetworkNumber(3),),
    )
    assert list(elements(node_plan(services=(dns,)), "vips4")) == ["3 . 10.96.0.20 . tcp . 80"]


def test_only_networks_with_snat_leave_the_cluster() -> None:
    leaving = replace(RED, egress=Egress.SNAT)
    assert list(elements(node_plan(leaving, BLUE, GREEN), "egress")) == ["1"]


def test_overlapping_cluster_ranges_are_collapsed_for_interval_sets() -> None:
    assert list(elements(node_plan(), "cluster4")) == [
        "0.0.0.0/8",
        "10.96.0.0/16",
        "10.244.0.0/16",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "192.168.0.0/24",
        "224.0.0.0/3",
    ]


def test_outsiders_are_refused_at_the_address_and_node_ports_of_an_isolated_service() -> None:
    assert elements(node_plan(), "isolated4") == {"10.96.0.20": "goto refuse"}
    assert list(elements(node_plan(), "isolated_ports")) == ["tcp . 30080"]


def test_a_mixed_service_answers_the_default_network_with_its_own_backends() -> None:
    ours = backend(1, 1, "10.1.0.1")
    theirs = replace(backend(0, 2, "10.244.2.9"), network=DEFAULT_NETWORK)
    plan = node_plan(services=(service(ours, theirs),), isolated=(replace(ISOLATED, mixed=True),))
    assert elements(plan, "isolated4") == {"10.96.0.20": "goto mixed"}
    assert elements(plan, "backends4") == {
        "0 . 10.96.0.20 . tcp . 80 . 0xa7000000": "10.244.2.9 . 8080",
        "1 . 10.96.0.20 . tcp . 80 . 0xa7000000": "10.1.0.1 . 8080",
    }


def test_a_mixed_service_is_closed_at_its_addresses_outside_the_service_ranges() -> None:
    ours = backend(1, 1, "10.1.0.1")
    theirs = replace(backend(0, 2, "10.244.2.9"), network=DEFAULT_NETWORK)
    outside = service(ours, theirs, addresses=(ip_address("203.0.113.7"),))
    plan = node_plan(services=(outside,), isolated=(replace(ISOLATED, mixed=True),))
    assert list(elements(plan, "vips4")) == ["1 . 203.0.113.7 . tcp . 80"]


def test_only_pods_of_this_node_meet_themselves_through_a_service() -> None:
    assert list(elements(node_plan(), "hairpins4")) == ["1 . 10.1.0.1 . 10.1.0.1"]


def test_host_links_give_the_source_address_to_leaving_packets_and_to_hairpins() -> None:
    assert elements(node_plan(GREEN), "host_links4") == {"3": "100.64.0.7", "65539": "100.64.0.7"}


def test_vxlan_is_taken_from_the_nodes_of_the_plan() -> None:
    assert list(elements(node_plan(), "underlay4")) == ["192.168.0.2"]


def test_chains_do_not_depend_on_networks() -> None:
    assert ruleset_of(node_plan(GREEN)).chains == ruleset_of(node_plan()).chains


def test_elements_are_commented_with_names() -> None:
    peers = ruleset_of(node_plan()).sets["peers"]
    assert peers["2 . 1"].comment == "team-a/blue > team-a/red"
