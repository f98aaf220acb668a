"""The control plane's side of the demo: API server, Git host, controller, and what kubelets would report.

All of it runs on this machine, natively: an emulated one would take minutes for the API server alone.
"""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec

import schemas
from agent.node_network import NodeNetwork, decode, plan_bytes
from cli.demonstration import population
from cli.demonstration.cluster import SERVICES, with_own_ranges
from cli.demonstration.onlooker import Objects, Onlooker
from cli.demonstration.process import Process
from cli.demonstration.repository import Repository
from cli.failure import Failure
from cli.lab.authority import Authority
from cli.lab.child import Child
from cli.lab.control_plane import Binaries, CommandRefused, ControlPlane
from cli.lab.definitions import install
from cli.lab.endpoint_slices import publish
from cli.lab.git_host import GitHost
from cli.lab.kubelets import Kubelets
from compiler import codec
from compiler.allocations import Allocations
from compiler.compilation import compile
from compiler.inventory import Inventory
from compiler.parse import parse
from controller.directory import read_directory
from controller.reach import reach_of
from kube.api import Api, ObjectRef
from kube.client import ClusterApi
from kube.connection import connect
from kube.kinds import (
    NAMESPACES,
    NETWORK_SOURCES,
    NODE_NETWORKS,
    PODS,
    SECRETS,
    SERVICE_ACCOUNTS,
    VIRTUAL_NETWORKS,
)
from kube.kinds import SERVICES as SERVICE_KIND
from kube.raw import split_page
from kube.resource import Resource

SYSTEM: Final = "atoll-system"
ACCOUNTS: Final = "atoll-nodes"
SOURCE: Final = "networks"
_PASSWORD: Final = "of the demo"  # noqa: S105  # of a Git host that lives as long as the demo
_READY_TIMEOUT: Final = "5m"
"""Of a wave of nodes: an emulated processor under load is slow."""
_REQUESTED: Final = "reconcile.atoll.dev/requestedAt"
_TOKEN_SECONDS: Final = 3600
_PRINTED_WITHIN: Final = 10.0


class _Metadata(msgspec.Struct):
    uid: str = ""
    namespace: str = ""


class _Condition(msgspec.Struct):
    type: str
    status: str
    reason: str = ""


class _Status(msgspec.Struct, rename="camel"):
    last_seen_revision: str = ""
    last_applied_revision: str = ""
    conditions: tuple[_Condition, ...] = ()
    token: str = ""

    def says(self, kind: str, status: str, reason: str = "") -> bool:
        return any(
            c.type == kind and c.status == status and reason in ("", c.reason) for c in self.conditions
        )


class _Object(msgspec.Struct):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    status: _Status = msgspec.field(default_factory=_Status)


