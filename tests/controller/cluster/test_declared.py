"""Declarations become resources, and resources the same declarations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

import msgspec
from hypothesis import given

from compiler.model import (
    ClusterConfig,
    Declarations,
    Egress,
    InfrastructureKeyword,
    LabelSelector,
    Operator,
    Requirement,
    RouterImport,
    Subnet,
    VirtualNetwork,
    VirtualNetworkRouter,
)
from compiler.parse import parse
from compiler.problem import Origin
from controller.cluster.declared import Declared, Source, declared_in, resource_of
from controller.cluster.objects import IN_USE, Observed, ResourceKey, decode
from tests.compiler.declared import cluster_config, network, place, router, where
from tests.compiler.repository import CLUSTER, accepted, contrail
from tests.compiler.topologies import networks, routers

NOWHERE = Origin(path="")
S = TypeVar("S", VirtualNetwork, VirtualNetworkRouter, ClusterConfig)


def placeless(source: Source) -> Source:
    """Without the places where things are written."""
    match source:
        case VirtualNetwork():
            subnets = tuple(Subnet(prefix=subnet.prefix, origin=NOWHERE) for subnet in source.subnets)
            return replace(source, origin=NOWHERE, subnets=subnets)
        case VirtualNetworkRouter():
            imports = tuple(replace(entry, origin=NOWHERE) for entry in source.imports)
            return replace(source, origin=NOWHERE, imports=imports)
        case ClusterConfig():
            return replace(source, origin=NOWHERE, deletions_origin=None, limits_origin=None)


def observed(declared: Declared, revision: str = "c0ffee") -> Observed:
    found = decode(declared.key, msgspec.json.encode(declared.body(revision)))
    assert isinstance(found, Observed)
    return found


def parsed_again(*sources: Source) -> Declarations:
    """What the applied bodies declare, as foreign objects would."""
    files = {f"{n}.json": observed(resource_of(source)).manifest for n, source in enumerate(sources)}
    result = parse(files, revision="")
    assert result.declarations is not None, [str(problem) for problem in result.problems]
    return result.declarations


def test_a_network_is_a_resource_with_all_its_fields_and_the_finalizer() -> None:
    declared = resource_of(network("team-a/red", "10.1.0.0/24", "fd00:1::/64", line=7, tier="web"))
    assert declared.key == ResourceKey(kind="VirtualNetwork", namespace="team-a", name="red")
    assert declared.body("c0ffee") == {
        "apiVersion": "atoll.dev/v1alpha1",
        "kind": "VirtualNetwork",
        "metadata": {
            "name": "red",
            "namespace": "team-a",
            "labels": {"tier": "web"},
            "annotations": {"atoll.dev/origin": "networks.yaml:7", "atoll.dev/revision": "c0ffee"},
            "finalizers": ["atoll.dev/in-use"],
        },
        "spec": {
            "subnets": ["10.1.0.0/24", "fd00:1::/64"],
            "infrastructure": {"services": ["dns", "api"]},
            "egress": "none",
        },
    }


def test_a_router_is_a_resource_with_its_consents() -> None:
    selector = LabelSelector(
        requirements=(
            Requirement(key="stage", operator=Operator.NOT_IN, values=frozenset({"test", "dev"})),
            Requirement(key="tier", operator=Operator.IN, values=frozenset({"web"})),
            Requirement(key="tier", operator=Operator.IN, values=frozenset({"db"})),
        )
    )
    body = resource_of(router("team-a/all", "mesh", selector, imports=[(where(a="b"), None)])).body("c0ffee")
    assert body["spec"] == {
        "type": "mesh",
        "virtualNetworkSelector": {
            "matchLabels": {"tier": "web"},
            "matchExpressions": [
                {"key": "stage", "operator": "NotIn", "values": ["dev", "test"]},
                {"key": "tier", "operator": "In", "values": ["db"]},
            ],
        },
        "import": {"virtualNetworkRouters": [{"virtualNetworkRouterSelector": {"matchLabels": {"a": "b"}}}]},
    }
    metadata = body["metadata"]
    assert isinstance(metadata, Mapping)
    assert "finalizers" not in metadata


def test_the_cluster_is_one_resource_without_a_namespace() -> None:
    declared = resource_of(cluster_config())
    assert str(declared.key) == "ClusterConfig/cluster"
    assert declared.body("c0ffee")["metadata"] == {
        "name": "cluster",
        "annotations": {"atoll.dev/origin": "cluster.yaml:1", "atoll.dev/revision": "c0ffee"},
    }


@given(networks=networks(), routers=routers())
def test_what_is_applied_declares_what_was_declared(
    networks: tuple[VirtualNetwork, ...], routers: tuple[VirtualNetworkRouter, ...]
) -> None:
    again = parsed_again(cluster_config(), *networks, *routers)
    assert [placeless(one) for one in again.networks] == [
        placeless(one) for one in sorted(networks, key=lambda one: one.name)
    ]
    assert [placeless(one) for one in again.routers] == [
        placeless(one) for one in sorted(routers, key=lambda one: one.name)
    ]


def test_every_field_that_a_network_may_have_survives() -> None:
    everything = network(
        "team-a/red",
        "10.1.0.0/24",
        allowed=LabelSelector(),
        infrastructure=(InfrastructureKeyword.API,),
        egress=Egress.SNAT,
    )
    none = network("team-a/sea", "10.2.0.0/24", infrastructure=())
    again = parsed_again(cluster_config(), everything, none)
    assert [placeless(one) for one in again.networks] == [placeless(everything), placeless(none)]


def test_every_field_that_a_cluster_may_have_survives() -> None:
    config = replace(
        cluster_config(
            dns=place("kube-system/dns", "192.0.2.53", ports=(("UDP", 53), ("TCP", 53))),
            api=place(None, "2001:db8::1", ports=(("TCP", 6443),)),
        ),
        block_size_v4=27,
        block_size_v6=120,
        number_base=5000,
        vxlan_port=4789,
        mtu=9000,
        limits=replace(cluster_config().limits, max_deleted_share=0.5, max_networks_per_node=9),
        confirm_deletion_of=(network("team-a/old", "10.1.0.0/24").name,),
    )
    assert placeless(parsed_again(config).config) == placeless(config)


def test_every_operator_survives_in_any_combination() -> None:
    selector = LabelSelector(
        requirements=tuple(
            sorted(
                (
                    Requirement(key="a", operator=Operator.IN, values=frozenset({"x"})),
                    Requirement(key="a", operator=Operator.IN, values=frozenset({"x", "y"})),
                    Requirement(key="a", operator=Operator.NOT_IN, values=frozenset({"z"})),
                    Requirement(key="b", operator=Operator.EXISTS),
                    Requirement(key="c", operator=Operator.DOES_NOT_EXIST),
                ),
                key=lambda r: (r.key, r.operator, sorted(r.values)),
            )
        )
    )
    one = router("team-a/all", "hub", selector, imports=[(selector, selector)])
    assert [placeless(r) for r in parsed_again(cluster_config(), one).routers] == [placeless(one)]


def test_a_compatible_declaration_comes_out_as_our_kind() -> None:
    declarations = accepted(
        {
            "subnet.yaml": contrail("Subnet", "cidr: 10.1.0.0/24", name="red-v4"),
            "red.yaml": contrail(
                "VirtualNetwork", "v4SubnetReference: {name: red-v4}, fabricSNAT: true", name="red"
            ),
        }
    )
    key = ResourceKey(kind="VirtualNetwork", namespace="team-a", name="red")
    body = declared_in(declarations)[key].body("c0ffee")
    assert body["apiVersion"] == "atoll.dev/v1alpha1"
    assert body["spec"] == {
        "subnets": ["10.1.0.0/24"],
        "infrastructure": {"services": ["dns", "api"]},
        "egress": "snat",
    }


def test_unchanged_declarations_are_the_same_values() -> None:
    files = {"cluster.yaml": CLUSTER.encode()}
    first = parse(files, revision="1")
    second = parse(files, revision="2", cache=first.cache)
    assert first.declarations is not None
    assert second.declarations is not None
    before = declared_in(first.declarations)
    after = declared_in(second.declarations, before)
    assert [after[key] is before[key] for key in after] == [True]


def test_foreign_declarations_are_no_resources_of_ours() -> None:
    foreign = replace(
        network("team-a/red", "10.1.0.0/24"), origin=Origin(path="cluster:virtualnetworks/team-a/red.json")
    )
    declarations = Declarations(revision="", config=cluster_config(), networks=(foreign,), routers=())
    assert [str(key) for key in declared_in(declarations)] == ["ClusterConfig/cluster"]


def test_only_networks_have_the_finalizer() -> None:
    assert resource_of(network("team-a/red", "10.1.0.0/24")).finalizers == (IN_USE,)
    assert resource_of(cluster_config()).finalizers == ()


def test_imports_without_a_namespace_selector_stay_without() -> None:
    one = router("team-a/all", "mesh", imports=[(where(a="b"), None), (where(), where())])
    imports: tuple[RouterImport, ...] = parsed_again(cluster_config(), one).routers[0].imports
    assert [entry.namespace_selector for entry in imports] == [None, LabelSelector()]
