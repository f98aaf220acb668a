"""A whole cluster on stage: a real API server and Git host, controllers, and agents' twins.

Nodes and pods are what kubelets would write; declarations are commits; everything is seen through the
API server.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final, Protocol, TypeVar

from cli.lab.authority import Authority
from cli.lab.git_host import GitHost
from cli.lab.kubelets import ClusterNode, ClusterPod
from compiler import codec
from compiler.allocations import Allocations
from controller.cluster.objects import REQUESTED_AT
from controller.cluster.records import Records
from kube.api import Api, Json, ObjectRef
from kube.candidate import USUAL_TERMS, Terms
from kube.client import ClusterApi
from kube.connection import connect
from kube.kinds import (
    CLUSTER_CONFIGS,
    CONFIG_MAPS,
    EVENTS,
    NETWORK_SOURCES,
    NODE_NETWORKS,
    PODS,
    SECRETS,
    VIRTUAL_NETWORKS,
)
from kube.resource import Resource
from tests.cluster.chart import AGENTS, NAMESPACE, NODES
from tests.cluster.replicas import ProcessReplica, ThreadReplica
from tests.cluster.scene import Cluster
from tests.cluster.twins import Twin
from tests.cluster.watching import SECONDS, Condition, Document, until, until_listed
from tests.contracts.git_workbench import DiskWorkbench

TEAM: Final = "team-a"
SOURCE: Final = ObjectRef(resource=NETWORK_SOURCES, name="networks", namespace=NAMESPACE)
CREDENTIALS: Final = ObjectRef(resource=SECRETS, name="git", namespace=NAMESPACE)
CONFIG: Final = ObjectRef(resource=CLUSTER_CONFIGS, name="cluster")
PASSWORD: Final = "correct horse"  # noqa: S105  # of nothing but a test's repository
_NOTHING: Final[Json] = {}
_numbers = count(1)


class _Runnable(Protocol):
    def start(self) -> None: ...

    def stop(self) -> None: ...


_R = TypeVar("_R", bound=_Runnable)


@dataclass(kw_only=True)
class Stage:
    cluster: Cluster
    folder: Path
    host: GitHost
    repository: DiskWorkbench
    _running: list[_Runnable] = field(default_factory=list)

    @property
    def api(self) -> Api:
        return self.cluster.api

    # What people do.

    def push(self, files: Mapping[str, bytes]) -> str:
        """Commit, and tell the controller to look."""
        revision = self.repository.commit(files)
        self.request(SOURCE)
        return revision

    def request(self, ref: ObjectRef) -> str:
        """Ask for work now, as `flux reconcile` does; return what the status is to echo."""
        stamp = f"request {next(_numbers)}"
        self.api.patch(ref, {"metadata": {"annotations": {REQUESTED_AT: stamp}}})
        return stamp

    def follow(self, spec: Json = _NOTHING, *, name: str = SOURCE.name) -> ObjectRef:
        """Make a NetworkSource for the repository, which looks seldom by itself; `spec` is added to it."""
        usual = {"url": self.host.url("remote"), "interval": "1h", "secretRef": {"name": CREDENTIALS.name}}
        body = {**self.body(NETWORK_SOURCES, name, NAMESPACE), "spec": {**usual, **spec}}
        self.api.create(NETWORK_SOURCES, body, namespace=NAMESPACE)
        return ObjectRef(resource=NETWORK_SOURCES, name=name, namespace=NAMESPACE)

    def put_credentials(self, password: str = PASSWORD, certificate: bytes = b"") -> None:
        self.put_secret(
            CREDENTIALS.name,
            {
                "username": b"git",
                "password": password.encode(),
                "ca.crt": certificate or self.host.certificate,
            },
        )

    def put_secret(self, name: str, data: Mapping[str, bytes]) -> None:
        coded = {key: base64.b64encode(value).decode() for key, value in data.items()}
        ref = ObjectRef(resource=SECRETS, name=name, namespace=NAMESPACE)
        body = {**self.body(SECRETS, name, NAMESPACE), "data": coded}
        self.api.apply(ref, body, field_manager="platform", force=True)

    def declare(self, name: str, spec: Json, *, manager: str = "kubectl") -> ObjectRef:
        """Apply a VirtualNetwork of the team server-side, as some other tool than ours."""
        ref = network_ref(name)
        body = {**self.body(VIRTUAL_NETWORKS, name, TEAM), "spec": spec}
        self.api.apply(ref, body, field_manager=manager, force=False)
        return ref

    def declare_cluster(self, manager: str = "platform", **spec: object) -> None:
        """What tests.controller.files.CLUSTER says, without Git."""
        said = {
            "podRanges": ["10.244.0.0/16"],
            "serviceRanges": ["10.96.0.0/16"],
            "nodeRanges": ["192.0.2.0/24"],
            "dns": {"addresses": ["192.0.2.53"], "ports": [{"protocol": "UDP", "port": 53}]},
            "api": {"addresses": ["192.0.2.54"], "ports": [{"protocol": "TCP", "port": 6443}]},
            **spec,
        }
        body = {**self.body(CLUSTER_CONFIGS, CONFIG.name), "spec": said}
        self.api.apply(CONFIG, body, field_manager=manager, force=False)

    # What kubelets do.

    def nodes(self, total: int) -> list[str]:
        names = [f"node-{number}" for number in range(1, total + 1)]
        self.cluster.kubelets.add_all(
            ClusterNode(name=name, addresses=(f"192.0.2.{number}",), pod_ranges=(f"10.244.{number}.0/24",))
            for number, name in enumerate(names, start=1)
        )
        return names

    def pod(self, name: str, node: str, network: str) -> ObjectRef:
        annotations = {"atoll.dev/network": network}
        pod = ClusterPod(namespace=TEAM, name=name, node=node, annotations=annotations)
        self.cluster.kubelets.add_pod(pod)
        return pod.ref

    # What runs.

    def controller(
        self, instance: str = "one", *, terms: Terms = USUAL_TERMS, kubeconfig: Path | None = None
    ) -> ThreadReplica:
        """One that has started."""
        kubeconfig = kubeconfig or self.cluster.plane.kubeconfig
        return self._started(ThreadReplica(kubeconfig, self.folder, instance, terms))

    def only_controller(self) -> ThreadReplica:
        """The one that runs in a thread."""
        (only,) = (one for one in self._running if isinstance(one, ThreadReplica))
        return only

    def end_controller(self) -> None:
        """Raises what it died of, if it did."""
        former = self.only_controller()
        self._running.remove(former)
        former.stop()

    def replace_controller(self) -> ThreadReplica:
        """As an upgrade would."""
        self.end_controller()
        replica = self.controller("two")
        replica.story.until("started")
        return replica

    def controller_process(self, instance: str, *, terms: Terms = USUAL_TERMS) -> ProcessReplica:
        return self._started(ProcessReplica(self.cluster.plane.kubeconfig, self.folder, instance, terms))

    def twin(self, node: str, api: Api | None = None) -> Twin:
        api = api or ClusterApi.of(connect(self.cluster.plane.kubeconfig))
        return self._started(Twin(node, api, self.folder))

    def _started(self, one: _R) -> _R:
        self._running.append(one)
        one.start()
        return one

    def close(self) -> None:
        """End everything, the last started first; the first error is raised when all have ended."""
        errors: list[Exception] = []
        while self._running:
            try:
                self._running.pop().stop()
            except Exception as error:
                errors.append(error)
        self.host.stop()
        if errors:
            raise errors[0]

    # What is seen.

    def get(self, ref: ObjectRef) -> Document:
        return json.loads(self.api.get(ref))

    def until(self, ref: ObjectRef, condition: Condition, what: str, *, seconds: float = SECONDS) -> Document:
        """As `watching.until`, but for controllers that have died: then there is nothing to wait for."""

        def holds(document: Document) -> bool:
            for one in self._running:
                if isinstance(one, ThreadReplica):
                    one.check()
            return condition(document)

        return until(self.api, ref, holds, what, seconds=seconds)

    def until_applied(self, revision: str, *nodes: str) -> None:
        """The NetworkSource says that the commit is in force on every node, and these nodes say so, too."""
        self.until(SOURCE, lambda it: applied(it) == revision and is_ready(it), f"ready with {revision}")
        for node in nodes:
            self.until(node_ref(node), in_force, "in force")

    def until_settled(self, revision: str, *nodes: str) -> None:
        """Applied, and nothing is left for the controller to write but statuses."""
        self.until_applied(revision, *nodes)
        self.until(SOURCE, lambda it: it["status"]["confirmed"] == it["status"]["generation"], "confirmed")

    def allocations(self) -> Allocations:
        content = Records(api=self.api, namespace=NAMESPACE).read("allocations")
        return codec.decode_allocations(content) if content else Allocations()

    def snapshot(self) -> dict[str, str]:
        """What controllers alone write, by name: specs of NodeNetworks, and the records' versions."""
        nodes: Document = json.loads(self.api.list(NODE_NETWORKS))["items"]
        maps: Document = json.loads(self.api.list(CONFIG_MAPS, namespace=NAMESPACE))["items"]
        specs = {one["metadata"]["name"]: json.dumps(one["spec"]) for one in nodes}
        return specs | {one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in maps}

    def until_told(self, ref: ObjectRef, reason: str) -> str:
        """What an event with this reason says of the object, as soon as there is one."""
        found = until_listed(
            self.api,
            EVENTS,
            lambda event: event["reason"] == reason and event["regarding"]["name"] == ref.name,
            f"an event {reason} of {ref}",
        )
        return str(found["note"])

    @staticmethod
    def body(resource: Resource, name: str, namespace: str = "") -> Json:
        metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
        return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}


