"""The ClusterConfig, checked against everything else in it."""

from __future__ import annotations

import pytest

from tests.compiler.repository import CLUSTER, cluster, network, problems


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        (
            "mtu",
            "1349",
            "9:8: error ATL209: {}: `spec.mtu` is 1,349, and must be at least 1,350. Choose a "
            "value within the bounds.",
        ),
        (
            "vxlanPort",
            "0",
            "9:14: error ATL209: {}: `spec.vxlanPort` is 0, and must be at least 1. Choose a "
            "value within the bounds.",
        ),
        (
            "vxlanPort",
            "65536",
            "9:14: error ATL209: {}: `spec.vxlanPort` is 65,536, and must be at most 65,535. "
            "Choose a value within the bounds.",
        ),
        (
            "numberBase",
            "16711682",
            "9:15: error ATL209: {}: `spec.numberBase` is 16,711,682, and must be at most "
            "16,711,681. Choose a value within the bounds.",
        ),
        (
            "numberBase",
            "255",
            "9:15: error ATL209: {}: `spec.numberBase` is 255, and must be at least 256. Choose a"
            " value within the bounds.",
        ),
        (
            "blockSizeV4",
            "31",
            "9:16: error ATL209: {}: `spec.blockSizeV4` is 31, and must be at most 30. Choose a "
            "value within the bounds.",
        ),
        (
            "blockSizeV6",
            "'122'",
            "9:16: error ATL207: {}: `spec.blockSizeV6` is text, and must be a whole number. "
            "Write a whole number, without quotes.",
        ),
        (
            "mtu",
            "1500.5",
            "9:8: error ATL207: {}: `spec.mtu` is a number, and must be a whole number. Write a "
            "whole number, without quotes.",
        ),
        (
            "limits",
            "{maxDeletedShare: 1.5}",
            "9:29: error ATL209: {}: `spec.limits.maxDeletedShare` is 1.5, and must be at most 1."
            " Choose a value within the bounds.",
        ),
        (
            "hostLinksV4",
            "100.64.0.0/16",
            "9:16: error ATL409: {}: `hostLinksV4` is 100.64.0.0/16, and must be an IPv4 range of"
            " /15 or shorter. Choose a larger range that nothing else uses.",
        ),
        (
            "hostLinksV4",
            "'fd00:2::/64'",
            "9:16: error ATL409: {}: `hostLinksV4` is fd00:2::/64, and must be an IPv4 range of "
            "/15 or shorter. Choose a larger range that nothing else uses.",
        ),
        (
            "hostLinksV6",
            "'fd00:2::/112'",
            "9:16: error ATL409: {}: `hostLinksV6` is fd00:2::/112, and must be an IPv6 range of "
            "/111 or shorter. Choose a larger range that nothing else uses.",
        ),
        (
            "hostLinksV4",
            "10.244.0.0/15",
            "9:16: error ATL408: {}: the host-link range 10.244.0.0/15 overlaps the pod range "
            "10.244.0.0/16 of cluster.yaml:6:15. Correct the range that is not the cluster's, or "
            "choose other host links.",
        ),
        (
            "dns",
            "{service: kube-dns}",
            "9:18: error ATL211: {}: `spec.dns.service`, `kube-dns`, is not `namespace/service`. Rename it.",
        ),
        (
            "dns",
            "{}",
            "9:8: error ATL218: {}: `spec.dns` is empty, and needs a `service` or `addresses` "
            "with `ports`. Add the other field, or remove this one.",
        ),
        (
            "dns",
            "{addresses: [192.0.2.1]}",
            "9:9: error ATL218: {}: `spec.dns.addresses` is given without `ports`. Add `ports`.",
        ),
        (
            "dns",
            "{service: a/b, ports: [{protocol: UDP, port: 53}]}",
            "9:23: error ATL218: {}: `spec.dns.ports` is given without `addresses`. Add `addresses`.",
        ),
        (
            "api",
            "{addresses: [127.0.0.1], ports: [{protocol: TCP, port: 6443}]}",
            "9:21: error ATL404: {}: `127.0.0.1` is in 127.0.0.0/8, whose addresses are loopback."
            " Write an address that nodes can reach.",
        ),
        (
            "api",
            "{addresses: [10.0.0.0/24], ports: [{protocol: TCP, port: 6443}]}",
            "9:21: error ATL401: {}: `spec.api.addresses[0]` is `10.0.0.0/24`, which is not an "
            "address. Write an IPv4 or IPv6 address without a prefix length.",
        ),
        (
            "api",
            "{addresses: [192.0.2.1], ports: [{protocol: tcp, port: 6443}]}",
            "9:52: error ATL208: {}: `spec.api.ports[0].protocol` is `tcp`, and must be `TCP`, "
            "`UDP` or `SCTP`. Write `TCP` if that was meant.",
        ),
        (
            "confirmDeletionOf",
            "[red]",
            "9:23: error ATL211: {}: `spec.confirmDeletionOf[0]`, `red`, is not `namespace/name`. Rename it.",
        ),
    ],
)
def test_a_cluster_field_at_fault_is_named_with_its_place(field: str, value: str, expected: str) -> None:
    found = problems({"cluster.yaml": cluster(**{field: value})})
    assert found == [f"cluster.yaml:{expected.format('ClusterConfig cluster')}"]