class OwnHeadquarters:
    """On this machine. `open` once, `close` in any case."""

    def __init__(self, folder: Path, template: Path, binaries: Binaries) -> None:
        self._started = time.monotonic()
        self._folder = folder
        self._template = template
        self._binaries = binaries
        self._exit = ExitStack()

    def open(self) -> Iterator[str]:
        """Yields what is done, step by step."""
        self._folder.joinpath("control-plane").mkdir()
        self._plane = ControlPlane(self._binaries, folder=self._folder / "control-plane")
        self._exit.enter_context(self._plane)
        self._api = ClusterApi.of(connect(self._plane.kubeconfig))
        self._onlooker = Onlooker(self._api)
        version = json.loads(self._plane.kubectl("version", "--output=json"))["serverVersion"]["gitVersion"]
        yield f"A Kubernetes API server, {version}, with etcd, natively on this machine"
        install(self._api, schemas.crds())
        self._populate()
        yield "It serves Atoll's kinds; Nodes, pods, Services are there, as kubelets and users write them"
        self._begin_repository()
        yield f"A Git host with a repository from repo-template/, which the NetworkSource {SOURCE} names"
        self._start_controller()
        self._watch_rollout()
        yield "$ atoll controller --cluster"

    def _populate(self) -> None:
        kubelets = Kubelets(self._api)
        for name in (SYSTEM, ACCOUNTS):
            kubelets.add_namespace(name)
        for name, annotated in population.namespaces().items():
            kubelets.add_namespace(name, annotations=annotated)
        for name in population.SYSTEM_NAMESPACES:
            self._add_account(name)
        kubelets.add_all([*population.nodes(), *population.pods()])
        for service in population.services():
            namespace = msgspec.convert(service["metadata"], _Metadata).namespace
            self._api.create(SERVICE_KIND, service, namespace=namespace)
        self._kubelets = kubelets

    def _add_account(self, namespace: str) -> None:
        """What kube-controller-manager makes, and without which no pod is admitted."""
        self._onlooker.until(NAMESPACES, lambda found: namespace in found, f"namespace {namespace}")
        account = {"metadata": {"namespace": namespace, "name": "default"}}
        body = {"apiVersion": "v1", "kind": "ServiceAccount", **account}
        self._api.create(SERVICE_ACCOUNTS, body, namespace=namespace)

    def _begin_repository(self) -> None:
        folder = self._folder / "git-host"
        folder.mkdir()
        host = GitHost(folder, Authority(folder), password=_PASSWORD)
        self._exit.enter_context(host)
        self._remote = host.create(SOURCE)
        self._repository = Repository(self._folder / "networks", self._template, os.environ["PATH"])
        cluster = with_own_ranges(self._repository.read("cluster.yaml"))
        self._first = self._pushed("Platform", "The ranges of our own cluster", {"cluster.yaml": cluster})
        secret = {"username": b"git", "password": _PASSWORD.encode(), "ca.crt": host.certificate}
        coded = {key: base64.b64encode(value).decode() for key, value in secret.items()}
        self._create(SECRETS, "git", data=coded)
        canary = {"nodeSelector": {"matchLabels": {"kubernetes.io/hostname": population.NODES[0]}}}
        spec = {
            "url": host.url(SOURCE),
            "secretRef": {"name": "git"},
            "rollout": {"canary": canary, "readyTimeout": _READY_TIMEOUT},
        }
        self._create(NETWORK_SOURCES, SOURCE, spec=spec)

    def _create(self, resource: Resource, name: str, **content: object) -> None:
        metadata = {"namespace": SYSTEM, "name": name}
        body = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **content}
        self._api.create(resource, body, namespace=SYSTEM)

    def _pushed(self, author: str, message: str, files: Mapping[str, str]) -> str:
        revision = self._repository.commit(author, message, files)
        self._repository.push(self._remote)
        return revision

    def _start_controller(self) -> None:
        places = ["--kubeconfig", str(self._plane.kubeconfig), "--cache", str(self._folder / "cache")]
        self._controller = self.start("controller", ["controller", "--cluster", *places])

    def start(self, name: str, arguments: list[str]) -> Process:
        process = Process(name, arguments, folder=self._folder, place=None)
        self._onlooker.processes.append(process)
        self._exit.callback(process.end)
        return process

    def _watch_rollout(self) -> None:
        """kubectl itself, from the beginning to the end."""
        options = [f"--kubeconfig={self._plane.kubeconfig}", f"--cache-dir={self._folder / 'cache-kubectl'}"]
        command = [str(self._binaries.path("kubectl")), *options, "get", "nodenetworks", "--watch"]
        self._watch = Child("kubectl", command, folder=self._folder)
        self._watch.start()
        self._exit.callback(self._watch.stop)

    # What the side of the nodes asks: cli/demonstration/liaison.py says it.

    def seconds(self) -> float:
        return time.monotonic() - self._started

    def api_port(self) -> int:
        return int(self._plane.url.rpartition(":")[2])

    def kubeconfig(self, node: str) -> str:
        token = node_token(self._api, self._onlooker, node)
        return portable(self._plane.bearer(node, token), self._plane.ca)

    def pod_uids(self) -> Mapping[str, str]:
        refs = {f"{pod.namespace}/{pod.name}": pod.ref for pod in population.pods()}
        return {
            name: msgspec.json.decode(self._api.get(ref), type=_Object).metadata.uid
            for name, ref in refs.items()
        }

    def report_pods(self, addresses: Mapping[str, Sequence[str]]) -> None:
        for name, listed in addresses.items():
            namespace, _slash, pod = name.partition("/")
            ref = ObjectRef(resource=PODS, namespace=namespace, name=pod)
            self._kubelets.report_running(ref, listed)
        for name in ("kube-system/kube-dns", *SERVICES):
            namespace, _slash, service = name.partition("/")
            publish(self._api, ObjectRef(resource=SERVICE_KIND, namespace=namespace, name=service))

    def kubectl(self, arguments: Sequence[str]) -> str:
        try:
            return self._plane.kubectl(*arguments)
        except CommandRefused as error:
            raise Failure(str(error)) from None

    def first_revision(self) -> str:
        return self._first

    def commit(self, author: str, message: str, files: Mapping[str, str]) -> str:
        revision = self._pushed(author, message, files)
        # The webhook of a Git host does the same.
        source = ObjectRef(resource=NETWORK_SOURCES, namespace=SYSTEM, name=SOURCE)
        self._api.patch(source, {"metadata": {"annotations": {_REQUESTED: revision}}})
        return revision

    def await_applied(self, revision: str) -> None:
        self._onlooker.until(
            NETWORK_SOURCES,
            lambda found: self._is_applied(found, revision),
            f"commit {revision[:7]} in force on both nodes, in the status of NetworkSource {SOURCE}",
            namespace=SYSTEM,
        )

    def digests(self) -> Mapping[str, str]:
        page = split_page(self._api.list(NODE_NETWORKS))
        return {item.key.name: decode(item.data).stamp.digest for item in page.items}

    def _is_applied(self, sources: Objects, revision: str) -> bool:
        status = msgspec.json.decode(sources[SOURCE], type=_Object).status
        return status.last_applied_revision == revision and status.says("Ready", "True")

    def await_endpoints(self) -> None:
        self._onlooker.until(
            NODE_NETWORKS,
            lambda found: _all_in_force(found) and _all_offered(found),
            "every Service's endpoints in the plans of both nodes",
        )

    def await_refusal(self, revision: str) -> None:
        def refused(sources: Objects) -> bool:
            status = msgspec.json.decode(sources[SOURCE], type=_Object).status
            return status.last_seen_revision == revision and status.says("Ready", "False", "CommitRefused")

        self._onlooker.until(
            NETWORK_SOURCES,
            refused,
            f"commit {revision[:7]} refused, in NetworkSource {SOURCE}",
            namespace=SYSTEM,
        )

    def await_conflict(self, network: str) -> None:
        namespace, _slash, name = network.partition("/")

        def told(networks: Objects) -> bool:
            status = msgspec.json.decode(networks[name], type=_Object).status
            return status.says("InSync", "False", "ConflictWithGit")

        self._onlooker.until(VIRTUAL_NETWORKS, told, f"the conflict of {network}", namespace=namespace)

    def reachability(self) -> bytes:
        parsed = parse(dict(read_directory(self._repository.path).files), revision="")
        if parsed.declarations is None:
            raise Failure("the demo's own commit has errors: " + "; ".join(map(str, parsed.problems)))
        reach = reach_of(compile(parsed.declarations, Inventory(), Allocations()))
        return codec.encode_reachability(reach.reachability)

    def rollout_lines(self, revision: str) -> Sequence[str]:
        deadline = time.monotonic() + _PRINTED_WITHIN
        while True:
            printed = self._watch.log.read_text().splitlines()
            lines = [line for line in printed if revision[:12] in line]
            done = {line.split()[0] for line in lines if "is in force" in line}
            if done >= set(population.NODES) or time.monotonic() > deadline:
                return [*printed[:1], *lines]
            time.sleep(0.1)  # kubectl has the event as we have, and says it a moment later

    def log_line(self, text: str) -> str:
        return self._controller.line_with(text)

    def close(self) -> None:
        self._exit.close()


