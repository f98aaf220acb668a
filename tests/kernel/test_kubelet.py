"""Pods of networks on a real node: bound to it through the API server, started by kubelet and containerd.

One story, in the order of the tests: it takes half a minute to have the node.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import cast

import pytest

from cli.demonstration import plain_cluster
from cli.demonstration.liaison import Remote, host
from cli.demonstration.plain_cluster import PlainCluster
from cli.failure import Failure
from cli.lab.containerd import RuntimeRefused, missing_programs
from cli.lab.kubelet import DOMAIN, NoKubelet, binaries_named_by
from tests.kernel.agent_process import plugin_binary
from tests.kernel.real_node import DNS, IDLE, RealNode, service
from tests.kernel.world import CLUSTER

NETWORKS = """\
---
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {name: front, namespace: shop}
spec: {subnets: [10.20.0.0/16, "fd00:20::/64"]}
---
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {name: books, namespace: ledger}
spec: {subnets: [10.30.0.0/16, "fd00:30::/64"]}
"""
WEB = ("10.96.0.20", "fd00:10:96::14")
PAGE = "busybox"
PINNED = ("10.20.0.77", "fd00:20::77")
NETWORK_STATUS = "k8s.v1.cni.cncf.io/network-status"


@pytest.fixture(scope="module")
def plane(_vrf: None) -> PlainCluster:
    if plain_cluster.ENVIRONMENT not in os.environ:
        pytest.skip("no control plane beside this kernel: run `make test-kernel`, which starts one")
    url = os.environ[plain_cluster.ENVIRONMENT]
    return cast(PlainCluster, Remote(url, plain_cluster.METHODS, host()))


@pytest.fixture(scope="module")
def node(plane: PlainCluster) -> Iterator[RealNode]:
    plugin_binary()  # it may say why it skips
    if missing := missing_programs():
        pytest.skip(f"no {' and no '.join(missing)}: run `tools/setup.sh containers`")
    try:
        binaries = binaries_named_by(os.environ)
    except NoKubelet as problem:
        pytest.skip(str(problem))
    node = RealNode(plane, host(), binaries)
    try:
        for name, network in (("shop", "front"), ("ledger", "books")):
            plane.add_namespace(name, {"atoll.dev/network": network})
        for name in ("default", "kube-system"):
            account = {"metadata": {"namespace": name, "name": "default"}}
            node.create({"apiVersion": "v1", "kind": "ServiceAccount", **account})
        plane.kubectl(["apply", "--filename=-"], CLUSTER + NETWORKS)
        node.start()
        dns = [str(address) for address in node.lab.service_addresses(10)]
        node.create(
            service(DNS, dns, {"UDP": (53, 53), "TCP": (53, 53)}, "coredns"),
            service("shop/web", WEB, {"TCP": (80, 8080)}, "web"),
            node.dns_pod(),
            node.serving_pod("shop/web"),
            node.pod("shop/client", IDLE),
            node.pod("ledger/stranger", IDLE),
            node.pod("shop/pinned", IDLE, annotations={"atoll.dev/ip": ",".join(PINNED)}),
        )
        node.kubelet.write_manifest("static.json", json.dumps(node.pod("shop/static", IDLE)))
        yield node
    finally:
        node.close()


def test_the_kubelet_reports_pods_ready_with_addresses_of_their_networks(node: RealNode) -> None:
    await_ready(node, "kube-system/coredns", "shop/web", "shop/client", "ledger/stranger")
    wanted = {
        "shop/web": ("10.20.0.0/16", "fd00:20::/64"),
        "ledger/stranger": ("10.30.0.0/16", "fd00:30::/64"),
        "kube-system/coredns": tuple(map(str, node.node.pod_ranges)),
    }
    for name, subnets in wanted.items():
        addresses = node.look(name).addresses
        within = [ip_address(a) in ip_network(s) for a, s in zip(addresses, subnets, strict=True)]
        assert within == [True, True], (name, addresses)


def await_ready(node: RealNode, *names: str) -> None:
    try:
        node.await_ready(*names)
    except Failure as failure:
        pytest.fail(f"{failure}\n{node.last_lines()}")


def test_a_pod_finds_a_service_by_coredns_and_is_answered_through_it(
    node: RealNode, plane: PlainCluster
) -> None:
    for namespace, name in (("kube-system", "kube-dns"), ("shop", "web")):
        plane.publish_endpoints(namespace, name)
    until_answered(node, "shop/client", f"web.shop.svc.{DOMAIN}", WEB[0])
    assert WEB[1] in node.run("shop/client", "nslookup", "-type=aaaa", f"web.shop.svc.{DOMAIN}")
    assert node.run("shop/client", "wget", "-q", "-O", "-", "http://web.shop/").strip() == PAGE


def until_answered(node: RealNode, pod: str, name: str, address: str) -> None:
    """The plan with the endpoints comes into force on its own time; nothing tells a pod of it."""
    for _attempt in range(20):
        try:
            if address in node.run(pod, "nslookup", "-type=a", name):
                return
        except RuntimeRefused as refused:
            complaint = str(refused)
    pytest.fail(f"{pod}: {name} is not resolved: {complaint}\n{node.last_lines()}")


def test_a_pod_of_another_network_resolves_the_name_and_is_refused(node: RealNode) -> None:
    until_answered(node, "ledger/stranger", f"web.shop.svc.{DOMAIN}", WEB[0])
    (web, _v6) = node.look("shop/web").addresses
    for place in (WEB[0], f"{web}:8080"):
        with pytest.raises(RuntimeRefused, match="can't connect to remote host"):
            node.run("ledger/stranger", "wget", "-q", "-O", "-", f"http://{place}/")


def test_a_pod_has_the_addresses_that_it_asks_for(node: RealNode) -> None:
    await_ready(node, "shop/pinned")
    assert node.look("shop/pinned").addresses == PINNED
    shown = node.run("shop/pinned", "ip", "-oneline", "address", "show", "dev", "eth0")
    assert [f" {address}/" in shown for address in PINNED] == [True, True]


def test_a_static_pod_is_attached_as_its_mirror_in_the_api_says(node: RealNode) -> None:
    """The runtime knows it by the hash of its file, the API by the UID of the mirror."""
    mirror = node.await_mirror("shop/static")
    await_ready(node, mirror)
    v4, v6 = map(ip_address, node.look(mirror).addresses)
    assert v4 in ip_network("10.20.0.0/16")
    assert v6 in ip_network("fd00:20::/64")


def test_a_pod_of_a_network_is_told_of_its_interface_and_one_of_the_default_network_is_not(
    node: RealNode,
) -> None:
    (told,) = json.loads(node.await_annotation("shop/web", NETWORK_STATUS))
    assert told == {
        "name": "shop/front",
        "interface": "eth0",
        "ips": list(node.look("shop/web").addresses),
        "default": True,
        "dns": {},
    }
    assert NETWORK_STATUS not in node.look("kube-system/coredns").metadata.annotations


def test_probes_of_the_kubelet_have_restarted_nothing(node: RealNode) -> None:
    (container,) = node.look("shop/web").status.container_statuses
    assert container.restart_count == 0


def test_a_pod_with_a_host_port_is_refused_and_its_event_says_why(
    node: RealNode, plane: PlainCluster
) -> None:
    ports = {"ports": [{"containerPort": 8080, "hostPort": 8089}]}
    node.create(node.pod("shop/exposed", IDLE, container=ports))
    note = plane.await_event("shop", "exposed", "FailedCreatePodSandBox")
    assert "portMappings" in note or "hostPort" in note, note
    node.delete("shop/exposed")


def test_pods_wait_while_the_agent_is_dead_and_start_when_it_is_back(
    node: RealNode, plane: PlainCluster
) -> None:
    node.agent.kill()
    node.create(node.serving_pod("shop/patient"))
    note = plane.await_event("shop", "patient", "FailedCreatePodSandBox")
    assert "agent" in note, note
    node.start_agent()
    await_ready(node, "shop/patient")


def test_a_deleted_pod_leaves_nothing_on_the_node(node: RealNode) -> None:
    """The API forgets a pod without grace at once; the kubelet ends its sandbox on its own time."""
    before = links(node)
    node.delete("shop/patient")
    end = time.monotonic() + 60
    while not before - links(node) and time.monotonic() < end:
        pass  # each look is a process, long enough to wait for
    assert len(before - links(node)) == 1


def links(node: RealNode) -> set[str]:
    listed = json.loads(node.node.place.run("ip", "-json", "link", "show"))
    return {link["ifname"] for link in listed}
