"""Fields, names and labels at fault: each named with its place, its rule and a remedy."""

from __future__ import annotations

import pytest

from tests.compiler.repository import CLUSTER, accepted, network, problems, router


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            "subnet: [10.1.0.0/24], subnets: [10.1.0.0/24]",
            "4:8: error ATL205: VirtualNetwork team-a/red: `spec.subnet` is not a field. Write "
            "`subnets` if that was meant.",
        ),
        (
            "subnets: [10.1.0.0/24], colour: blue",
            "4:32: error ATL205: VirtualNetwork team-a/red: `spec.colour` is not a field. The "
            "fields here are `allowedNamespaces`, `egress`, `infrastructure` and `subnets`.",
        ),
        (
            "egress: none",
            "4:1: error ATL206: VirtualNetwork team-a/red: `spec.subnets` is missing. Add `spec.subnets`.",
        ),
        (
            "subnets: 10.1.0.0/24",
            "4:17: error ATL207: VirtualNetwork team-a/red: `spec.subnets` is text, and must be a"
            " list. Write a list: `[…]`, or one `- ` a line.",
        ),
        (
            "subnets: [10.1]",
            "4:18: error ATL207: VirtualNetwork team-a/red: `spec.subnets[0]` is a number, and "
            "must be text. Put the value in quotes.",
        ),
        (
            "subnets: ",
            "4:8: error ATL207: VirtualNetwork team-a/red: `spec.subnets` is empty, and must be a"
            " list. Give it a value, or remove the key.",
        ),
        (
            "subnets: [10.1.0.0/24], egress: Snat",
            "4:40: error ATL208: VirtualNetwork team-a/red: `spec.egress` is `Snat`, and must be "
            "`none` or `snat`. Write `snat` if that was meant.",
        ),
        (
            "subnets: [10.1.0.0/24], egress: gateway",
            "4:40: error ATL208: VirtualNetwork team-a/red: `spec.egress` is `gateway`, and must "
            "be `none` or `snat`. Use one of the values listed.",
        ),
        (
            "subnets: [10.1.0.0/24], egress: ",
            "4:32: error ATL207: VirtualNetwork team-a/red: `spec.egress` is empty, and must be text. "
            "Give it a value, or remove the key.",
        ),
        (
            "subnets: []",
            "4:17: error ATL209: VirtualNetwork team-a/red: `spec.subnets` is empty, and needs at"
            " least 1. Choose a value within the bounds.",
        ),
        (
            "subnets: [10.1.0.0/24, 10.1.0.0/24]",
            "4:31: error ATL210: VirtualNetwork team-a/red: `spec.subnets[1]`, `10.1.0.0/24`, repeats "
            "`spec.subnets[0]`. Remove one of the two.",
        ),
        (
            "subnets: [10.1.0.0/24], infrastructure: {services: [prometheus]}",
            "4:60: error ATL211: VirtualNetwork team-a/red: `spec.infrastructure.services[0]`, "
            "`prometheus`, is not `dns`, `api` or `namespace/service`. Write `dns`, `api` or the "
            "`<namespace>/<service>` of a Service.",
        ),
        (
            "subnets: [10.1.0.0/24], infrastructure: {services: [coredns]}",
            "4:60: error ATL211: VirtualNetwork team-a/red: `spec.infrastructure.services[0]`, "
            "`coredns`, is not `dns`, `api` or `namespace/service`. Write `dns` if that was meant; "
            "an entry is `dns`, `api` or the `<namespace>/<service>` of a Service.",
        ),
        (
            "subnets: [10.1.0.0/24], allowedNamespaces: {matchLabels: {a: b c}}",
            "4:69: error ATL213: VirtualNetwork team-a/red: "
            "`spec.allowedNamespaces.matchLabels.a`, `b c`, is not a label value: at most 63 "
            "letters, digits, `-`, `_` and `.`, a letter or digit at both ends. Correct the "
            "label.",
        ),
        (
            "subnets: [10.1.0.0/24], allowedNamespaces: {matchLabels: {/a: b}}",
            "4:66: error ATL213: VirtualNetwork team-a/red: the key of "
            "`spec.allowedNamespaces.matchLabels`, `/a`, is not a label key: `name` or "
            "`prefix/name`, the name of at most 63 letters, digits, `-`, `_` and `.`, the prefix "
            "a DNS name. Correct the label.",
        ),
        (
            "subnets: [10.1.0.0/24], allowedNamespaces: {matchExpressions: [{key: a, operator: In}]}",
            "4:71: error ATL214: VirtualNetwork team-a/red: "
            "`spec.allowedNamespaces.matchExpressions[0]` has no `values`, and `In` and `NotIn` "
            "compare with values. Add values, or change the operator.",
        ),
        (
            "subnets: [10.1.0.0/24], allowedNamespaces: {matchExpressions: [{key: a, operator: "
            "Exists, values: [b]}]}",
            "4:106: error ATL214: VirtualNetwork team-a/red: "
            "`spec.allowedNamespaces.matchExpressions[0].values` has entries, and only `In` and "
            "`NotIn` compare with values. Add values, or change the operator.",
        ),
        (
            "subnets: [10.1.0.0/24], allowedNamespaces: {matchExpressions: [{key: a, operator: "
            "in, values: [b]}]}",
            "4:90: error ATL208: VirtualNetwork team-a/red: "
            "`spec.allowedNamespaces.matchExpressions[0].operator` is `in`, and must be `In`, "
            "`NotIn`, `Exists` or `DoesNotExist`. Write `In` if that was meant.",
        ),
    ],
)
def test_a_network_field_at_fault_is_named_with_its_place(spec: str, expected: str) -> None:
    assert problems({"red.yaml": network(spec)}) == [f"red.yaml:{expected}"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            "type: star, virtualNetworkSelector: {}",
            "4:14: error ATL208: VirtualNetworkRouter team-a/all: `spec.type` is `star`, and must"
            " be `mesh`, `hub` or `spoke`. Use one of the values listed.",
        ),
        (
            "type: mesh",
            "4:1: error ATL206: VirtualNetworkRouter team-a/all: `spec.virtualNetworkSelector` is"
            " missing. Add `spec.virtualNetworkSelector`.",
        ),
        (
            "type: hub, virtualNetworkSelector: {}, import: {virtualNetworkRouters: "
            "[{namespaceSelector: {}}]}",
            "4:80: error ATL206: VirtualNetworkRouter team-a/all: "
            "`spec.import.virtualNetworkRouters[0].virtualNetworkRouterSelector` is missing. Add "
            "`spec.import.virtualNetworkRouters[0].virtualNetworkRouterSelector`.",
        ),
    ],
)
def test_a_router_field_at_fault_is_named_with_its_place(spec: str, expected: str) -> None:
    assert problems({"r.yaml": router(spec)}) == [f"r.yaml:{expected}"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Red", "Write a name such as `red`."),
        ("red_team", "Write a name such as `red-team`."),
        ("-red", "Write a name such as `red`."),
        ("red.", "Write a name such as `red`."),
        ("rëd", "Write a name such as `r-d`."),
        ("a" * 64, f"Write a name such as `{'a' * 63}`."),
        ("'red\\n'", None),
        ('"red\\n"', "Write a name such as `red`."),
        ("''", "Rename it."),
        ("a..b", "Rename it."),
    ],
)
def test_names_that_kubernetes_refuses_are_refused(name: str, said: str | None) -> None:
    found = problems({"red.yaml": network(name=name)})
    assert all("error ATL211" in problem for problem in found)
    assert len(found) == 1
    assert said is None or found[0].endswith(said)


@pytest.mark.parametrize("name", ["a", "red-1", "0", "red.blue", "a" * 63])
def test_names_that_kubernetes_accepts_are_accepted(name: str) -> None:
    quoted = f"'{name}'"
    assert [n.name.name for n in accepted({"a.yaml": network(name=quoted)}).networks] == [name]


def test_a_network_says_its_namespace_itself() -> None:
    text = network().replace(", namespace: team-a", "")
    assert problems({"red.yaml": text}) == [
        "red.yaml:3:1: error ATL212: VirtualNetwork red: `metadata.namespace` is missing. Add "
        "`metadata.namespace`."
    ]


def test_a_cluster_has_no_namespace() -> None:
    text = CLUSTER.replace("  name: cluster\n", "  name: cluster\n  namespace: kube-system\n")
    assert problems({"cluster.yaml": text}) == [
        "cluster.yaml:5:3: error ATL212: ClusterConfig kube-system/cluster: the object "
        "belongs to the cluster, and has no namespace. Remove `metadata.namespace`."
    ]
