"""What is kept of an object of the watch, and that a poisoned one is only named."""

from __future__ import annotations

import json

import pytest

from controller.cluster.objects import (
    Observed,
    ObservedNode,
    ObservedSource,
    Owner,
    ResourceKey,
    Undecodable,
    decode,
    decode_node,
    decode_source,
)
from controller.cluster.resource_status import ConfigStatus, NetworkStatus, NodeCount, RouterStatus
from controller.cluster.source_spec import GitRef, Rollout, SourceSpec
from tests.controller.cluster.mirroring import key

RED = key("team-a/red")
METADATA = {
    "name": "red",
    "namespace": "team-a",
    "uid": "u-1",
    "resourceVersion": "42",
    "generation": 3,
    "creationTimestamp": "2026-01-02T12:00:00Z",
    "labels": {"tier": "web"},
    "annotations": {
        "atoll.dev/origin": "networks.yaml:7",
        "atoll.dev/revision": "c0ffee",
        "reconcile.atoll.dev/requestedAt": "now",
        "somebody.example/else": "x",
    },
    "finalizers": ["atoll.dev/in-use"],
    "managedFields": [
        {
            "manager": "atoll-controller",
            "operation": "Apply",
            "apiVersion": "atoll.dev/v1alpha1",
            "fieldsType": "FieldsV1",
            "time": "2026-01-02T12:00:00Z",
            "fieldsV1": {
                "f:metadata": {"f:labels": {".": {}, "f:tier": {}}, "f:finalizers": {}},
                "f:spec": {"f:subnets": {'v:"10.1.0.0/24"': {}}, "f:egress": {}},
            },
        },
        {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:spec": {"f:egress": {}}}},
        {"manager": "atoll", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {}}},
    ],
}


def encoded(**fields: object) -> bytes:
    return json.dumps({"metadata": METADATA, **fields}).encode()


def observed(**fields: object) -> Observed:
    found = decode(RED, encoded(**fields))
    assert isinstance(found, Observed)
    return found


def test_metadata_is_cut_down_to_what_matters() -> None:
    metadata = observed(spec={}).metadata
    assert (metadata.uid, metadata.resource_version, metadata.generation) == ("u-1", "42", 3)
    assert (metadata.origin, metadata.revision, metadata.requested_at) == (
        "networks.yaml:7",
        "c0ffee",
        "now",
    )
    assert (metadata.labels, metadata.finalizers) == ({"tier": "web"}, ("atoll.dev/in-use",))
    assert not metadata.terminating


def test_owners_are_known_by_what_they_own_of_spec() -> None:
    assert observed(spec={}).metadata.owners == (
        Owner(
            manager="atoll-controller",
            operation="Apply",
            spec=frozenset({"subnets", "egress"}),
            labels=frozenset({"tier"}),
        ),
        Owner(manager="kubectl-edit", operation="Update", spec=frozenset({"egress"})),
        Owner(manager="atoll", operation="Update", subresource="status"),
    )


def test_a_spec_is_the_same_bytes_in_whatever_order_it_came() -> None:
    spec = {"subnets": ["10.2.0.0/24", "10.1.0.0/24"], "egress": "none"}
    assert observed(spec=spec).spec == b'{"egress":"none","subnets":["10.2.0.0/24","10.1.0.0/24"]}'


def test_a_status_is_a_value() -> None:
    status = {"observedGeneration": 3, "number": 7, "nodes": {"ready": 1, "needed": 2}, "unknown": {}}
    assert observed(spec={}, status=status).status == NetworkStatus(
        observed_generation=3, number=7, nodes=NodeCount(ready=1, needed=2)
    )


def test_a_status_that_is_damaged_counts_as_none() -> None:
    assert observed(spec={}, status={"number": "seven"}).status is None
    assert observed(spec={}).status is None


