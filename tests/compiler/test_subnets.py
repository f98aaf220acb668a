"""Subnets of networks: what is usable, and what they must keep clear of."""

from __future__ import annotations

import pytest

from tests.compiler.repository import cluster, network, problems


@pytest.mark.parametrize(
    ("subnet", "expected"),
    [
        (
            "10.1.0/24",
            "ATL401: {}: `spec.subnets[0]` is `10.1.0/24`, which is not a range in CIDR notation."
            " Write it as CIDR.",
        ),
        (
            "10.1.0.0",
            "ATL401: {}: `spec.subnets[0]` is `10.1.0.0`, which is not a range in CIDR notation. "
            "Write it as CIDR.",
        ),
        (
            "010.1.0.0/24",
            "ATL401: {}: `spec.subnets[0]` is `010.1.0.0/24`, which is not a range in CIDR "
            "notation. Write it as CIDR.",
        ),
        (
            "10.1.0.0/255.255.255.0",
            "ATL401: {}: `spec.subnets[0]` is `10.1.0.0/255.255.255.0`, which is not a range in "
            "CIDR notation. Write it as CIDR.",
        ),
        (
            "fe80::1%eth0/64",
            "ATL401: {}: `spec.subnets[0]` is `fe80::1%eth0/64`, which is not a range in CIDR "
            "notation. Write it as CIDR.",
        ),
        ("10.1.0.5/24", "ATL402: {}: `10.1.0.5/24` has bits set beyond its first 24. Write `10.1.0.0/24`."),
        ("fd00:1::1/64", "ATL402: {}: `fd00:1::1/64` has bits set beyond its first 64. Write `fd00:1::/64`."),
        (
            "8.0.0.0/7",
            "ATL403: {}: `8.0.0.0/7` has prefix length 7, and must have 8 to 30. Choose a length "
            "within the bounds.",
        ),
        (
            "10.1.0.0/31",
            "ATL403: {}: `10.1.0.0/31` has prefix length 31, and must have 8 to 30. Choose a length within"
            " the bounds.",
        ),
        (
            "fd00::/47",
            "ATL403: {}: `fd00::/47` has prefix length 47, and must have 48 to 124. Choose a length within"
            " the bounds.",
        ),
        (
            "fd00::/125",
            "ATL403: {}: `fd00::/125` has prefix length 125, and must have 48 to 124. Choose a length "
            "within the bounds.",
        ),
        (
            "127.0.0.0/24",
            "ATL404: {}: `127.0.0.0/24` overlaps 127.0.0.0/8, whose addresses are loopback. "
            "Choose another range, such as one of 10.0.0.0/8 or of fd00::/8.",
        ),
        (
            "169.254.0.0/24",
            "ATL404: {}: `169.254.0.0/24` overlaps 169.254.0.0/16, whose addresses are "
            "link-local. Choose another range, such as one of 10.0.0.0/8 or of fd00::/8.",
        ),
        (
            "224.0.0.0/24",
            "ATL404: {}: `224.0.0.0/24` overlaps 224.0.0.0/4, whose addresses are multicast. "
            "Choose another range, such as one of 10.0.0.0/8 or of fd00::/8.",
        ),
        (
            "240.0.0.0/24",
            "ATL404: {}: `240.0.0.0/24` overlaps 240.0.0.0/4, whose addresses are reserved. "
            "Choose another range, such as one of 10.0.0.0/8 or of fd00::/8.",
        ),
        (
            "fe80::/64",
            "ATL404: {}: `fe80::/64` overlaps fe80::/10, whose addresses are link-local. Choose "
            "another range, such as one of 10.0.0.0/8 or of fd00::/8.",
        ),
        (
            "ff00::/64",
            "ATL404: {}: `ff00::/64` overlaps ff00::/8, whose addresses are multicast. Choose "
            "another range, such as one of 10.0.0.0/8 or of fd00::/8.",
        ),
        (
            "::ffff:10.0.0.0/104",
            "ATL404: {}: `::ffff:a00:0/104` overlaps ::/8, whose addresses are loopback, "
            "IPv4-mapped and other reserved. Choose another range, such as one of 10.0.0.0/8 or "
            "of fd00::/8.",
        ),
        (
            "10.244.3.0/24",
            "ATL406: {}: the subnet 10.244.3.0/24 overlaps the pod range 10.244.0.0/16 of "
            "cluster.yaml:6:15. Choose another subnet.",
        ),
        ("10.0.0.0/8", None),
        (
            "10.96.255.0/24",
            "ATL406: {}: the subnet 10.96.255.0/24 overlaps the service range 10.96.0.0/16 of "
            "cluster.yaml:7:19. Choose another subnet.",
        ),
        (
            "192.168.0.128/28",
            "ATL406: {}: the subnet 192.168.0.128/28 overlaps the node range 192.168.0.0/24 of "
            "cluster.yaml:8:16. Choose another subnet.",
        ),
        (
            "100.65.0.0/24",
            "ATL406: {}: the subnet 100.65.0.0/24 overlaps the default `hostLinksV4` "
            "100.64.0.0/15 of cluster.yaml:5:1. Choose another subnet.",
        ),
        (
            "fd00:10:244:ff::/64",
            "ATL406: {}: the subnet fd00:10:244:ff::/64 overlaps the pod range fd00:10:244::/56 "
            "of cluster.yaml:6:30. Choose another subnet.",
        ),
        (
            "10.1.0.0/29",
            "ATL407: {}: the subnet 10.1.0.0/29 is smaller than a block, which has /28 "
            "(`blockSizeV4`). Choose a subnet of /28 or shorter, or a longer `blockSizeV4` in the"
            " ClusterConfig.",
        ),
        (
            "fd00:1::/124",
            "ATL407: {}: the subnet fd00:1::/124 is smaller than a block, which has /122 "
            "(`blockSizeV6`). Choose a subnet of /122 or shorter, or a longer `blockSizeV6` in "
            "the ClusterConfig.",
        ),
    ],
)
def test_an_unusable_subnet_is_named_with_the_rule_it_breaks(subnet: str, expected: str | None) -> None:
    found = problems({"red.yaml": network(f"subnets: ['{subnet}']")})
    if expected is None:
        assert [problem.split(":")[3] for problem in found] == [" error ATL406"] * 2
    else:
        assert found == [f"red.yaml:4:18: error {expected.format('VirtualNetwork team-a/red')}"]


