"""Networks, routers and the cluster with every field, and with defaults."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path

import pytest

from compiler.model import (
    Egress,
    InfrastructureKeyword,
    InfrastructurePlace,
    LabelSelector,
    Limits,
    Operator,
    Requirement,
    RouterImport,
    RouterType,
    Subnet,
    VirtualNetwork,
    VirtualNetworkRouter,
)
from compiler.names import ObjectName
from compiler.problem import Origin
from tests.compiler.repository import accepted, cluster, network, problems, router

REFERENCE = (Path(__file__).parents[2] / "docs" / "reference" / "declarations.md").read_text(encoding="utf-8")
RED = ObjectName(namespace="team-a", name="red")


def test_a_network_with_every_field() -> None:
    text = """\
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata:
  name: red
  namespace: team-a
  labels:
    tier: front
  annotations:
    example.com/owner: Somebody <some@body>
spec:
  subnets:
    - 10.1.0.0/24
    - fd00:1::/64
  allowedNamespaces:
    matchLabels:
      team: a
    matchExpressions:
      - key: stage
        operator: NotIn
        values: [test, dev]
      - key: example.com/shared
        operator: Exists
  infrastructure:
    services: [dns, monitoring/prometheus]
  egress: snat
"""
    assert accepted({"n/red.yaml": text}).networks == (
        VirtualNetwork(
            name=RED,
            labels={"tier": "front"},
            subnets=(
                Subnet(
                    prefix=IPv4Network("10.1.0.0/24"), origin=Origin(path="n/red.yaml", line=12, column=7)
                ),
                Subnet(
                    prefix=IPv6Network("fd00:1::/64"), origin=Origin(path="n/red.yaml", line=13, column=7)
                ),
            ),
            allowed_namespaces=LabelSelector(
                requirements=(
                    Requirement(key="example.com/shared", operator=Operator.EXISTS),
                    Requirement(key="stage", operator=Operator.NOT_IN, values=frozenset({"test", "dev"})),
                    Requirement(key="team", operator=Operator.IN, values=frozenset({"a"})),
                )
            ),
            infrastructure=(
                InfrastructureKeyword.DNS,
                ObjectName(namespace="monitoring", name="prometheus"),
            ),
            egress=Egress.SNAT,
            origin=Origin(path="n/red.yaml", line=1, column=1),
        ),
    )


def test_a_network_says_only_its_subnets_and_has_defaults_for_the_rest() -> None:
    (red,) = accepted({"red.yaml": network()}).networks
    assert red.allowed_namespaces is None
    assert red.infrastructure == (InfrastructureKeyword.DNS, InfrastructureKeyword.API)
    assert red.egress is Egress.NONE
    assert red.labels == {}


def test_an_empty_list_of_services_opens_nothing() -> None:
    (red,) = accepted({"a.yaml": network("subnets: [10.1.0.0/24], infrastructure: {services: []}")}).networks
    assert red.infrastructure == ()


def test_the_empty_selector_is_not_the_absent_one() -> None:
    (red,) = accepted({"a.yaml": network("subnets: [10.1.0.0/24], allowedNamespaces: {}")}).networks
    assert red.allowed_namespaces == LabelSelector()


def test_a_router_with_every_field() -> None:
    text = """\
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetworkRouter
metadata:
  name: hub
  namespace: team-a
  labels: {router: hub}
spec:
  type: hub
  virtualNetworkSelector:
    matchLabels: {role: hub}
  import:
    virtualNetworkRouters:
      - virtualNetworkRouterSelector: {}
      - virtualNetworkRouterSelector:
          matchLabels: {router: spoke}
        namespaceSelector: {}
