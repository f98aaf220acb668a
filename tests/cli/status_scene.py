"""Objects as controller and agents leave them behind, in whatever state a test needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from cli.status_account import report
from cli.status_board import Board
from cli.status_report import Finding, Report
from kube import kinds
from kube.api import Api, Json, Key, ObjectRef
from kube.resource import Resource

NOW: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
COMMIT: Final = "4f1c8a9e2d7b6c5a3f0e1d2c4b5a69788f7e6d5c"
BEFORE: Final = "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567"
DIGEST: Final = f"sha256:{'1' * 64}"
OTHER_DIGEST: Final = f"sha256:{'2' * 64}"
NAMESPACE: Final = "atoll-system"


def ago(**duration: float) -> str:
    """A time of the API, so long before NOW."""
    return (NOW - timedelta(**duration)).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, kw_only=True, slots=True)
class Thing:
    """An object, its status apart as the API server wants it."""

    resource: Resource
    name: str
    namespace: str = ""
    content: Mapping[str, object] = field(default_factory=dict)
    """Beside metadata and status."""
    status: Mapping[str, object] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    created: str = field(default_factory=lambda: ago(hours=1))
    written: str = ""
    """When the controller last changed the spec."""
    deleting: str = ""

    @property
    def key(self) -> Key:
        return Key(self.namespace, self.name)

    @property
    def body(self) -> Json:
        metadata: dict[str, object] = {"name": self.name, "labels": self.labels}
        if self.annotations:
            metadata["annotations"] = self.annotations
        if self.namespace:
            metadata["namespace"] = self.namespace
        head = {"apiVersion": self.resource.api_version, "kind": self.resource.kind, "metadata": metadata}
        return {**head, **self.content}

    @property
    def raw(self) -> bytes:
        """As a list or a watch shows it."""
        metadata = {
            **as_mapping(self.body["metadata"]),
            "uid": f"uid of {self.name}",
            "generation": 1,
            "creationTimestamp": self.created,
        }
        if self.written:
            writer = {"manager": "atoll-controller", "operation": "Apply", "time": self.written}
            metadata["managedFields"] = [writer]
        if self.deleting:
            metadata["deletionTimestamp"] = self.deleting
        body = {**self.body, "metadata": metadata}
        return msgspec.json.encode(body if self.status is None else {**body, "status": self.status})

    def put(self, api: Api) -> None:
        """Create it on an API server."""
        api.create(self.resource, self.body, namespace=self.namespace)
        if self.status is not None:
            ref = ObjectRef(resource=self.resource, namespace=self.namespace, name=self.name)
            api.patch(ref, {"status": self.status}, subresource="status")


def as_mapping(value: object) -> Mapping[str, object]:
    assert isinstance(value, Mapping)
    return value


def condition(of: str, status: str, reason: str, message: str, *, since: str = "") -> Mapping[str, object]:
    return {
        "type": of,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": since or ago(minutes=3),
    }


def ready(reason: str = "InForce", message: str = "In force") -> Mapping[str, object]:
    return condition("Ready", "True", reason, message)


def unready(reason: str, message: str) -> Mapping[str, object]:
    return condition("Ready", "False", reason, message)


def source(*conditions: Mapping[str, object], name: str = "networks", **status: object) -> Thing:
    """The NetworkSource, by default with everything in force."""
    told = {
        "observedGeneration": 1,
        "conditions": list(conditions) or [ready("Applied", "Commit 4f1c8a9e2d7b in force on 2 of 2 nodes")],
        "lastSeenRevision": COMMIT,
        "lastAttemptedRevision": COMMIT,
        "lastAppliedRevision": COMMIT,
        "nodes": {"ready": 2, "total": 2},
    }
    return Thing(
        resource=kinds.NETWORK_SOURCES,
        namespace=NAMESPACE,
        name=name,
        content={"spec": {"url": "https://git.example.org/networks.git"}},
        status={**told, **status},
    )


def problem(severity: str = "error") -> Mapping[str, object]:
    return {
        "code": "ATL402",
        "severity": severity,
        "path": "networks/shop.yaml",
        "line": 9,
        "column": 7,
        "subject": "VirtualNetwork shop/storefront",
        "reason": "`10.20.0.5/22` has bits set beyond its first 22",
        "remedy": "Write `10.20.0.0/22`",
    }


def network(name: str = "shop/storefront", *conditions: Mapping[str, object], **status: object) -> Thing:
    """A VirtualNetwork that Git declares, by default in force."""
    namespace, _, short = name.partition("/")
    told = {
        "observedGeneration": 1,
        "conditions": list(conditions) or [ready()],
        "number": 5,
        "pods": 3,
        "free": 1019,
        "addresses": [{"subnet": "10.20.0.0/22", "total": 1022, "used": 3, "free": 1019}],
        "nodes": {"ready": 2, "needed": 2},
    }
    return Thing(
        resource=kinds.VIRTUAL_NETWORKS,
        namespace=namespace,
        name=short,
        content={"spec": {"subnets": ["10.20.0.0/22"]}},
        status={**told, **status},
        labels={"role": "shop"},
        annotations={"atoll.dev/origin": "networks/shop.yaml:1", "atoll.dev/revision": COMMIT},
    )


def router(name: str = "shop/spoke", *conditions: Mapping[str, object], **status: object) -> Thing:
    namespace, _, short = name.partition("/")
    told = {
        "observedGeneration": 1,
        "conditions": list(conditions) or [ready()],
        "networks": 1,
        "connected": ["shared-services/hub"],
        "nodes": {"ready": 2, "needed": 2},
    }
    return Thing(
        resource=kinds.VIRTUAL_NETWORK_ROUTERS,
        namespace=namespace,
        name=short,
        content={"spec": {"type": "spoke", "virtualNetworkSelector": {"matchLabels": {"role": "shop"}}}},
        status={**told, **status},
    )


def node(name: str = "node-1", *conditions: Mapping[str, object], **status: object) -> Thing:
    """A NodeNetwork whose agent has applied its plan."""
    told = {
        "observedGeneration": 1,
        "conditions": list(conditions) or [ready("Applied", "The plan of commit 4f1c8a9e2d7b is in force.")],
        "applied": {"revision": COMMIT, "generation": 4, "digest": DIGEST, "at": ago(minutes=30)},
        "networks": 1,
        "attachments": 3,
        "addresses": [{"network": "shop/storefront", "used": 3}],
        "agentVersion": "0.1.0",
    }
    carried = {"name": "shop/storefront", "number": 5, "presence": "present", "blocks": ["10.20.0.0/28"]}
    return Thing(
        resource=kinds.NODE_NETWORKS,
        name=name,
        content={
            "spec": {
                "revision": COMMIT,
                "generation": 4,
                "digest": DIGEST,
                "number": int(name.rpartition("-")[2]),
                "address": "192.0.2.11",
                "networks": [carried],
                "plan": "H4sI",
            }
        },
        status={**told, **status},
        written=ago(minutes=31),
    )


def behind(name: str = "node-1", *, written: str) -> Thing:
    """A NodeNetwork with a plan that its agent has not applied yet."""
    applied = {"revision": BEFORE, "generation": 3, "digest": OTHER_DIGEST, "at": ago(hours=2)}
    return replace(node(name, applied=applied), written=written)


def failed(name: str = "node-1") -> Thing:
    applied = {"revision": BEFORE, "generation": 3, "digest": OTHER_DIGEST, "at": ago(hours=2)}
    error = "VXLAN device atoll0: File exists. Remove the device of that name that is not Atoll's."
    return node(
        name,
        unready("ApplyFailed", f"{error.removesuffix('.')}; no plan is in force."),
        applied=applied,
        errors=[error],
    )


def lease(*, holder: str = "controller-a_1", renewed: str = "") -> Thing:
    spec = {
        "holderIdentity": holder,
        "leaseDurationSeconds": 15,
        "acquireTime": ago(hours=2).replace("Z", ".000000Z"),
        "renewTime": (renewed or ago(seconds=1)).replace("Z", ".000000Z"),
        "leaseTransitions": 1,
    }
    return Thing(resource=kinds.LEASES, namespace=NAMESPACE, name="atoll-controller", content={"spec": spec})


def event(name: str, regarding: Mapping[str, object], reason: str, note: str, *, at: str = "") -> Thing:
    namespace = str(regarding.get("namespace") or "default")
    content = {
        "eventTime": (at or ago(minutes=2)).replace("Z", ".000000Z"),
        "reportingController": "atoll.dev/controller",
        "reportingInstance": "controller-a",
        "action": "Attach",
        "reason": reason,
        "type": "Warning",
        "note": note,
        "regarding": regarding,
    }
    return Thing(resource=kinds.EVENTS, namespace=namespace, name=name, content=content)


def waiting_pod(name: str = "web-1", *, reason: str = "AwaitingNetwork") -> tuple[Thing, Thing]:
    """A pod that is pending, and the event that says why."""
    pod = Thing(resource=kinds.PODS, namespace="shop", name=name, content={"status": {"phase": "Pending"}})
    note = "The pod waits for its network: its annotation names network shop/front, which is not declared."
    regarding = {"kind": "Pod", "namespace": "shop", "name": name, "uid": f"uid of {name}"}
    return pod, event(f"{name}.1", regarding, reason, note)


def board(things: Iterable[Thing]) -> Board:
    filled = Board(namespace=NAMESPACE)
    for thing in things:
        filled.put(thing.resource, thing.key, thing.raw)
    return filled


def told(*things: Thing, name: str = "") -> Report:
    """What is said of a cluster with these objects, and a leader, and a NetworkSource if none is given."""
    given = {thing.resource for thing in things}
    usual = [thing for thing in (lease(), source()) if thing.resource not in given]
    return report(board((*usual, *things)).facts(NOW), name)


def only(*things: Thing, name: str = "") -> Finding:
    """The one finding."""
    (finding,) = told(*things, name=name).findings
    return finding
