"""The control plane of the other tests: ready, restartable, forgetful on demand, and gone in the end."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli.lab import endpoint_slices
from cli.lab.child import ServerFailed
from cli.lab.control_plane import Binaries, CommandRefused, ControlPlane
from cli.lab.kubelets import ClusterNode, ClusterPod
from kube.api import Forbidden, Gone, Invalid, NotFound, ObjectRef, Silent, Unreachable
from kube.client import ClusterApi
from kube.connection import connect
from kube.kinds import CONFIG_MAPS, ENDPOINT_SLICES, NODES, PODS, SERVICES, VIRTUAL_NETWORKS
from tests.cluster.scene import Cluster
from tests.cluster.wire import Wire


def decoded(raw: bytes) -> dict[str, object]:
    result: dict[str, object] = json.loads(raw)
    return result


def config_map(namespace: str, name: str) -> ObjectRef:
    return ObjectRef(resource=CONFIG_MAPS, namespace=namespace, name=name)


def make_config_map(cluster: Cluster, namespace: str, name: str) -> ObjectRef:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": namespace, "name": name}}
    cluster.api.create(CONFIG_MAPS, body, namespace=namespace)
    return config_map(namespace, name)


def list_version(cluster: Cluster) -> str:
    listed = decoded(cluster.api.list(CONFIG_MAPS, limit=1))
    metadata = listed["metadata"]
    assert isinstance(metadata, dict)
    return str(metadata["resourceVersion"])


def test_kubectl_speaks_with_it(cluster: Cluster) -> None:
    assert "admin" in cluster.plane.kubectl("auth", "whoami")


def test_kubectls_complaint_is_the_error(cluster: Cluster) -> None:
    with pytest.raises(CommandRefused, match=r'kubectl get nodes no-such: .*nodes "no-such" not found'):
        cluster.plane.kubectl("get", "nodes", "no-such")


def test_kubectl_reads_what_it_is_given(cluster: Cluster) -> None:
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "given"}}
    assert (
        cluster.plane.kubectl("create", "-f", "-", input=json.dumps(manifest)) == "namespace/given created\n"
    )


def test_helm_speaks_with_it(cluster: Cluster) -> None:
    assert cluster.plane.helm("list", "--output", "json").strip() == "[]"


def test_a_user_has_no_rights_but_those_of_its_groups(cluster: Cluster) -> None:
    nobody = ClusterApi.of(connect(cluster.plane.user("nobody", "nobodies")))
    with pytest.raises(Forbidden, match='User "nobody" cannot list resource "nodes"'):
        nobody.list(NODES)


def test_a_service_account_is_known_by_its_token(cluster: Cluster) -> None:
    namespace = cluster.namespace()
    token = cluster.plane.kubectl("create", "token", "default", "--namespace", namespace).strip()
    bearer = cluster.plane.bearer("default", token)
    assert f"system:serviceaccount:{namespace}:default" in cluster.plane.kubectl(
        "auth", "whoami", kubeconfig=bearer
    )


def test_atolls_kinds_are_served_and_validated(cluster: Cluster) -> None:
    namespace = cluster.namespace()
    metadata = {"namespace": namespace, "name": "red"}
    wrong = {"apiVersion": "atoll.dev/v1alpha1", "kind": "VirtualNetwork", "metadata": metadata, "spec": 1}
    with pytest.raises(Invalid, match="spec"):
        cluster.api.create(VIRTUAL_NETWORKS, wrong, namespace=namespace)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_restart_keeps_objects_and_address(cluster: Cluster, how: signal.Signals) -> None:
    kept = make_config_map(cluster, cluster.namespace(), "kept")
    before = cluster.plane.pids
    cluster.plane.restart_api_server(how)
    assert decoded(cluster.api.get(kept))["kind"] == "ConfigMap"
    assert cluster.plane.pids[0] == before[0]
    assert cluster.plane.pids[1] != before[1]


def test_it_is_not_ready_while_it_is_stopped(cluster: Cluster) -> None:
    cluster.plane.stop_api_server()
    assert not cluster.plane.is_ready()
    cluster.plane.start_api_server()
    assert cluster.plane.is_ready()


def test_compaction_ends_the_pages_of_an_older_list(cluster: Cluster) -> None:
    namespace = cluster.namespace()
    for name in ("first", "second", "third"):
        make_config_map(cluster, namespace, name)
    page = decoded(cluster.api.list(CONFIG_MAPS, namespace=namespace, limit=1))["metadata"]
    assert isinstance(page, dict)
    make_config_map(cluster, namespace, "fourth")
    cluster.plane.compact_etcd()
    cluster.plane.restart_api_server()
    with pytest.raises(Gone, match=r"too old|expired"):
        cluster.api.list(CONFIG_MAPS, namespace=namespace, limit=1, continue_token=page["continue"])


def test_compaction_and_a_restart_end_an_older_watch(cluster: Cluster) -> None:
    namespace = cluster.namespace()
    old = list_version(cluster)
    make_config_map(cluster, namespace, "later")
    cluster.plane.compact_etcd()
    cluster.plane.restart_api_server()
    with cluster.api.watch(CONFIG_MAPS, resource_version=old) as events:
        event = json.loads(next(events))
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)


def test_objects_survive_compaction(cluster: Cluster) -> None:
    kept = make_config_map(cluster, cluster.namespace(), "kept")
    revision = cluster.plane.compact_etcd()
    assert revision > 0
    assert decoded(cluster.api.get(kept))["kind"] == "ConfigMap"


def test_a_reset_removes_what_is_new_whatever_holds_it(cluster: Cluster) -> None:
    before = cluster.plane.etcd.keys()
    namespace = cluster.namespace()
    held = make_config_map(cluster, namespace, "held")
    cluster.api.patch(held, {"metadata": {"finalizers": ["example.org/never"]}})
    watched = list_version(cluster)
    cluster.plane.reset(before)
    with pytest.raises(NotFound):
        cluster.api.get(held)
    with cluster.api.watch(CONFIG_MAPS, resource_version=watched, namespace=namespace) as events:
        assert decoded(next(events))["type"] == "DELETED"
    assert "kube-system" in cluster.plane.kubectl("get", "namespaces")


def test_a_list_right_after_a_reset_shows_nothing_of_it(cluster: Cluster) -> None:
    before = cluster.plane.etcd.keys()
    namespace = cluster.namespace()
    for number in range(150):
        make_config_map(cluster, namespace, f"one-of-many-{number}")
    cluster.plane.reset(before)
    assert json.loads(cluster.api.list(CONFIG_MAPS, namespace=namespace))["items"] == []


def test_a_cut_wire_ends_a_watch_and_not_the_next_request(cluster: Cluster, wire: Wire) -> None:
    api = ClusterApi.of(connect(wire.kubeconfig))
    with api.watch(CONFIG_MAPS, resource_version=list_version(cluster)) as events:
        wire.cut()
        with pytest.raises(Unreachable):
            next(events)
    assert json.loads(api.list(CONFIG_MAPS, limit=1))["kind"] == "ConfigMapList"


def test_a_held_wire_is_silent_until_released(cluster: Cluster, wire: Wire) -> None:
    namespace = cluster.namespace()
    api = ClusterApi.of(connect(wire.kubeconfig))
    version = list_version(cluster)
    with api.watch(CONFIG_MAPS, resource_version=version, silence_seconds=0.5) as events:
        wire.hold()
        make_config_map(cluster, namespace, "unseen")
        with pytest.raises(Silent):
            next(events)
    wire.release()
    with api.watch(CONFIG_MAPS, resource_version=version) as events:
        assert json.loads(next(events))["object"]["metadata"]["name"] == "unseen"


def test_a_pod_runs_where_it_is_said_to(cluster: Cluster) -> None:
    namespace = cluster.namespace()
    cluster.kubelets.add_node(ClusterNode(name="node-1", addresses=("192.0.2.11", "2001:db8::11")))
    pod = ClusterPod(namespace=namespace, name="web", node="node-1", addresses=("10.1.0.2", "fd01::2"))
    cluster.kubelets.add_pod(pod)
    seen = json.loads(cluster.api.get(pod.ref))
    assert seen["spec"]["nodeName"] == "node-1"
    assert seen["status"]["phase"] == "Running"
    assert seen["status"]["podIPs"] == [{"ip": "10.1.0.2"}, {"ip": "fd01::2"}]


def test_a_pod_without_addresses_is_pending(cluster: Cluster) -> None:
    pod = ClusterPod(namespace=cluster.namespace(), name="web")
    cluster.kubelets.add_pod(pod)
    assert json.loads(cluster.api.get(pod.ref))["status"]["phase"] == "Pending"


def test_a_removed_pod_is_gone_at_once(cluster: Cluster) -> None:
    pod = ClusterPod(namespace=cluster.namespace(), name="web", node="node-1", addresses=("10.1.0.2",))
    cluster.kubelets.add_pod(pod)
    cluster.kubelets.remove_pod(pod.ref)
    with pytest.raises(NotFound):
        cluster.api.get(pod.ref)


def test_a_pod_that_a_user_deletes_is_gone_when_its_kubelet_says_so(cluster: Cluster) -> None:
    pod = ClusterPod(namespace=cluster.namespace(), name="web", node="node-1", addresses=("10.1.0.2",))
    cluster.kubelets.add_pod(pod)
    cluster.api.delete(pod.ref)
    assert json.loads(cluster.api.get(pod.ref))["metadata"]["deletionTimestamp"]
    cluster.kubelets.remove_pod(pod.ref)
    with pytest.raises(NotFound):
        cluster.api.get(pod.ref)


def test_many_are_added_at_once(cluster: Cluster) -> None:
    namespace = cluster.namespace()
    nodes = [ClusterNode(name=f"node-{n}", addresses=(f"192.0.2.{n}",)) for n in range(1, 21)]
    pods = [
        ClusterPod(namespace=namespace, name=f"web-{n}", node=f"node-{n}", addresses=(f"10.1.0.{n}",))
        for n in range(1, 21)
    ]
    cluster.kubelets.add_all([*nodes, *pods])
    assert len(json.loads(cluster.api.list(NODES))["items"]) == 20
    assert len(json.loads(cluster.api.list(PODS, namespace=namespace))["items"]) == 20


def service(namespace: str, **spec: object) -> dict[str, object]:
    metadata = {"namespace": namespace, "name": "web"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def slices(cluster: Cluster, namespace: str) -> dict[str, tuple[list[str], list[object]]]:
    """Of the Service web: ready addresses, and ports, of each slice by name."""
    label = "kubernetes.io/service-name=web"
    items = json.loads(cluster.api.list(ENDPOINT_SLICES, namespace=namespace, label_selector=label))["items"]
    return {
        item["metadata"]["name"]: (
            [e["addresses"][0] for e in item["endpoints"] or () if e["conditions"]["ready"]],
            [port["port"] for port in item["ports"]],
        )
        for item in items
    }


def test_slices_follow_the_pods_of_a_service(cluster: Cluster) -> None:
    namespace = cluster.namespace()
    pods = [
        ClusterPod(
            namespace=namespace,
            name=f"web-{n}",
            node="node-1",
            addresses=(f"10.1.0.{n}", f"fd01::{n}"),
            labels={"app": "web"},
            ports={"http": 8080},
        )
        for n in (2, 3)
    ]
    cluster.kubelets.add_all([*pods, ClusterPod(namespace=namespace, name="other", addresses=("10.1.0.4",))])
    body = service(
        namespace,
        selector={"app": "web"},
        ipFamilyPolicy="RequireDualStack",
        ports=[{"port": 80, "targetPort": "http"}],
    )
    cluster.api.create(SERVICES, body, namespace=namespace)
    ref = ObjectRef(resource=SERVICES, namespace=namespace, name="web")

    endpoint_slices.publish(cluster.api, ref)
    assert slices(cluster, namespace) == {
        "web-ipv4-0": (["10.1.0.2", "10.1.0.3"], [8080]),
        "web-ipv6-0": (["fd01::2", "fd01::3"], [8080]),
    }

    cluster.kubelets.remove_pod(pods[0].ref)
    cluster.kubelets.report_running(pods[1].ref, pods[1].addresses, ready=False)
    endpoint_slices.publish(cluster.api, ref)
    assert slices(cluster, namespace) == {"web-ipv4-0": ([], [8080]), "web-ipv6-0": ([], [8080])}

    cluster.kubelets.report_ended(pods[1].ref)
    endpoint_slices.publish(cluster.api, ref)
    assert slices(cluster, namespace) == {}


def test_an_api_server_that_refuses_its_options_says_why(binaries: Binaries, tmp_path: Path) -> None:
    plane = ControlPlane(binaries, folder=tmp_path, service_ranges=("nowhere",))
    with pytest.raises(
        ServerFailed, match=r"(?s)^kube-apiserver ended with status 1:.*not a valid cidr.*kube-apiserver\.log"
    ):
        plane.start()
    assert plane.pids == ()
    assert not (tmp_path / "etcd").exists()


_OWNER = """
import os, signal, sys
from pathlib import Path
from cli.lab.control_plane import Binaries, ControlPlane
plane = ControlPlane(Binaries(folder=Path(sys.argv[1])), folder=Path(sys.argv[2]))
plane.start()
print(*plane.pids, flush=True)
if sys.argv[3] == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
elif sys.argv[3] == "stop":
    plane.stop()
"""


@pytest.mark.parametrize("end", ["stop", "exit", "kill"])
def test_no_server_outlives_its_owner(binaries: Binaries, tmp_path: Path, end: str) -> None:
    owner = subprocess.run(
        [sys.executable, "-c", _OWNER, str(binaries.folder), str(tmp_path), end],
        capture_output=True,
        text=True,
        check=False,
    )
    pids = [int(word) for word in owner.stdout.split()]
    assert len(pids) == 2, owner.stderr
    for pid in pids:
        _await_end(pid)


def _await_end(pid: int) -> None:
    """At the owner's end the kernel's signal may still be on its way."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return

    assert select.select([descriptor], [], [], 10)[0], f"process {pid} still runs"
