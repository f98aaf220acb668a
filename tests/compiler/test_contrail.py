"""Manifests of core.contrail.juniper.net: what is used, what is named in a warning, what is refused."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

import pytest

from compiler.model import DEFAULT_INFRASTRUCTURE, Egress, Subnet, VirtualNetwork
from compiler.names import ObjectName
from compiler.parse import parse
from compiler.problem import Origin
from tests.compiler.repository import CLUSTER, accepted, contrail, network, parsed, problems

RED = contrail("VirtualNetwork", "v4SubnetReference: {name: s4}", name="red")
S4 = contrail("Subnet", "cidr: 10.1.0.0/24", name="s4")
USED = "Remove the field once the manifest is no longer used elsewhere."


@pytest.mark.parametrize("version", ["v1alpha1", "v1", "v2", "v3"])
def test_a_network_is_joined_with_the_subnets_that_it_references(version: str) -> None:
    text = f"""\
apiVersion: core.contrail.juniper.net/{version}
kind: VirtualNetwork
metadata:
  name: red
  namespace: team-a
  labels: {{vn: red}}
  annotations:
    core.juniper.net/display-name: The red one
spec:
  fabricSNAT: true
  podNetwork: true
  v4SubnetReference:
    apiVersion: core.contrail.juniper.net/{version}
    kind: Subnet
    namespace: elsewhere
    name: s4
  v6SubnetReference: {{kind: Subnet, name: s6}}