@pytest.mark.parametrize(
    "subnet", ["11.0.0.0/8", "10.1.0.0/28", "fd00:1::/48", "fd00:1::/122", "FD00:1:0::/64"]
)
def test_usable_subnets_are_accepted(subnet: str) -> None:
    assert problems({"red.yaml": network(f"subnets: ['{subnet}']")}) == []


def test_subnets_of_one_network_do_not_overlap() -> None:
    text = network("subnets: [10.1.0.0/24, 'fd00:1::/64', 10.1.0.128/25]")
    assert problems({"red.yaml": text}) == [
        "red.yaml:4:46: error ATL405: VirtualNetwork team-a/red: the subnet 10.1.0.128/25 "
        "overlaps 10.1.0.0/24 of red.yaml:4:18. Make them disjoint, or keep the larger one."
    ]


def test_subnets_of_two_networks_may_overlap() -> None:
    assert problems({"a.yaml": network(name="red"), "b.yaml": network(name="blue")}) == []


def test_a_subnet_keeps_clear_of_addresses_of_the_infrastructure() -> None:
    text = cluster(api="{addresses: [203.0.113.10], ports: [{protocol: TCP, port: 6443}]}")
    assert problems({"cluster.yaml": text, "red.yaml": network("subnets: [203.0.113.0/24]")}) == [
        "red.yaml:4:18: error ATL406: VirtualNetwork team-a/red: the subnet 203.0.113.0/24 "
        "overlaps an address of the API server 203.0.113.10 of cluster.yaml:9:21. Choose "
        "another subnet."
    ]