@contextmanager
def staged(cluster: Cluster, folder: Path) -> Iterator[Stage]:
    """Namespaces, an empty repository behind HTTPS with a password, and the Secret for it."""
    authority = folder / "authority"
    authority.mkdir()
    host = GitHost(folder, Authority(authority), password=PASSWORD)
    host.start()
    stage = Stage(cluster=cluster, folder=folder, host=host, repository=DiskWorkbench(folder))
    try:
        for namespace in (NAMESPACE, NODES, AGENTS, TEAM):
            cluster.kubelets.add_namespace(namespace)
        stage.put_credentials()
        yield stage
    finally:
        stage.close()


def network_ref(name: str) -> ObjectRef:
    return ObjectRef(resource=VIRTUAL_NETWORKS, name=name, namespace=TEAM)


def node_ref(name: str) -> ObjectRef:
    return ObjectRef(resource=NODE_NETWORKS, name=name)


def pod_ref(name: str) -> ObjectRef:
    return ObjectRef(resource=PODS, name=name, namespace=TEAM)


def status_of(document: Document) -> Document:
    """{} where there is none yet, or no object."""
    return document.get("status", {})


def condition_of(document: Document, kind: str = "Ready") -> Document:
    conditions = status_of(document).get("conditions", ())
    return next((one for one in conditions if one["type"] == kind), {})


def is_ready(document: Document) -> bool:
    return bool(condition_of(document).get("status") == "True")


def reason_of(document: Document, kind: str = "Ready") -> str:
    return str(condition_of(document, kind).get("reason", ""))


def applied(document: Document) -> str:
    """The commit that a status says is in force."""
    return str(status_of(document).get("lastAppliedRevision", ""))


def in_force(node: Document) -> bool:
    """Whether the agent has applied exactly the plan of its NodeNetwork."""
    return is_ready(node) and bool(status_of(node)["applied"]["digest"] == node["spec"]["digest"])
