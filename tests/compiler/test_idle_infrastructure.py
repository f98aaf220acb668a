"""Infrastructure that is listed and cannot be reached."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from compiler.change import Change
from compiler.compilation import Compilation, recompile
from compiler.model import ClusterConfig, Declarations, VirtualNetwork
from tests.compiler.declared import cluster_config, declarations, name, network, place
from tests.compiler.small_cluster import PLAIN_POD, RED_POD, cluster, compiled, served, service

BY_ADDRESS = cluster_config(
    dns=place(None, "192.0.2.53", ports=(("UDP", 53),)), api=place(None, "192.0.2.6", ports=(("TCP", 6443),))
)


def declared(*networks: VirtualNetwork, config: ClusterConfig = BY_ADDRESS) -> Declarations:
    return replace(declarations(*networks), config=config)


def told(compilation: Compilation) -> list[tuple[str, str]]:
    return [(p.subject, p.reason) for p in compilation.problems if p.code == "ATL318"]


def test_a_network_of_the_other_family_lists_dns_in_vain() -> None:
    some = [network(f"n{i}", f"fd0{i}::/64") for i in range(5)]
    assert told(compiled(declared(*some, network("old", "10.1.0.0/24")), cluster())) == [
        (
            "ClusterConfig",
            f"its {what} is reached by IPv4 alone, so 5 networks list it in vain: "
            "team-a/n0, team-a/n1, team-a/n2 and 2 more",
        )
        for what in ("api", "dns")
    ]


def test_one_family_in_common_is_enough() -> None:
    assert told(compiled(declared(network("both", "fd01::/64", "10.1.0.0/24")), cluster())) == []


def test_a_listed_service_of_the_other_family_is_told_at_the_network() -> None:
    listing = declared(network("six", "fd01::/64", infrastructure=(name("plain"),)))
    assert told(served(listing, service("plain", 1, PLAIN_POD), pods=[PLAIN_POD])) == [
        (
            "VirtualNetwork team-a/six",
            "its infrastructure lists Service team-a/plain in vain: that is reached by IPv4 alone",
        )
    ]


def test_a_listed_service_whose_endpoints_are_in_networks() -> None:
    listing = declared(network("red", "10.1.0.0/24", infrastructure=(name("web"),)))
    assert told(served(listing, service("web", 1, RED_POD), pods=[RED_POD])) == [
        (
            "VirtualNetwork team-a/red",
            "its infrastructure lists Service team-a/web in vain: that has endpoints in networks alone, "
            "and infrastructure is what the default network has",
        )
    ]


def test_the_warning_comes_and_goes_with_the_endpoints() -> None:
    listing = declared(network("red", "10.1.0.0/24", infrastructure=(name("plain"),)))
    web, some = service("plain", 1, PLAIN_POD)
    first = served(listing, (web, some), pods=[PLAIN_POD])
    assert told(first) == []
    gone = recompile(first, Change(slices={some.name: None}))
    assert [reason for _, reason in told(gone)] == [
        "its infrastructure lists Service team-a/plain in vain: that has no endpoint in the default network "
        "that serves"
    ]
    assert told(recompile(gone, Change(slices={some.name: some}))) == []


def test_of_a_service_that_is_not_there_another_warning_tells() -> None:
    listing = declared(network("red", "10.1.0.0/24", infrastructure=(name("missing"),)))
    missing = compiled(listing, cluster())
    assert told(missing) == []
    assert [p.code for p in missing.problems] == ["ATL314"]


def test_addresses_beside_a_service_count() -> None:
    beside = replace(BY_ADDRESS.dns, addresses=(ip_address("fd00::53"),))
    config = replace(BY_ADDRESS, dns=beside)
    listing = declared(network("six", "fd01::/64"), config=config)
    assert [reason.split(",")[0] for _, reason in told(compiled(listing, cluster()))] == [
        "its api is reached by IPv4 alone"
    ]