---
apiVersion: core.contrail.juniper.net/{version}
kind: Subnet
metadata: {{name: s6, namespace: team-a}}
spec: {{cidr: "fd00:1::/64"}}
"""
    other = contrail("Subnet", "cidr: 10.1.0.0/24", name="s4", version=version)
    other = other.replace("namespace: team-a", "namespace: elsewhere")
    assert accepted({"red.yaml": text, "a.yaml": other}).networks == (
        VirtualNetwork(
            name=ObjectName(namespace="team-a", name="red"),
            labels={"vn": "red"},
            subnets=(
                Subnet(prefix=IPv4Network("10.1.0.0/24"), origin=Origin(path="a.yaml", line=4, column=14)),
                Subnet(prefix=IPv6Network("fd00:1::/64"), origin=Origin(path="red.yaml", line=22, column=14)),
            ),
            allowed_namespaces=None,
            infrastructure=DEFAULT_INFRASTRUCTURE,
            egress=Egress.SNAT,
            origin=Origin(path="red.yaml", line=1, column=1),
        ),
    )


def test_egress_is_closed_unless_the_manifest_opens_it() -> None:
    closed = RED.replace("{v4", "{fabricSNAT: false, v4")
    for text in (RED, closed):
        assert accepted({"a.yaml": text, "b.yaml": S4}).networks[0].egress is Egress.NONE


def test_a_router_means_what_ours_means() -> None:
    spec = (
        "type: hub, virtualNetworkSelector: {matchLabels: {vn: web}}, import: "
        "{virtualNetworkRouters: [{virtualNetworkRouterSelector: {matchLabels: {vnr: db}}, "
        "namespaceSelector: {matchLabels: {ns: b}}}]}"
    )
    text = contrail("VirtualNetworkRouter", spec, name="r")
    ours = text.replace("core.contrail.juniper.net/v3", "atoll.dev/v1alpha1")
    assert accepted({"r.yaml": text}).routers == accepted({"r.yaml": ours}).routers


def test_two_networks_may_use_one_subnet() -> None:
    blue = contrail("VirtualNetwork", "v4SubnetReference: {name: s4}", name="blue")
    networks = accepted({"a.yaml": RED, "b.yaml": blue, "c.yaml": S4}).networks
    assert [str(n.subnets[0].prefix) for n in networks] == ["10.1.0.0/24", "10.1.0.0/24"]


@pytest.mark.parametrize(
    ("spec", "field", "column"),
    [
        ("routeTargetList: ['target:64512:5000']", "`spec.routeTargetList`", 8),
        ("importRouteTargetList: []", "`spec.importRouteTargetList`", 8),
        ("virtualNetworkNetworkId: 5000", "`spec.virtualNetworkNetworkId`", 8),
        ("providerNetworkReference: {name: ip-fabric}", "`spec.providerNetworkReference`", 8),
        ("routeTableReferences: [{name: static-rt}]", "`spec.routeTableReferences`", 8),
        ("fqName: [a, b]", "`spec.fqName`", 8),
        ("podNetwork: false", "`spec.podNetwork` is `false`, which", 20),
        ("fabricForwarding: true", "`spec.fabricForwarding` is `true`, which", 26),
        ("isProviderNetwork: true", "`spec.isProviderNetwork` is `true`, which", 27),
        (
            "virtualNetworkProperties: {forwardingMode: l2_l3}",
            "`spec.virtualNetworkProperties.forwardingMode` is `l2_l3`, which",
            51,
        ),
        ("virtualNetworkProperties: {x: 1}", "`spec.virtualNetworkProperties.x`", 35),
    ],
)
def test_a_field_without_a_meaning_is_named_and_the_rest_is_used(spec: str, field: str, column: int) -> None:
    text = contrail("VirtualNetwork", f"{spec}, v4SubnetReference: {{name: s4}}", name="red")
    result = parsed({"red.yaml": text, "s.yaml": S4})
    assert [str(problem) for problem in result.problems] == [
        f"red.yaml:4:{column}: warning ATL221: VirtualNetwork team-a/red: {field} has no meaning here and is "
        f"ignored. {USED}"
    ]
    assert result.declarations is not None
    assert [str(subnet.prefix) for subnet in result.declarations.networks[0].subnets] == ["10.1.0.0/24"]


@pytest.mark.parametrize(
    "spec",
    [
        "podNetwork: true",
        "fabricForwarding: false",
        "isProviderNetwork: false",
        "virtualNetworkProperties: {forwardingMode: l3, rpf: enable}",
    ],
)
def test_a_field_that_asks_for_what_is_so_anyway_is_not_mentioned(spec: str) -> None:
    text = contrail("VirtualNetwork", f"{spec}, v4SubnetReference: {{name: s4}}", name="red")
    assert problems({"red.yaml": text, "s.yaml": S4}) == []


def test_what_the_cluster_added_to_an_exported_manifest_is_named() -> None:
    text = RED.replace("namespace: team-a}", "namespace: team-a, uid: 0b1e}") + "status: {state: Success}\n"
    assert problems({"red.yaml": text, "s.yaml": S4}) == [
        "red.yaml:3:42: warning ATL221: VirtualNetwork team-a/red: `metadata.uid` has no meaning here and is "
        f"ignored. {USED}",
        "red.yaml:5:1: warning ATL221: VirtualNetwork team-a/red: `status` has no meaning here and is "
        f"ignored. {USED}",
    ]


def test_fields_of_a_subnet_beside_its_range_are_named() -> None:
    text = contrail("Subnet", "cidr: 10.1.0.0/24, defaultGateway: 10.1.0.1, ranges: [{key: a}]", name="s4")
    assert problems({"red.yaml": RED, "s.yaml": text}) == [
        "s.yaml:4:27: warning ATL221: Subnet team-a/s4: `spec.defaultGateway` has no meaning here and is "
        f"ignored. {USED}",
        "s.yaml:4:53: warning ATL221: Subnet team-a/s4: `spec.ranges` has no meaning here and is "
        f"ignored. {USED}",
    ]


def test_other_kinds_of_the_group_are_named() -> None:
    text = contrail("RouteTable", "routes: {}", name="static-rt")
    assert problems({"rt.yaml": text}) == [
        "rt.yaml:2:7: warning ATL222: RouteTable team-a/static-rt: the kind `RouteTable` of "
        "`core.contrail.juniper.net` has no meaning here and is ignored. Remove the object "
        "once it is no longer used elsewhere."
    ]


def test_other_versions_of_the_group_are_refused() -> None:
    (problem,) = problems({"s.yaml": contrail("Subnet", "cidr: 10.1.0.0/24", name="s4", version="v9")})
    assert problem == (
        "s.yaml:1:13: error ATL202: Subnet team-a/s4: `core.contrail.juniper.net` has no "
        "version `v9` that this release reads. Use one of "
        "`core.contrail.juniper.net/v1alpha1`, `core.contrail.juniper.net/v1`, "
        "`core.contrail.juniper.net/v2` and `core.contrail.juniper.net/v3`."
    )


def test_a_reference_to_a_missing_subnet_is_refused() -> None:
    assert problems({"red.yaml": RED}) == [
        "red.yaml:4:8: error ATL301: VirtualNetwork team-a/red: `spec.v4SubnetReference` names the Subnet "
        "team-a/s4, which is not there. Add the Subnet, or correct the reference."
    ]


def test_a_subnet_that_nothing_references_is_named() -> None:
    result = parsed({"s.yaml": S4})
    assert [str(problem) for problem in result.problems] == [
        "s.yaml:1:1: warning ATL302: Subnet team-a/s4: no VirtualNetwork references the "
        "Subnet, so that it has no effect. Reference it from a VirtualNetwork, or remove it."
    ]
    assert result.declarations is not None


def test_a_subnet_with_an_error_is_not_called_unreferenced_as_well() -> None:
    (problem,) = problems({"s.yaml": S4.replace("10.1.0.0/24", "10.1.0.5/24")})
    assert "error ATL402" in problem


def test_a_reference_to_a_subnet_of_the_other_family_is_refused() -> None:
    text = RED.replace("v4SubnetReference", "v6SubnetReference")
    assert problems({"red.yaml": text, "s.yaml": S4}) == [
        "red.yaml:4:8: error ATL303: VirtualNetwork team-a/red: `spec.v6SubnetReference` names the Subnet "
        "team-a/s4, which is 10.1.0.0/24. Use the other field, or another Subnet."
    ]


def test_a_network_without_a_subnet_is_refused() -> None:
    assert problems({"red.yaml": contrail("VirtualNetwork", "fabricSNAT: true", name="red")}) == [
        "red.yaml:1:1: error ATL206: VirtualNetwork team-a/red: the network references no "
        "Subnet, so that no pod could get an address. Add `spec.v4SubnetReference` or "
        "`spec.v6SubnetReference`."
    ]


@pytest.mark.parametrize(
    "subnet",
    ["apiVersion: [", S4.replace("cidr", "sidr"), S4.replace("10.1.0.0/24", "10.1.0.5/24")],
    ids=["unreadable", "misshapen", "unusable"],
)
def test_a_subnet_at_fault_is_reported_once_and_not_as_missing(subnet: str) -> None:
    found = problems({"red.yaml": RED, "s.yaml": subnet})
    assert not [problem for problem in found if "ATL301" in problem or "ATL302" in problem]


def test_a_subnet_that_overlaps_the_cluster_is_refused_for_each_network_that_uses_it() -> None:
    blue = contrail("VirtualNetwork", "v4SubnetReference: {name: s4}", name="blue")
    found = problems({"a.yaml": RED, "b.yaml": blue, "s.yaml": S4.replace("10.1.", "10.244.")})
    assert found == [
        f"s.yaml:4:14: error ATL406: VirtualNetwork team-a/{name}: the subnet 10.244.0.0/24 overlaps the pod "
        "range 10.244.0.0/16 of cluster.yaml:6:15. Choose another subnet."
        for name in ("blue", "red")
    ]


def test_compatible_and_own_objects_share_their_names() -> None:
    (problem,) = problems({"a.yaml": network(), "b.yaml": RED, "s.yaml": S4})
    assert problem.startswith(
        "b.yaml:1:1: error ATL215: VirtualNetwork team-a/red: the name is already taken"
    )


def test_a_changed_subnet_changes_the_networks_that_use_it_and_no_other() -> None:
    other = contrail("VirtualNetwork", "v4SubnetReference: {name: t4}", name="other")
    files = {
        "cluster.yaml": CLUSTER,
        "a.yaml": RED,
        "b.yaml": other,
        "s.yaml": S4,
        "t.yaml": S4.replace("s4", "t4").replace("10.1.", "10.2."),
    }
    first = parse({path: text.encode() for path, text in files.items()}, revision="1")
    files["s.yaml"] = S4.replace("10.1.", "10.9.")
    second = parse({path: text.encode() for path, text in files.items()}, revision="2", cache=first.cache)
    assert first.declarations is not None
    assert second.declarations is not None
    assert [str(n.subnets[0].prefix) for n in second.declarations.networks] == ["10.2.0.0/24", "10.9.0.0/24"]
    assert second.declarations.networks[0] is first.declarations.networks[0]