def test_each_kind_has_its_status() -> None:
    router = decode(
        ResourceKey(kind="VirtualNetworkRouter", namespace="team-a", name="all"),
        encoded(spec={}, status={"networks": 2}),
    )
    config = decode(
        ResourceKey(kind="ClusterConfig", namespace="", name="cluster"),
        encoded(spec={}, status={"lastAppliedRevision": "c1"}),
    )
    assert isinstance(router, Observed)
    assert router.status == RouterStatus(networks=2)
    assert isinstance(config, Observed)
    assert config.status == ConfigStatus(last_applied_revision="c1")


def test_the_manifest_is_what_a_file_would_hold() -> None:
    assert json.loads(observed(spec={"subnets": ["10.1.0.0/24"]}).manifest) == {
        "apiVersion": "atoll.dev/v1alpha1",
        "kind": "VirtualNetwork",
        "metadata": {"name": "red", "namespace": "team-a", "labels": {"tier": "web"}},
        "spec": {"subnets": ["10.1.0.0/24"]},
    }


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b'{"metadata": 7}',
        b'{"metadata": {"labels": {"a": 1}}}',
        b'{"metadata": {"uid": "\xff"}}',
        b'{"spec": {}}',
    ],
)
def test_a_poisoned_object_is_a_value_that_says_so(raw: bytes) -> None:
    for decoder in (decode, decode_source, decode_node):
        found = decoder(RED, raw)
        assert isinstance(found, Undecodable)
        assert str(found).startswith("VirtualNetwork team-a/red: ")


def test_an_object_without_managed_fields_is_ours_by_its_annotation() -> None:
    bare = {**METADATA, "managedFields": None}
    found = decode(RED, json.dumps({"metadata": bare, "spec": {}}).encode())
    assert isinstance(found, Observed)
    assert found.metadata.ours is not None
    foreign = decode(RED, json.dumps({"metadata": {**bare, "annotations": {}}, "spec": {}}).encode())
    assert isinstance(foreign, Observed)
    assert foreign.metadata.ours is None


def test_a_source_has_its_defaults() -> None:
    where = ResourceKey(kind="NetworkSource", namespace="atoll-system", name="networks")
    found = decode_source(where, encoded(spec={"url": "https://git.example.org/networks"}))
    assert isinstance(found, ObservedSource)
    assert found.spec == SourceSpec(
        url="https://git.example.org/networks", ref=GitRef(branch="main"), interval="1m", timeout="60s"
    )


def test_a_share_is_a_number_or_a_percentage() -> None:
    where = ResourceKey(kind="NetworkSource", namespace="atoll-system", name="networks")
    shares: list[int | str] = []
    for share in (3, "25%"):
        found = decode_source(where, encoded(spec={"url": "u", "rollout": {"share": share}}))
        assert isinstance(found, ObservedSource)
        assert isinstance(found.spec.rollout, Rollout)
        shares.append(found.spec.rollout.share)
    assert shares == [3, "25%"]


def test_of_a_node_the_plan_is_not_kept() -> None:
    where = ResourceKey(kind="NodeNetwork", namespace="", name="node-1")
    spec = {"revision": "c0ffee", "generation": 4, "digest": "sha256:ab", "plan": "x" * 1000, "parts": 2}
    found = decode_node(where, encoded(spec=spec, status={"applied": {"digest": "sha256:ab"}}))
    assert isinstance(found, ObservedNode)
    assert (found.spec.digest, found.spec.parts) == ("sha256:ab", 2)
    assert "xxx" not in repr(found)


@pytest.mark.parametrize("text", ["VirtualNetwork/team-a/red", "ClusterConfig/cluster", "NodeNetwork/node-1"])
def test_a_key_reads_as_it_is_written(text: str) -> None:
    assert str(ResourceKey.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "VirtualNetwork", "VirtualNetwork/red", "Secret/a/b", "ClusterConfig/a/b", "VirtualNetwork//red"],
)
def test_a_key_that_names_nothing_of_ours_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="names no resource"):
        ResourceKey.parse(text)