def node_token(api: Api, onlooker: Onlooker, node: str) -> str:
    """Of the account that the controller makes for the node, once it has."""
    onlooker.until(
        SERVICE_ACCOUNTS, lambda found: node in found, f"the account of {node}", namespace=ACCOUNTS
    )
    bound = {"apiVersion": "v1", "kind": "Node", "name": node}
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": _TOKEN_SECONDS, "boundObjectRef": bound},
    }
    answer = api.create(SERVICE_ACCOUNTS, body, namespace=ACCOUNTS, name=node, subresource="token")
    return msgspec.json.decode(answer, type=_Object).status.token


def portable(kubeconfig: Path, ca: Path) -> str:
    """With certificates and keys in it: a virtual machine does not see the files."""
    config = json.loads(kubeconfig.read_text())
    server = config["clusters"][0]["cluster"]["server"]
    config["clusters"][0]["cluster"] = {"server": server, "certificate-authority-data": _coded(ca)}
    user = config["users"][0]["user"]
    for name in ("client-certificate", "client-key"):
        if name in user:
            user[f"{name}-data"] = _coded(Path(user.pop(name)))
    return json.dumps(config)


def _coded(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()


def _all_in_force(networks: Objects) -> bool:
    found = [decode(raw) for raw in networks.values()]
    return len(found) == len(population.NODES) and all(_is_in_force(network) for network in found)


def _is_in_force(network: NodeNetwork) -> bool:
    applied = network.status.applied if network.status else None
    return applied is not None and applied.digest == network.stamp.digest


def _all_offered(networks: Objects) -> bool:
    plans = [codec.decode_plan(plan_bytes(decode(raw), ())) for raw in networks.values()]
    offered = {
        (str(service.name), service.addresses[0].version): len(service.backends)
        for plan in plans
        for service in plan.services
    }
    return all(offered.get((name, v)) == len(pods) for name, pods in SERVICES.items() for v in (4, 6))