def test_ranges_of_the_cluster_do_not_overlap() -> None:
    text = CLUSTER.replace("[192.168.0.0/24]", "[10.96.1.0/24, 10.244.0.0/30]")
    assert problems({"cluster.yaml": text}) == [
        "cluster.yaml:8:16: error ATL408: ClusterConfig cluster: the node range 10.96.1.0/24 "
        "overlaps the service range 10.96.0.0/16 of cluster.yaml:7:19. Correct the range that"
        " is not the cluster's, or choose other host links.",
        "cluster.yaml:8:30: error ATL408: ClusterConfig cluster: the node range 10.244.0.0/30"
        " overlaps the pod range 10.244.0.0/16 of cluster.yaml:6:15. Correct the range that "
        "is not the cluster's, or choose other host links.",
    ]


def test_infrastructure_is_not_given_by_the_address_of_its_service() -> None:
    text = cluster(dns="{addresses: [10.96.0.10], ports: [{protocol: UDP, port: 53}]}")
    assert problems({"cluster.yaml": text}) == [
        "cluster.yaml:9:21: error ATL408: ClusterConfig cluster: an address of DNS, 10.96.0.10, is in the "
        "service range 10.96.0.0/16. Write the name of the Service that has it as `service`, in place of the "
        "address."
    ]


def test_a_default_that_the_clusters_ranges_overlap_is_named() -> None:
    text = CLUSTER.replace("[192.168.0.0/24]", "[100.64.0.0/10]")
    assert problems({"cluster.yaml": text}) == [
        "cluster.yaml:5:1: error ATL408: ClusterConfig cluster: the default `hostLinksV4` "
        "100.64.0.0/15 overlaps the node range 100.64.0.0/10 of cluster.yaml:8:16. Correct "
        "the range that is not the cluster's, or choose other host links."
    ]


def test_a_repository_has_a_cluster() -> None:
    assert problems({"red.yaml": network()}, with_cluster=False) == [
        "error ATL216: repository: no file holds a ClusterConfig. Add a file with a ClusterConfig; "
        "docs/reference/declarations.md has one to copy."
    ]


def test_a_repository_has_one_cluster() -> None:
    assert problems({"other.yaml": CLUSTER}) == [
        "other.yaml:1:1: error ATL217: ClusterConfig cluster: the cluster is already described at "
        "cluster.yaml:1:1. Keep one."
    ]


def test_confirming_the_deletion_of_a_declared_network_has_no_effect() -> None:
    files: dict[str, str | bytes] = {
        "cluster.yaml": cluster(confirmDeletionOf="[team-a/gone, team-a/red]"),
        "red.yaml": network(),
    }
    assert problems(files) == [
        "cluster.yaml:9:36: warning ATL219: ClusterConfig: `confirmDeletionOf` names team-a/red, which is "
        "declared at red.yaml:1:1. Remove the network or the entry."
    ]
