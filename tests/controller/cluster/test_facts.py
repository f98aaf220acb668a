"""The inventory as a watch feeds it: objects in, a compiler's Change out."""

from __future__ import annotations

import json
from ipaddress import IPv4Address

import pytest

from compiler.inventory import Namespace
from compiler.names import NodeName, ObjectName
from controller.cluster.facts import WATCHED, Changed, Facts
from controller.cluster.node_traits import traits_of
from controller.rollout import NodeTraits
from kube.api import Key
from kube.kinds import ENDPOINT_SLICES, NAMESPACES, NODES, PODS, SERVICES, VIRTUAL_NETWORKS
from kube.resource import Resource


def changed(resource: Resource, key: Key, body: object) -> Changed:
    return {resource: {key: None if body is None else json.dumps(body).encode()}}


NODE = {
    "metadata": {"name": "node-1"},
    "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.1"}]},
}
WEB = Key("team-a", "web")


def test_nothing_that_concerns_the_inventory_is_no_reading() -> None:
    facts = Facts()
    assert facts.take({}) is None
    assert facts.take(changed(VIRTUAL_NETWORKS, WEB, {"metadata": {"name": "web"}})) is None


def test_a_node() -> None:
    reading = Facts().take(changed(NODES, Key("", "node-1"), NODE))
    assert reading
    assert reading.change
    node = reading.change.nodes[NodeName("node-1")]
    assert node
    assert node.addresses == (IPv4Address("192.0.2.1"),)


def test_a_namespace_and_its_labels() -> None:
    body = {"metadata": {"name": "team-a", "labels": {"tier": "web"}}}
    reading = Facts().take(changed(NAMESPACES, Key("", "team-a"), body))
    assert reading
    assert reading.change
    assert reading.change.namespaces == {"team-a": Namespace(name="team-a", labels={"tier": "web"})}


@pytest.mark.parametrize("resource", WATCHED)
def test_what_is_gone_is_gone(resource: Resource) -> None:
    key = WEB if resource.namespaced else Key("", "web")
    reading = Facts().take(changed(resource, key, None))
    assert reading
    assert reading.change
    kinds = (
        reading.change.nodes,
        reading.change.namespaces,
        reading.change.pods,
        reading.change.services,
        reading.change.slices,
    )
    name = ObjectName(namespace="team-a", name="web") if resource.namespaced else "web"
    assert [dict(kind) for kind in kinds if kind] == [{name: None}]


BAD_POD = {
    "metadata": {"name": "web", "namespace": "team-a", "uid": "1"},
    "status": {"podIPs": [{"ip": "x"}]},
}
GOOD_POD = {"metadata": {"name": "web", "namespace": "team-a", "uid": "1"}, "spec": {"nodeName": "node-1"}}


def test_an_object_that_cannot_be_right_is_named_and_changes_nothing() -> None:
    reading = Facts().take(changed(PODS, WEB, BAD_POD))
    assert reading
    assert reading.change
    assert reading.change.pods == {}
    assert [(problem.code, problem.subject) for problem in reading.problems] == [("ATL702", "Pod team-a/web")]


def test_an_object_that_is_right_again_is_no_problem_any_more() -> None:
    facts = Facts()
    facts.take(changed(PODS, WEB, BAD_POD))
    reading = facts.take(changed(PODS, WEB, GOOD_POD))
    assert reading
    assert reading.change
    assert ObjectName(namespace="team-a", name="web") in reading.change.pods
    assert reading.problems == ()


def test_an_object_that_could_not_be_right_and_is_gone_is_no_problem_any_more() -> None:
    facts = Facts()
    facts.take(changed(PODS, WEB, BAD_POD))
    reading = facts.take(changed(PODS, WEB, None))
    assert reading
    assert reading.problems == ()


def test_a_problem_stays_until_its_object_changes() -> None:
    facts = Facts()
    facts.take(changed(PODS, WEB, BAD_POD))
    reading = facts.take(changed(NODES, Key("", "node-1"), NODE))
    assert reading
    assert [problem.subject for problem in reading.problems] == ["Pod team-a/web"]


@pytest.mark.parametrize(
    ("resource", "body"),
    [
        (NODES, []),
        (
            NODES,
            {
                "metadata": {"name": "node-1"},
                "status": {"addresses": [{"type": "InternalIP", "address": "x"}]},
            },
        ),
        (PODS, {"metadata": {}, "spec": {"nodeName": 7}}),
        (SERVICES, {"metadata": {"name": "web"}, "spec": {"ports": [{"port": "http"}]}}),
        (SERVICES, {"metadata": {"name": "web"}, "spec": {"clusterIPs": ["x"]}}),
        (ENDPOINT_SLICES, {"metadata": {"name": "web"}, "addressType": "IPv9", "endpoints": 3}),
        (NAMESPACES, {"metadata": {"name": "team-a", "labels": {"a": 1}}}),
    ],
)
def test_odd_objects_stop_no_other(resource: Resource, body: object) -> None:
    key = WEB if resource.namespaced else Key("", "web")
    everything = {**changed(resource, key, body), **changed(NODES, Key("", "node-1"), NODE)}
    if resource is NODES:
        everything = {NODES: {key: json.dumps(body).encode(), Key("", "node-1"): json.dumps(NODE).encode()}}
    reading = Facts().take(everything)
    assert reading
    assert reading.change
    assert NodeName("node-1") in reading.change.nodes


def test_bytes_that_are_no_json_are_named() -> None:
    reading = Facts().take({PODS: {WEB: b"\xff\xfe", Key("team-a", "other"): b"{"}})
    assert reading
    assert [problem.code for problem in reading.problems] == ["ATL702", "ATL702"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"metadata": {"labels": {"a": "b"}}}, NodeTraits(labels={"a": "b"}, ready=True)),
        ({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}, NodeTraits()),
        ({"status": {"conditions": [{"type": "Ready", "status": "False"}]}}, NodeTraits(ready=False)),
        ({"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}, NodeTraits(ready=False)),
        ({"status": {"conditions": [{"type": "DiskPressure", "status": "False"}]}}, NodeTraits()),
        ({"metadata": {"labels": None}, "status": {"conditions": None}}, NodeTraits()),
        ([], NodeTraits()),
    ],
)
def test_what_of_a_node_matters_to_a_rollout(body: object, expected: NodeTraits) -> None:
    assert traits_of(json.dumps(body).encode()) == expected
