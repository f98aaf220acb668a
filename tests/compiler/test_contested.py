"""Two Services at one address and port."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from compiler.change import Change
from compiler.compilation import Compilation, recompile
from compiler.inventory import EndpointSlice, Pod, Service
from compiler.rendering import ruleset_of
from tests.compiler.declared import name
from tests.compiler.small_cluster import BLUE_POD, PLAIN_POD, RED_POD, TWO, plan, pod, served, service

SHARED = ip_address("203.0.113.9")
OTHER_POD = pod("other", "red", 1, "10.1.0.2")


def at_the_shared_address(text: str, index: int, *behind: Pod) -> tuple[Service, EndpointSlice]:
    one, some = service(text, index, *behind)
    return replace(one, external_addresses=(SHARED,)), some


def told(compilation: Compilation) -> list[tuple[str, str]]:
    return [(p.subject, p.reason) for p in compilation.problems if p.code == "ATL764"]


FIRST = at_the_shared_address("a", 1, RED_POD)
SECOND = at_the_shared_address("b", 2, OTHER_POD)
PODS = (RED_POD, OTHER_POD, BLUE_POD, PLAIN_POD)


def test_two_services_at_one_place_are_named_and_so_is_the_one_that_answers() -> None:
    assert told(served(TWO, SECOND, FIRST, pods=PODS)) == [
        (
            "Service team-a/a",
            "it shares 203.0.113.9 TCP 80 with Service team-a/b; a client that may use either gets team-a/a, "
            "the first by name",
        )
    ]


def test_the_first_by_name_answers() -> None:
    sets = ruleset_of(plan(served(TWO, SECOND, FIRST, pods=PODS), 1)).sets
    answering = {e.value for key, e in sets["backends4"].items() if " . 203.0.113.9 . " in key}
    assert answering == {"10.1.0.1 . 8080"}


def test_a_client_that_may_use_the_second_alone_gets_the_second() -> None:
    second = at_the_shared_address("b", 2, BLUE_POD)
    sets = ruleset_of(plan(served(TWO, second, FIRST, pods=PODS), 2)).sets
    answering = {e.value for key, e in sets["backends4"].items() if " . 203.0.113.9 . " in key}
    assert answering == {"10.2.0.1 . 8080"}


def test_services_of_the_default_network_are_not_ours_to_judge() -> None:
    both = (at_the_shared_address(text, i, PLAIN_POD) for i, text in enumerate(("a", "b"), 1))
    assert told(served(TWO, *both, pods=PODS)) == []


def test_one_address_may_be_shared_at_two_ports() -> None:
    other = replace(SECOND[0], ports=(replace(SECOND[0].ports[0], port=81),))
    assert told(served(TWO, FIRST, (other, SECOND[1]), pods=PODS)) == []


def test_the_warning_goes_with_one_of_the_services() -> None:
    both = served(TWO, SECOND, FIRST, pods=PODS)
    assert told(recompile(both, Change(services={name("a"): None}))) == []
