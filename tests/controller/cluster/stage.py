"""A whole controller on a simulated API server, in one thread, turn by turn; and all that acts on it."""

from __future__ import annotations

import math
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final

import msgspec

from compiler import codec
from compiler.names import NodeName
from compiler.plan import NodePlan
from controller.cluster.execute import Executor
from controller.cluster.facts import WATCHED
from controller.cluster.gauges import Gauges
from controller.cluster.identities import Identities
from controller.cluster.identity_keeper import IdentityKeeper
from controller.cluster.leadership import GuardedApi
from controller.cluster.objects import REQUESTED_AT, ObservedSource, ResourceKey, decode_source
from controller.cluster.observer import DECLARING, NOWHERE, ClusterObserver
from controller.cluster.plan_object import plan_bytes
from controller.cluster.publisher import ClusterPublisher
from controller.cluster.records import Records
from controller.cluster.recovery import recovered
from controller.cluster.source_watcher import SourceWatcher
from controller.cluster.teller import ClusterTeller
from controller.cluster.waker import InboxWaker
from controller.git import GitSource
from controller.git_memory import MemoryRepository
from controller.log import MemoryLog
from controller.loop import Controller, first_state
from controller.serving.metrics import ControllerMetrics
from controller.signatures import Mode, Signers
from controller.state import Place, State
from kube.api import Json, Key, NotFound, ObjectRef
from kube.fake import FakeApi
from kube.inbox import Inbox, InboxSink
from kube.kinds import (
    CLUSTER_CONFIGS,
    EVENTS,
    NAMESPACES,
    NETWORK_SOURCES,
    NODE_NETWORKS,
    NODES,
    PODS,
    VIRTUAL_NETWORK_ROUTERS,
    VIRTUAL_NETWORKS,
)
from kube.raw import split_page
from kube.resource import Resource
from serving.health import Pulse

NAMESPACE: Final = "atoll-system"
TEAM: Final = "team-a"
SOURCE: Final = ObjectRef(resource=NETWORK_SOURCES, name="networks", namespace=NAMESPACE)
CONFIG: Final = ObjectRef(resource=CLUSTER_CONFIGS, name="cluster")
REFLECTED: Final = (*DECLARING, *WATCHED, NODE_NETWORKS, NETWORK_SOURCES)
Document = dict[str, Any]
"""An object as JSON, of which a test reads what it needs."""


@dataclass(kw_only=True)
class Repositories:
    """Repositories in memory: the one of most tests, and others by URL."""

    usual: MemoryRepository
    others: Mapping[str, MemoryRepository]

    def place_of(self, source: ObservedSource) -> Place:
        return Place(repository=source.spec.url, ref=source.spec.ref.branch, folder=source.spec.path)

    def open(self, source: ObservedSource) -> GitSource:
        repository = self.others.get(source.spec.url, self.usual)
        repository.signers = None
        if source.spec.verify:
            repository.signers = Signers(mode=Mode.GPG, keys={"ours": b"key"}, place="Secret keys")
        return repository


@dataclass(kw_only=True)
class Reflection:
    """What reflectors do, at once and in the caller's thread."""

    api: FakeApi
    inbox: Inbox
    sinks: Mapping[Resource, InboxSink]
    known: dict[Resource, dict[Key, str]] = field(default_factory=dict)

    def catch_up(self) -> None:
        for resource, sink in self.sinks.items():
            known = self.known.setdefault(resource, {})
            listed = {item.key: item for item in split_page(self.api.list(resource, limit=10_000)).items}
            for key, item in listed.items():
                if known.get(key) != item.version:
                    sink.changed(key, item.data)
            for key in known.keys() - listed.keys():
                sink.removed(key)
            self.known[resource] = {key: item.version for key, item in listed.items()}


