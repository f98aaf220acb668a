"""What of the default network a network reaches."""

from __future__ import annotations

from ipaddress import ip_address

from compiler.infrastructure import (
    access_of,
    infrastructure_problems,
    infrastructure_services,
    infrastructure_users,
)
from compiler.inventory import Service
from compiler.model import InfrastructureKeyword
from compiler.names import NetworkNumber
from compiler.plan import Access
from compiler.services import CompiledService
from tests.compiler.declared import cluster_config, name, network, place

DNS, API = InfrastructureKeyword.DNS, InfrastructureKeyword.API
LOGS = name("logging/logs")


def access(address: str, protocol: str, port: int) -> Access:
    return Access(address=ip_address(address), protocol=protocol, port=port)


SERVICES = {
    one.name: one
    for one in (
        CompiledService(
            name=name("kube-system/kube-dns"),
            access=(access("10.244.0.2", "UDP", 53), access("fd00:244::2", "UDP", 53)),
        ),
        CompiledService(name=name("default/kubernetes"), access=(access("192.0.2.1", "TCP", 6443),)),
        CompiledService(name=LOGS, access=(access("10.244.0.9", "TCP", 3100),)),
    )
}


def test_the_default_list_is_dns_and_the_api_server() -> None:
    red = network("a/red", "10.1.0.0/24")
    assert infrastructure_services(red, cluster_config()) == (
        name("default/kubernetes"),
        name("kube-system/kube-dns"),
    )
    assert access_of(red, cluster_config(), SERVICES) == (
        access("10.244.0.2", "UDP", 53),
        access("192.0.2.1", "TCP", 6443),
    )


def test_a_given_list_replaces_the_default_one() -> None:
    red = network("a/red", "10.1.0.0/24", infrastructure=(LOGS,))
    assert access_of(red, cluster_config(), SERVICES) == (access("10.244.0.9", "TCP", 3100),)


def test_an_empty_list_opens_nothing() -> None:
    red = network("a/red", "10.1.0.0/24", infrastructure=())
    assert access_of(red, cluster_config(), SERVICES) == ()
    assert infrastructure_problems([red], cluster_config(), {}) == ()


def test_only_addresses_of_the_networks_own_families_count() -> None:
    v6 = network("a/v6", "fd00:1::/64", infrastructure=(DNS,))
    dual = network("a/dual", "10.1.0.0/24", "fd00:2::/64", infrastructure=(DNS,))
    assert access_of(v6, cluster_config(), SERVICES) == (access("fd00:244::2", "UDP", 53),)
    assert access_of(dual, cluster_config(), SERVICES) == (
        access("10.244.0.2", "UDP", 53),
        access("fd00:244::2", "UDP", 53),
    )


def test_plain_addresses_are_reached_at_their_ports_beside_the_service_or_without_one() -> None:
    config = cluster_config(
        dns=place("kube-system/kube-dns", "169.254.20.10", ports=(("UDP", 53), ("TCP", 53))),
        api=place(None, "198.51.100.7", ports=(("TCP", 443),)),
    )
    assert access_of(network("a/red", "10.1.0.0/24"), config, SERVICES) == (
        access("10.244.0.2", "UDP", 53),
        access("169.254.20.10", "TCP", 53),
        access("169.254.20.10", "UDP", 53),
        access("198.51.100.7", "TCP", 443),
    )


def test_users_of_each_service_are_the_networks_that_list_it() -> None:
    networks = (
        network("a/red", "10.1.0.0/24"),
        network("a/blue", "10.2.0.0/24", infrastructure=(DNS, LOGS)),
        network("a/green", "10.3.0.0/24", infrastructure=()),
    )
    numbers = {one.name: NetworkNumber(number) for number, one in zip((3, 1, 2), networks, strict=True)}
    assert infrastructure_users(networks, cluster_config(), numbers) == {
        name("default/kubernetes"): (3,),
        name("kube-system/kube-dns"): (1, 3),
        LOGS: (1,),
    }


def test_services_that_the_cluster_does_not_have_are_warnings_and_a_keywords_only_once() -> None:
    networks = (
        network("a/red", "10.1.0.0/24", line=1),
        network("a/blue", "10.2.0.0/24", line=9, infrastructure=(DNS, LOGS)),
    )
    known = {name("default/kubernetes"): Service(name=name("default/kubernetes"), cluster_addresses=())}
    assert [str(problem) for problem in infrastructure_problems(networks, cluster_config(), known)] == [
        "cluster.yaml:1:0: warning ATL315: ClusterConfig: its dns is Service kube-system/kube-dns, which the "
        "cluster does not have. Correct spec.dns.service, or give spec.dns addresses and ports in its place.",
        "networks.yaml:9:0: warning ATL314: VirtualNetwork a/blue: its infrastructure lists Service "
        "logging/logs, which the cluster does not have. "
        "Correct the entry, create the Service, or remove the entry.",
    ]
