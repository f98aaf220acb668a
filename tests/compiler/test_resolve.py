"""Routing domains, overlap inside them, permissions without effect, and the laws of talking."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, product
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from compiler.inventory import Namespace
from compiler.model import VirtualNetwork, VirtualNetworkRouter
from compiler.names import ObjectName
from compiler.resolve import Resolution, resolve
from tests.compiler import topologies
from tests.compiler.declared import EVERYTHING, declarations, name, names, namespaces, network, router, where


def resolved(
    *objects: VirtualNetwork | VirtualNetworkRouter, known: dict[str, Namespace] | None = None
) -> Resolution:
    return resolve(declarations(*objects), known or {})


def overlaps(resolution: Resolution) -> list[str]:
    return [str(problem) for problem in resolution.problems if problem.code == "ATL411"]


def chain(*subnets: str) -> list[VirtualNetwork | VirtualNetworkRouter]:
    """Networks n0, n1, ... where a mesh router joins each with the next one."""
    links = range(len(subnets) - 1)
    joined: list[VirtualNetwork | VirtualNetworkRouter] = [
        network(f"a/n{i}", subnet, line=i + 1, labels={f"link{k}": "yes" for k in (i - 1, i) if k in links})
        for i, subnet in enumerate(subnets)
    ]
    return joined + [router(f"a/r{k}", "mesh", where(**{f"link{k}": "yes"}), line=k + 1) for k in links]


def test_a_network_alone_is_its_own_domain() -> None:
    resolution = resolved(network("a/red", "10.1.0.0/24"), network("a/blue", "10.1.0.0/24"))
    assert resolution.domains == {name("a/red"): names("a/red"), name("a/blue"): names("a/blue")}
    assert resolution.problems == ()


def test_networks_connected_over_others_are_one_domain() -> None:
    resolution = resolved(*chain("10.1.0.0/24", "10.2.0.0/24", "10.3.0.0/24"))
    assert set(resolution.domains.values()) == {names("a/n0", "a/n1", "a/n2")}
    assert not resolution.may_talk(name("a/n0"), name("a/n2"))


def test_spokes_share_a_domain_through_their_hub() -> None:
    resolution = resolved(
        network("a/hub", "10.1.0.0/24", role="hub"),
        network("a/one", "10.2.0.0/24", role="spoke"),
        network("a/two", "10.2.0.0/24", line=5, role="spoke"),
        router("a/hub", "hub", where(role="hub"), imports=[(where(role="spoke"), None)], role="hub"),
        router("a/spoke", "spoke", where(role="spoke"), imports=[(where(role="hub"), None)], role="spoke"),
    )
    assert resolution.domains[name("a/one")] == names("a/hub", "a/one", "a/two")
    assert len(overlaps(resolution)) == 1


def test_networks_of_a_hub_router_without_spokes_are_separate_domains_and_may_overlap() -> None:
    resolution = resolved(
        network("a/red", "10.1.0.0/24"), network("a/blue", "10.1.0.0/24"), router("a/hub", "hub")
    )
    assert resolution.domains[name("a/red")] == names("a/red")
    assert overlaps(resolution) == []


def test_an_import_still_waiting_joins_no_domains() -> None:
    resolution = resolved(
        network("a/red", "10.1.0.0/24"),
        network("b/blue", "10.1.0.0/24"),
        router("a/left", "mesh", imports=[(EVERYTHING, EVERYTHING)]),
        router("b/right", "mesh", imports=[(where(none="such"), EVERYTHING)]),
    )
    assert resolution.domains[name("a/red")] == names("a/red")
    assert overlaps(resolution) == []


def test_overlap_names_both_networks_both_lines_and_the_routers_between() -> None:
    assert overlaps(resolved(*chain("10.1.0.0/16", "10.2.0.0/24", "10.1.7.0/24"))) == [
        "networks.yaml:3:0: error ATL411: VirtualNetwork a/n2: its subnet 10.1.7.0/24 overlaps 10.1.0.0/16 "
        "of network a/n0 (networks.yaml:1) in one routing domain: "
        "a/n2 <- mesh router a/r1 (routers.yaml:2) -> a/n1 <- mesh router a/r0 (routers.yaml:1) -> a/n0. "
        "Give one of the two another subnet, or take the networks apart by changing the routers."
    ]


def test_overlap_is_found_in_ipv6_and_between_nested_prefixes() -> None:
    found = overlaps(resolved(*chain("fd00::/48", "fd00:0:0:1::/64", "fd00:0:0:1::/64")))
    assert [text.split(": ")[3].split(" of network")[0] for text in found] == [
        "its subnet fd00:0:0:1::/64 overlaps fd00::/48",
        "its subnet fd00:0:0:1::/64 overlaps fd00:0:0:1::/64",
    ]


def test_neighbouring_prefixes_do_not_overlap_nor_do_equal_numbers_of_two_families() -> None:
    assert overlaps(resolved(*chain("10.0.0.0/25", "10.0.0.128/25", "::a00:0/121"))) == []


def test_a_subnet_inside_one_that_ended_before_the_last_is_still_found() -> None:
    found = overlaps(resolved(*chain("10.0.0.0/8", "10.1.0.0/16", "10.2.0.0/16")))
    assert len(found) == 2
    assert all("10.0.0.0/8" in text for text in found)


def test_a_hundred_equal_subnets_in_one_mesh_give_one_error_each_and_not_one_a_pair() -> None:
    many = [network(f"a/n{i}", "10.0.0.0/24", line=i + 1) for i in range(100)]
    assert len(overlaps(resolved(*many, router("a/mesh", "mesh")))) == 99


def test_allowed_namespaces_that_admit_nobody_are_a_warning() -> None:
    red = network("a/red", "10.1.0.0/24", line=4, allowed=where(team="b"))
    resolution = resolved(red, known=namespaces(a={"team": "b"}, b={"team": "c"}))
    assert [str(problem) for problem in resolution.problems] == [
        "networks.yaml:4:0: warning ATL313: VirtualNetwork a/red: its allowedNamespaces matches no other "
        "namespace of the cluster, so it admits nobody. Correct the selector, label the namespace that "
        "should be admitted, or remove the field."
    ]
    assert resolved(red, known=namespaces(a={}, b={"team": "b"})).problems == ()
    assert resolved(red, known={}).problems == ()


# Laws


def edges(resolution: Resolution) -> set[tuple[ObjectName, ObjectName]]:
    return {
        (left, right)
        for left, right in product(resolution.peers, repeat=2)
        if right in resolution.peers[left]
    }


@given(topologies.networks(), topologies.routers())
def test_talking_is_symmetric_irreflexive_and_has_causes_exactly_where_it_is(
    networks: tuple[VirtualNetwork, ...], routers: tuple[VirtualNetworkRouter, ...]
) -> None:
    resolution = resolved(*networks, *routers)
    talking = edges(resolution)
    for left, right in product(resolution.peers, repeat=2):
        assert ((left, right) in talking) == ((right, left) in talking)
        assert bool(resolution.causes(left, right)) == ((left, right) in talking)
        assert resolution.causes(left, right) == resolution.causes(right, left)
    assert all(left != right for left, right in talking)


@given(topologies.networks(), topologies.routers(), st.data())
def test_removing_a_router_never_adds_reach(
    networks: tuple[VirtualNetwork, ...], routers: tuple[VirtualNetworkRouter, ...], data: st.DataObject
) -> None:
    kept = tuple(one for one in routers if data.draw(st.booleans(), label=f"keep {one.name}"))
    assert edges(resolved(*networks, *kept)) <= edges(resolved(*networks, *routers))


@given(topologies.networks(), topologies.routers(), st.randoms(use_true_random=False))
def test_the_order_of_objects_never_matters(
    networks: tuple[VirtualNetwork, ...], routers: tuple[VirtualNetworkRouter, ...], random: Random
) -> None:
    shuffled: list[VirtualNetwork | VirtualNetworkRouter] = [*networks, *routers]
    random.shuffle(shuffled)
    one, other = resolved(*networks, *routers), resolved(*shuffled)
    assert (one.peers, one.domains, one.waiting, one.agreed) == (
        other.peers,
        other.domains,
        other.waiting,
        other.agreed,
    )
    assert one.problems == other.problems


@given(topologies.networks(), topologies.routers())
def test_talking_is_what_the_table_says_evaluated_naively(
    networks: tuple[VirtualNetwork, ...], routers: tuple[VirtualNetworkRouter, ...]
) -> None:
    """The definition of 'may talk', read off the table pair by pair."""

    def holds(one: VirtualNetworkRouter, this: VirtualNetwork) -> bool:
        return one.name.namespace == this.name.namespace and one.network_selector.matches(this.labels)

    def imports(one: VirtualNetworkRouter, other: VirtualNetworkRouter) -> bool:
        label = {"kubernetes.io/metadata.name": other.name.namespace}
        return any(
            entry.router_selector.matches(other.labels)
            and (
                other.name.namespace == one.name.namespace
                if entry.namespace_selector is None
                else entry.namespace_selector.matches(label)
            )
            for entry in one.imports
        )

    def connected(this: VirtualNetwork, that: VirtualNetwork) -> bool:
        for one, other in product(routers, repeat=2):
            if not (holds(one, this) and holds(other, that)):
                continue
            types = {one.type.value, other.type.value}
            if one is other and types == {"mesh"}:
                return True
            mutual = one is not other and imports(one, other) and imports(other, one)
            if mutual and types in ({"mesh"}, {"hub", "spoke"}):
                return True
        return False

    expected = {
        pair
        for this, that in combinations(networks, 2)
        if connected(this, that)
        for pair in ((this.name, that.name), (that.name, this.name))
    }
    assert edges(resolved(*networks, *routers)) == expected


@given(topologies.networks(), topologies.routers())
def test_domains_are_a_partition_closed_under_talking(
    networks: tuple[VirtualNetwork, ...], routers: tuple[VirtualNetworkRouter, ...]
) -> None:
    resolution = resolved(*networks, *routers)
    members = Counter(one for domain in set(resolution.domains.values()) for one in domain)
    assert members == Counter(one.name for one in networks)
    for left, right in edges(resolution):
        assert resolution.domains[left] is resolution.domains[right]


@given(topologies.networks(), topologies.routers())
def test_a_domain_without_overlap_error_has_disjoint_subnets_and_one_with_it_has_not(
    networks: tuple[VirtualNetwork, ...], routers: tuple[VirtualNetworkRouter, ...]
) -> None:
    resolution = resolved(*networks, *routers)
    overlapping = any(
        one.prefix.version == other.prefix.version and one.prefix.overlaps(other.prefix)
        for this, that in combinations(networks, 2)
        if resolution.domains[this.name] is resolution.domains[that.name]
        for one, other in product(this.subnets, that.subnets)
    )
    assert bool(overlaps(resolution)) == overlapping