"""
    role = Requirement(key="role", operator=Operator.IN, values=frozenset({"hub"}))
    spoke = Requirement(key="router", operator=Operator.IN, values=frozenset({"spoke"}))
    assert accepted({"r.yaml": text}).routers == (
        VirtualNetworkRouter(
            name=ObjectName(namespace="team-a", name="hub"),
            labels={"router": "hub"},
            type=RouterType.HUB,
            network_selector=LabelSelector(requirements=(role,)),
            imports=(
                RouterImport(
                    router_selector=LabelSelector(), origin=Origin(path="r.yaml", line=13, column=9)
                ),
                RouterImport(
                    router_selector=LabelSelector(requirements=(spoke,)),
                    namespace_selector=LabelSelector(),
                    origin=Origin(path="r.yaml", line=14, column=9),
                ),
            ),
            origin=Origin(path="r.yaml", line=1, column=1),
        ),
    )


def test_a_cluster_with_every_field() -> None:
    text = cluster(
        dns="{service: kube-system/coredns, addresses: [169.254.20.10], ports: [{protocol: UDP, port: 53}]}",
        api="{addresses: ['2001:db8::1'], ports: [{protocol: TCP, port: 6443}]}",
        blockSizeV4="27",
        blockSizeV6="120",
        numberBase="2000000",
        vxlanPort="4790",
        mtu="9000",
        hostLinksV4="100.80.0.0/14",
        hostLinksV6="'fd99::/100'",
        limits="{maxDeletedShare: 0.5, maxNetworksPerNode: 50, addressWarningShare: 1}",
        confirmDeletionOf="[team-a/old]",
    )
    config = accepted({"cluster.yaml": text}).config
    assert config.pod_ranges == (IPv4Network("10.244.0.0/16"), IPv6Network("fd00:10:244::/56"))
    assert config.service_ranges == (IPv4Network("10.96.0.0/16"), IPv6Network("fd00:10:96::/112"))
    assert config.node_ranges == (IPv4Network("192.168.0.0/24"),)
    assert config.dns == InfrastructurePlace(
        service=ObjectName(namespace="kube-system", name="coredns"),
        addresses=(ip_address("169.254.20.10"),),
        ports=(("UDP", 53),),
    )
    assert config.api == InfrastructurePlace(
        service=None, addresses=(ip_address("2001:db8::1"),), ports=(("TCP", 6443),)
    )
    assert (config.block_size_v4, config.block_size_v6) == (27, 120)
    assert (config.number_base, config.vxlan_port, config.mtu) == (2_000_000, 4790, 9000)
    assert config.host_links_v4 == IPv4Network("100.80.0.0/14")
    assert config.host_links_v6 == IPv6Network("fd99::/100")
    assert config.limits == Limits(max_deleted_share=0.5, max_networks_per_node=50, address_warning_share=1.0)
    assert config.confirm_deletion_of == (ObjectName(namespace="team-a", name="old"),)


def test_where_dns_and_the_api_server_are_has_defaults() -> None:
    config = accepted({}).config
    assert str(config.dns.service) == "kube-system/kube-dns"
    assert str(config.api.service) == "default/kubernetes"


def test_objects_are_sorted_by_name_whatever_the_files_are_called() -> None:
    files: dict[str, str | bytes] = {
        "a.yaml": network("subnets: [10.3.0.0/24]", name="zebra") + "---\n" + router(name="z"),
        "z.yaml": network("subnets: [10.1.0.0/24]", name="ant") + "---\n" + router(name="a"),
        "m.yaml": network("subnets: [10.2.0.0/24]", name="b", namespace="a"),
    }
    declarations = accepted(files)
    assert [str(n.name) for n in declarations.networks] == ["a/b", "team-a/ant", "team-a/zebra"]
    assert [str(r.name) for r in declarations.routers] == ["team-a/a", "team-a/z"]
    assert accepted(dict(reversed(files.items()))) == declarations


def test_the_revision_is_kept() -> None:
    assert accepted({}).revision == "c0ffee"


def test_json_files_declare_too() -> None:
    text = (
        '{"apiVersion": "atoll.dev/v1alpha1", "kind": "VirtualNetwork",\n'
        ' "metadata": {"name": "red", "namespace": "team-a"},\n'
        ' "spec": {"subnets": ["10.1.0.0/24"]}}'
    )
    assert [n.name for n in accepted({"red.json": text}).networks] == [RED]


def test_a_list_as_kubectl_prints_it_declares_its_items() -> None:
    text = (
        "apiVersion: v1\nkind: List\nitems:\n"
        "- apiVersion: atoll.dev/v1alpha1\n  kind: VirtualNetwork\n"
        "  metadata: {name: red, namespace: team-a}\n  spec: {subnets: [10.1.0.0/24]}\n"
        "- apiVersion: v1\n  kind: ConfigMap\n"
    )
    (red,) = accepted({"list.yaml": text}).networks
    assert red.origin == Origin(path="list.yaml", line=4, column=3)


def test_a_list_within_a_list_declares_its_items_too() -> None:
    text = (
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List\n  items:\n"
        "  - apiVersion: atoll.dev/v1alpha1\n    kind: VirtualNetwork\n"
        "    metadata: {name: red, namespace: team-a}\n    spec: {subnets: [10.1.0.0/24]}\n"
    )
    (red,) = accepted({"list.yaml": text}).networks
    assert red.origin == Origin(path="list.yaml", line=7, column=5)


def test_fields_of_a_list_item_are_named_from_the_item() -> None:
    text = (
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: atoll.dev/v1alpha1\n  kind: "
        "VirtualNetwork\n  metadata: {name: red, namespace: team-a}\n  spec: {subnet: "
        "[10.1.0.0/24], subnets: [10.1.0.0/24]}\n"
    )
    assert problems({"list.yaml": text}) == [
        "list.yaml:7:10: error ATL205: VirtualNetwork team-a/red: `spec.subnet` is not a field. "
        "Write `subnets` if that was meant."
    ]


@pytest.mark.parametrize(
    "example", re.findall(r"^```yaml\n(apiVersion.*?)^```$", REFERENCE, re.DOTALL | re.MULTILINE)
)
def test_the_examples_of_the_reference_are_accepted(example: str) -> None:
    path = "cluster.yaml" if "kind: ClusterConfig" in example else "example.yaml"
    assert accepted({path: example}).revision == "c0ffee"
