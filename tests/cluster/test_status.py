"""`atoll status` on a real API server: what stands there is told, what may not be read is said."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from cli.lab.kubelets import ClusterNode, ClusterPod
from kube import kinds
from kube.api import ObjectRef
from tests.cli import status_scene as scene
from tests.cli.commands import Outcome, atoll
from tests.cli.status_scene import Thing, condition, network, node, ready, router, source, unready
from tests.cluster.scene import Cluster


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def standing(cluster: Cluster, *things: Thing) -> None:
    """These objects stand in the cluster, and a controller leads."""
    for namespace in sorted({scene.NAMESPACE, *(thing.namespace for thing in things)} - {"", "default"}):
        cluster.kubelets.add_namespace(namespace)
    for thing in (scene.lease(renewed=now()), *things):
        thing.put(cluster.api)


def status(cluster: Cluster, *arguments: str, kubeconfig: Path | None = None) -> Outcome:
    return atoll("status", "--kubeconfig", kubeconfig or cluster.plane.kubeconfig, *arguments)


def machine_told(cluster: Cluster, *arguments: str) -> Mapping[str, Any]:
    document: Mapping[str, Any] = json.loads(status(cluster, "--format", "json", *arguments).out)
    return document


def test_a_cluster_in_order_ends_in_0(cluster: Cluster) -> None:
    standing(cluster, source(), network(), router(), node("node-1"), node("node-2"))
    outcome = status(cluster)

    assert (outcome.code, outcome.errors) == (0, "")
    assert outcome.out.splitlines()[0] == "All well"
    assert "\n  in force    4f1c8a9e2d7b on 2 of 2 nodes\n" in outcome.out
    assert "\n  shop/storefront  InForce  3     3 of 1,022  2 of 2\n" in outcome.out
    assert "\n  shop/spoke  InForce  spoke  1         shared-services/hub\n" in outcome.out


def test_what_is_not_well_is_told_with_what_to_do_and_ends_in_1(cluster: Cluster) -> None:
    conflict = condition("InSync", "False", "ConflictWithGit", "Git says otherwise, and rules: .spec.egress")
    standing(
        cluster,
        source(
            unready("CommitRefused", "Commit 4f1c8a9e2d7b is refused"),
            lastAppliedRevision=scene.BEFORE,
            problems=[scene.problem()],
            problemCount=1,
        ),
        network("shop/storefront", ready(), conflict),
        router("shop/spoke", unready("AwaitingConsent", "Connects nothing yet"), waitingFor=["pay/hub"]),
        scene.failed("node-1"),
        node("node-2", warnings=["beware"]),
    )
    outcome = status(cluster)

    assert outcome.code == 1
    told = [line for line in outcome.out.splitlines() if line.startswith(("Not", "error", "warn", "waiting"))]
    assert [line.partition(", ")[0] for line in told] == [
        "Not well: 3 errors",
        "error: NetworkSource atoll-system/networks: CommitRefused",
        "error: NodeNetwork node-1: ApplyFailed",
        "error: VirtualNetwork shop/storefront: ConflictWithGit",
        "warning: NodeNetwork node-2: Warning",
        "waiting: VirtualNetworkRouter shop/spoke: AwaitingConsent",
    ]
    assert "\n    = Write `10.20.0.0/22`\n" in outcome.out


def test_an_object_that_nobody_has_given_a_status_is_waited_for(cluster: Cluster) -> None:
    standing(cluster, source(), replace(network(), status=None), replace(node(), status=None))
    document = machine_told(cluster)

    assert [(one["level"], one["subjects"], one["reason"]) for one in document["findings"]] == [
        ("waiting", ["NodeNetwork node-1"], "Applying"),
        ("waiting", ["VirtualNetwork shop/storefront"], "NotLookedAt"),
    ]


def test_when_the_controller_wrote_a_plan_is_known_from_its_field_manager(cluster: Cluster) -> None:
    standing(cluster, source())
    thing = node()
    ref = ObjectRef(resource=thing.resource, name=thing.name)
    cluster.api.apply(ref, thing.body, field_manager="atoll-controller", force=False)
    written = machine_told(cluster)["nodes"][0]["planned"]["at"]

    assert written[:11] == now()[:11]


def test_events_of_the_controller_are_told_and_no_others(cluster: Cluster) -> None:
    regarding = {"apiVersion": "atoll.dev/v1alpha1", "kind": "VirtualNetwork", "namespace": "shop"}
    about = {**regarding, "name": "storefront", "uid": "1"}
    ours = scene.event("ours", about, "InForce", "in force")
    other = scene.event("other", about, "Pulled", "an image")
    standing(
        cluster,
        source(),
        network(),
        ours,
        replace(other, content={**other.content, "reportingController": "example.org/other"}),
    )

    assert [one["note"] for one in machine_told(cluster)["events"]] == ["in force"]


def test_a_pod_that_waits_is_told_until_it_has_started(cluster: Cluster) -> None:
    standing(cluster, source())
    cluster.kubelets.add_namespace("shop")
    cluster.kubelets.add_node(ClusterNode(name="node-1", addresses=("192.0.2.11",)))
    pod = ClusterPod(namespace="shop", name="web-1")
    cluster.kubelets.add_pod(pod)
    uid = json.loads(cluster.api.get(pod.ref))["metadata"]["uid"]
    about = {"apiVersion": "v1", "kind": "Pod", "namespace": "shop", "name": "web-1", "uid": uid}
    scene.event("web-1.1", about, "AwaitingNetwork", "The pod waits for its network: ...").put(cluster.api)

    assert [one["subjects"] for one in machine_told(cluster)["findings"]] == [["Pod shop/web-1"]]
    cluster.kubelets.bind(pod.ref, node="node-1")
    cluster.kubelets.report_running(pod.ref, ["10.244.0.5"])
    assert machine_told(cluster)["findings"] == []


def test_kinds_that_may_not_be_read_are_said_in_a_line_each(cluster: Cluster) -> None:
    standing(cluster, source(), network(), node())
    rules = [{"apiGroups": ["atoll.dev"], "resources": ["virtualnetworks"], "verbs": ["list"]}]
    subject = {"kind": "User", "name": "network-viewer", "apiGroup": "rbac.authorization.k8s.io"}
    role = {"kind": "ClusterRole", "name": "network-viewer", "apiGroup": "rbac.authorization.k8s.io"}
    metadata = {"name": "network-viewer"}
    cluster.api.create(kinds.CLUSTER_ROLES, {"metadata": metadata, "rules": rules})
    cluster.api.create(
        kinds.CLUSTER_ROLE_BINDINGS, {"metadata": metadata, "roleRef": role, "subjects": [subject]}
    )
    outcome = status(cluster, kubeconfig=cluster.plane.user("network-viewer"))

    assert outcome.code == 1
    assert [line for line in outcome.out.splitlines() if line.startswith("not read")] == [
        f"not read: {resource}: not allowed to list it: somebody must grant get, list and watch of {resource}"
        for resource in (
            "clusterconfigs.atoll.dev",
            "events.events.k8s.io",
            "leases.coordination.k8s.io",
            "networksources.atoll.dev",
            "nodenetworks.atoll.dev",
            "virtualnetworkrouters.atoll.dev",
        )
    ]
    assert "\nNetworks (1)\n" in outcome.out


def test_an_unknown_bearer_ends_in_3(cluster: Cluster) -> None:
    outcome = status(cluster, kubeconfig=cluster.plane.bearer("stranger", "stranger"))

    assert (outcome.code, outcome.out) == (3, "")
    assert "401 Unauthorized" in outcome.errors


def test_the_story_of_one_network_and_of_one_node(cluster: Cluster) -> None:
    standing(cluster, source(), network(), network("pay/ledger"), router(), node("node-1"))

    about_network = machine_told(cluster, "storefront")
    assert [one["name"] for one in about_network["networks"]] == ["shop/storefront"]
    assert about_network["nodes"][0]["carries"] == [
        {"name": "shop/storefront", "presence": "present", "blocks": ["10.20.0.0/28"], "used": 3}
    ]
    assert status(cluster, "node-1").out.splitlines()[2] == "NodeNetwork node-1, number 1"


def test_a_name_that_nothing_has_is_wrong_use(cluster: Cluster) -> None:
    standing(cluster, source(), node("node-1"))
    outcome = status(cluster, "node-11")

    assert outcome.code == 2
    assert outcome.errors.splitlines()[-1] == (
        "Error: 'node-11': no network and no node has this name. Is node-1 meant?"
    )


def test_plans_as_large_as_they_may_be_come_page_by_page(cluster: Cluster) -> None:
    standing(cluster, source())
    for number in range(1, 31):
        large = node(f"node-{number}")
        spec = {**scene.as_mapping(large.content["spec"]), "plan": "A" * 700_000}
        replace(large, content={"spec": spec}).put(cluster.api)

    assert len(machine_told(cluster)["nodes"]) == 30


# --- watching ---


@contextmanager
def watching(cluster: Cluster) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    program = "from cli.main import main; main()"
    options = ("--watch", "--format", "json", "--kubeconfig", str(cluster.plane.kubeconfig))
    process = subprocess.Popen(
        [sys.executable, "-c", program, "status", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout
    finally:
        process.kill()
        process.communicate()


def test_a_change_is_told_as_it_happens_until_an_interrupt(cluster: Cluster) -> None:
    standing(cluster, source(), network())
    with watching(cluster) as (process, lines):
        assert json.loads(next(lines))["well"] is True
        thing = network()
        ref = ObjectRef(resource=thing.resource, namespace=thing.namespace, name=thing.name)
        conditions = [unready("Invalid", "its subnet overlaps another")]
        cluster.api.patch(ref, {"status": {"conditions": conditions}}, subresource="status")
        document = json.loads(next(lines))
        assert [one["message"] for one in document["findings"]] == ["its subnet overlaps another"]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130


def test_watching_goes_on_through_a_restart_of_the_api_server(cluster: Cluster) -> None:
    standing(cluster, source(), network())
    with watching(cluster) as (_process, lines):
        assert json.loads(next(lines))["unread"] == []
        cluster.plane.restart_api_server()
        network("shop/second").put(cluster.api)
        document = next(told for line in lines if len((told := json.loads(line))["networks"]) == 2)
        assert "shop/second" in [one["name"] for one in document["networks"]]