@dataclass(kw_only=True)
class Stage:
    api: FakeApi = field(default_factory=FakeApi)
    repository: MemoryRepository = field(default_factory=MemoryRepository)
    others: dict[str, MemoryRepository] = field(default_factory=dict)
    """Further repositories, by URL."""
    seconds: float = 1000.0
    log: MemoryLog = field(default_factory=MemoryLog)
    _requests: count[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        for name in (NAMESPACE, TEAM):
            self.api.create(NAMESPACES, {"metadata": {"name": name}})
        self.restart()

    # The controller.

    def restart(self) -> None:
        """Another controller begins with what the API server holds."""
        self.client = self.api.beside("atoll")
        inbox = Inbox()
        sinks = {resource: inbox.sink(resource) for resource in REFLECTED}
        self.reflection = Reflection(api=self.api, inbox=inbox, sinks=sinks)
        self.closing = weakref.finalize(self.reflection, inbox.close)
        self.watcher = SourceWatcher(
            repositories=Repositories(usual=self.repository, others=self.others),
            wake=inbox.notify,
            interval_of=lambda source: 60.0,
        )
        self.publisher = ClusterPublisher(
            api=self.client, records=Records(api=self.client, namespace=NAMESPACE)
        )
        self.observer = ClusterObserver(
            waker=InboxWaker(inbox=inbox, leads=lambda: True),
            watcher=self.watcher,
            publisher=self.publisher,
            clock=lambda: datetime(2026, 1, 2, 12, 0, tzinfo=UTC),
            stopwatch=lambda: self.seconds,
        )
        self.teller = self._teller()
        self.controller = Controller(
            observer=self.observer,
            publisher=self.publisher,
            waker=self.observer.waker,
            log=self.log,
            state=recovered(first_state(NOWHERE, self.publisher), self._source()),
            teller=self.teller,
        )

    def _teller(self) -> ClusterTeller:
        return ClusterTeller(
            observer=self.observer,
            publisher=self.publisher,
            executor=Executor(api=self.client, instance="atoll-1", clock=lambda: self.seconds),
            identities=IdentityKeeper(identities=Identities(self.client), log=self.log),
            gauges=Gauges(
                metrics=ControllerMetrics(version="test"),
                pulse=Pulse(bound=300.0),
                observer=self.observer,
                nodes=self.publisher.nodes,
                counts=dict,
            ),
            log=self.log,
        )

    def _source(self) -> ObservedSource | None:
        if not self.exists(SOURCE):
            return None
        found = decode_source(ResourceKey("NetworkSource", *SOURCE.key), self.api.get(SOURCE))
        return found if isinstance(found, ObservedSource) else None

    @property
    def state(self) -> State:
        return self.controller.state

    def dies_after(self, requests: int) -> None:
        """From then on nothing that this controller does reaches the server."""
        made = count(1)

        def told(verb: str, resource: Resource, code: str) -> None:
            self.client.outage = next(made) >= requests

        self.client.outage = requests == 0
        guarded = GuardedApi(api=self.client, leads=lambda: True, told=told)
        self.publisher.api = self.publisher.records.api = self.teller.executor.api = guarded

    def turn(self) -> None:
        """One turn, with all that has happened until now."""
        self.reflection.catch_up()
        self.controller.turn(look=False)

    def look(self) -> None:
        """The repository's thread has its turn."""
        self.watcher.look()

    def watch(self) -> None:
        """As a new leader does: look at the repository before the first turn."""
        self.watcher.follow(self._source(), self.state.good.revision if self.state.good else None)
        self.look()

    def settle(self, turns: int = 15) -> None:
        """Look and turn until nothing is written any more: what a turn asks for, the next look brings."""
        quiet = 0
        for _ in range(turns):
            before = self.version
            self.look()
            self.turn()
            self.seconds += 6
            quiet = quiet + 1 if self.version == before and math.isinf(self.observer.pause()) else 0
            if quiet == 2:
                return
        raise AssertionError("it does not come to rest")

    @property
    def version(self) -> str:
        """Of everything on the server."""
        return split_page(self.api.list(NAMESPACES)).version

    # People and other programs.

    def follow(self, *, name: str = SOURCE.name, url: str = "", **spec: object) -> ObjectRef:
        """Apply a NetworkSource for the repository."""
        ref = ObjectRef(resource=NETWORK_SOURCES, name=name, namespace=NAMESPACE)
        body = self.body(ref, {"url": url or URL, **spec})
        self.api.apply(ref, body, field_manager="platform", force=True)
        return ref

    def request(self, ref: ObjectRef = SOURCE) -> str:
        stamp = f"request {next(self._requests)}"
        self.api.beside("kubectl").patch(ref, {"metadata": {"annotations": {REQUESTED_AT: stamp}}})
        return stamp

    def declare(self, name: str, subnet: str, *, manager: str = "kubectl", team: str = TEAM) -> ObjectRef:
        """Apply a VirtualNetwork of the team server-side."""
        ref = network_ref(name, team)
        body = self.body(ref, {"subnets": [subnet]})
        self.api.apply(ref, body, field_manager=manager, force=False)
        return ref

    def join(self, name: str, namespaces: Json | None = None, *, team: str = TEAM) -> ObjectRef:
        """Apply a router of all the team's networks, and with those of the namespaces' routers."""
        ref = router_ref(name, team)
        spec: dict[str, object] = {"type": "mesh", "virtualNetworkSelector": {}}
        if namespaces:
            imported = {"virtualNetworkRouterSelector": {}, "namespaceSelector": namespaces}
            spec["import"] = {"virtualNetworkRouters": [imported]}
        self.api.apply(ref, self.body(ref, spec), field_manager="kubectl", force=False)
        return ref

    def label(self, namespace: str, **labels: str | None) -> None:
        self.api.patch(ObjectRef(resource=NAMESPACES, name=namespace), {"metadata": {"labels": labels}})

    def declare_cluster(self, **spec: object) -> None:
        said = {
            "podRanges": ["10.244.0.0/16"],
            "serviceRanges": ["10.96.0.0/16"],
            "nodeRanges": ["192.0.2.0/24"],
            "dns": {"addresses": ["192.0.2.53"], "ports": [{"protocol": "UDP", "port": 53}]},
            "api": {"addresses": ["192.0.2.54"], "ports": [{"protocol": "TCP", "port": 6443}]},
            **spec,
        }
        self.api.apply(CONFIG, self.body(CONFIG, said), field_manager="platform", force=False)

    def body(self, ref: ObjectRef, spec: Json) -> Json:
        metadata = {"name": ref.name} | ({"namespace": ref.namespace} if ref.namespace else {})
        return {
            "apiVersion": ref.resource.api_version,
            "kind": ref.resource.kind,
            "metadata": metadata,
            "spec": spec,
        }

    # Nodes.

    def node(self, number: int, *, ready: bool = True, labels: Json | None = None) -> ObjectRef:
        ref = ObjectRef(resource=NODES, name=f"node-{number}")
        self.api.create(NODES, {"metadata": {"name": ref.name, "labels": labels or {}}})
        condition = {"type": "Ready", "status": "True" if ready else "False"}
        addresses = [{"type": "InternalIP", "address": f"192.0.2.{number}"}]
        self.api.patch(
            ref, {"status": {"conditions": [condition], "addresses": addresses}}, subresource="status"
        )
        return ref

    def pod(self, name: str, node: int, network: str, *, team: str = TEAM, address: str = "") -> ObjectRef:
        ref = ObjectRef(resource=PODS, name=name, namespace=team)
        annotations = {"atoll.dev/network": network} | ({"atoll.dev/ip": address} if address else {})
        metadata = {"name": name, "annotations": annotations}
        self.api.create(PODS, {"metadata": metadata, "spec": {"nodeName": f"node-{node}"}}, namespace=team)
        return ref

    def pod_runs(self, name: str, *addresses: str, team: str = TEAM) -> None:
        """The kubelet reports its addresses."""
        ref = ObjectRef(resource=PODS, name=name, namespace=team)
        status = {"podIP": addresses[0], "podIPs": [{"ip": address} for address in addresses]}
        self.api.beside("kubelet").patch(ref, {"status": status}, subresource="status")

    def agents_apply(self, *numbers: int) -> None:
        """These agents, or all of them, apply what is published."""
        for name in [f"node-{number}" for number in numbers] or list(self.plans()):
            spec = self.get(node_ref(name))["spec"]
            applied = {
                "revision": spec["revision"],
                "generation": spec["generation"],
                "digest": spec["digest"],
            }
            self._report(name, {"applied": applied, "errors": None})

    def agent_wants(self, number: int, network: str, addresses: int) -> None:
        """Pods wait there for addresses; 0: none does."""
        wanted = [{"network": f"{TEAM}/{network}", "addresses": addresses}] if addresses else []
        self._report(f"node-{number}", {"wanted": wanted})

    def blocks_on(self, number: int) -> list[str]:
        plan = self.plans()[NodeName(f"node-{number}")]
        return [
            str(block.prefix)
            for network in plan.networks
            for block in network.blocks
            if block.node == plan.number
        ]

    def agent_fails(self, number: int, error: str) -> None:
        self._report(f"node-{number}", {"errors": [error]})

    def _report(self, name: str, status: Json) -> None:
        self.api.beside("agent").patch(node_ref(name), {"status": status}, subresource="status")

    # What is to be seen.

    def exists(self, ref: ObjectRef) -> bool:
        try:
            self.api.get(ref)
        except NotFound:
            return False
        return True

    def get(self, ref: ObjectRef) -> Document:
        return msgspec.json.decode(self.api.get(ref), type=Document)

    def status(self, ref: ObjectRef) -> Document:
        found = self.get(ref).get("status", {})
        assert isinstance(found, dict)
        return found

    def condition(self, ref: ObjectRef, of: str = "Ready") -> tuple[str, str]:
        """Its status and reason; empty where it does not stand."""
        found = (one for one in self.status(ref).get("conditions", ()) if one["type"] == of)
        return next(((one["status"], one["reason"]) for one in found), ("", ""))

    def events(self, reason: str) -> list[str]:
        items = msgspec.json.decode(self.api.list(EVENTS, limit=10_000), type=Document)["items"]
        return [item["regarding"]["name"] for item in items if item["reason"] == reason]

    def plans(self) -> dict[str, NodePlan]:
        """As agents read them."""
        items = msgspec.json.decode(self.api.list(NODE_NETWORKS), type=Document)["items"]
        return {
            item["metadata"]["name"]: codec.decode_plan(plan_bytes(iter([item["spec"]["plan"]])))
            for item in items
        }

    def networks_on(self, number: int) -> list[str]:
        plan = self.plans()[NodeName(f"node-{number}")]
        return [network.name.name for network in plan.networks]

    def revisions(self) -> dict[str, str]:
        return {name: self.get(node_ref(name))["spec"]["revision"] for name in self.plans()}


URL: Final = "https://git.example.com/networks.git"


def network_ref(name: str, team: str = TEAM) -> ObjectRef:
    return ObjectRef(resource=VIRTUAL_NETWORKS, name=name, namespace=team)


def router_ref(name: str, team: str = TEAM) -> ObjectRef:
    return ObjectRef(resource=VIRTUAL_NETWORK_ROUTERS, name=name, namespace=team)


def node_ref(name: str) -> ObjectRef:
    return ObjectRef(resource=NODE_NETWORKS, name=name)


def started(
    files: Mapping[str, bytes], *, nodes: int = 1, rollout: Json | None = None, network: str = ""
) -> Stage:
    """A commit is in force on some nodes, with a pod on each in the network; nothing is left to do."""
    stage = Stage()
    for number in range(1, nodes + 1):
        stage.node(number)
        if network:
            stage.pod(f"{network}-{number}", number, network)
    stage.repository.commit(files)
    stage.follow(rollout=rollout or {})
    stage.settle()
    stage.agents_apply()
    stage.settle()
    return stage
