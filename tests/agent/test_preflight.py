"""On the real kernel, in namespaces of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from agent.preflight import missing_features, version_findings, warnings
from cli.lab.namespace import Namespace


@pytest.fixture
def node() -> Iterator[Namespace]:
    namespace = Namespace(f"preflight-{os.getpid()}")
    namespace.sysctl(net__ipv4__ip_forward=1, net__ipv6__conf__all__forwarding=1)
    with namespace.entered():
        yield namespace
    namespace.close()


def _warned() -> list[str]:
    return [str(warning) for warning in warnings()]


@pytest.mark.kernel
def test_a_kernel_with_everything_lacks_nothing() -> None:
    findings = missing_features()
    if any(finding.subject == "VRF" for finding in findings):
        pytest.skip("this kernel has no VRF (`modprobe vrf`); `make test` runs this in a virtual machine")
    assert findings == ()


def test_what_a_kernel_lacks_is_named_with_its_remedy() -> None:
    findings = {finding.subject: finding for finding in missing_features()}
    if "VRF" not in findings:
        pytest.skip("this kernel has VRF; only one without it can show what is said then")
    assert str(findings["VRF"]) == (
        "VRF: the kernel has no such devices. Try `modprobe vrf`. Use a distribution kernel of 6.1 or newer;"
        " cloud and minimal images often leave modules out"
        " (Debian: linux-image-amd64, Ubuntu: linux-modules-extra)."
    )
    assert not [subject for subject in findings if subject.startswith("nftables")]


@pytest.mark.parametrize("release", ["5.15.0-113-generic", "6.0.19-cloud-amd64"])
def test_a_kernel_that_is_too_old_is_told_so(release: str) -> None:
    (finding,) = version_findings(release)
    assert str(finding).startswith(
        f"kernel {release}: reverse-path lookups in VRFs are wrong before 6.1, so spoofed sources would pass."
    )


@pytest.mark.parametrize("release", ["6.1.0-56-amd64", "6.12.9", "10.0.1"])
def test_a_kernel_that_is_new_enough_is_not(release: str) -> None:
    assert list(version_findings(release)) == []


def test_probing_leaves_nothing_behind(node: Namespace) -> None:
    missing_features()
    assert node.run("nft", "list", "ruleset") == ""
    assert node.run("ip", "-brief", "link").split()[0] == "lo"
    assert len(node.run("ip", "-brief", "link").splitlines()) == 1


def test_a_node_in_order_gives_no_warning(node: Namespace) -> None:
    assert _warned() == []


def test_forwarding_that_is_off_is_warned_of(node: Namespace) -> None:
    node.sysctl(net__ipv4__ip_forward=0, net__ipv6__conf__all__forwarding=0)
    assert _warned() == [
        "net.ipv4.ip_forward: it is 0, so no pod reaches anything by IPv4."
        " Set `sysctl -w net.ipv4.ip_forward=1`.",
        "net.ipv6.conf.all.forwarding: it is 0, so no pod reaches anything by IPv6."
        " Set `sysctl -w net.ipv6.conf.all.forwarding=1`.",
    ]


def test_a_foreign_device_in_a_group_of_ours_is_warned_of(node: Namespace) -> None:
    node.ip("link add other0 group 7 type vxlan id 7 dstport 4789")
    assert _warned() == [
        "device other0: it is not Atoll's but in interface group 7, which Atoll uses."
        " Move it: `ip link set other0 group 0`."
    ]


def test_a_device_of_ours_is_not_warned_of(node: Namespace) -> None:
    node.ip("link add vx7 group 7 type vxlan id 7 dstport 4789")
    assert _warned() == []


def test_a_foreign_chain_that_drops_what_is_forwarded_is_warned_of(node: Namespace) -> None:
    node.nft(
        "add table ip docker\n"
        "add chain ip docker forward { type filter hook forward priority 0; policy drop; }\n"
        "add chain ip docker input { type filter hook input priority 0; policy drop; }\n"
    )
    assert _warned() == [
        "nftables chain ip docker forward: it drops forwarded packets by policy,"
        " those between pods of a network too."
        " Let it accept interface groups 1-131072,"
        " as by `nft add rule ip docker forward iifgroup != 0 accept`."
    ]
