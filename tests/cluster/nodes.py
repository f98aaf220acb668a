"""Nodes with their agents' accounts on the real API server, under the chart's rights and policies."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

from agent.identity import NodeToken, as_node
from cli.lab.control_plane import ControlPlane
from cli.lab.kubelets import ClusterNode, Kubelets
from compiler.names import NodeName
from controller.cluster.identities import Identities
from kube.api import Api, ApiError, Json
from kube.client import ClusterApi
from kube.connection import Connection, from_kubeconfig, in_cluster
from kube.kinds import NODES, PODS, SERVICE_ACCOUNTS
from tests.cluster.chart import AGENTS, NAMESPACE
from tests.cluster.chart import NODES as NODES_NAMESPACE

SECONDS: Final = 60.0
ONE, TWO = NodeName("node-1.example.org"), NodeName("node-2")
_numbers = count(1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Nodes:
    """Two Nodes with their identities, made by the controller's own account."""

    plane: ControlPlane
    admin: ClusterApi

    @staticmethod
    def made_on(plane: ControlPlane) -> Nodes:
        nodes = Nodes(plane=plane, admin=ClusterApi.of(from_kubeconfig(str(plane.kubeconfig))))
        kubelets = Kubelets(nodes.admin)
        for number, name in enumerate((ONE, TWO), start=1):
            kubelets.add_node(ClusterNode(name=name, addresses=(f"192.0.2.{number}",)))
        controller = nodes.admin_token(NAMESPACE, "atoll-controller")
        Identities(nodes.api("the controller", controller)).reconcile([ONE, TWO])
        return nodes

    def admin_token(self, namespace: str, account: str, bound: Json | None = None) -> str:
        spec = {"expirationSeconds": 3600, **({"boundObjectRef": bound} if bound else {})}
        return token_of(self.admin, namespace, account, spec)

    def api(self, who: str, token: str) -> ClusterApi:
        return ClusterApi.of(self.connection(who, token))

    def connection(self, who: str, token: str) -> Connection:
        return from_kubeconfig(str(self.plane.bearer(who, token)))

    def agent_token(self, node: str = "") -> str:
        """As the kubelet of the node mounts it into the agent's pod; of a pod that waits, without a node."""
        name = f"agent-{next(_numbers)}"
        container = {"name": "agent", "image": "registry.invalid/agent:1"}
        spec = {"serviceAccountName": "atoll-agent", "containers": [container]}
        pod = {"metadata": {"name": name}, "spec": {**spec, **({"nodeName": node} if node else {})}}
        self.admin.create(PODS, {"apiVersion": "v1", "kind": "Pod", **pod}, namespace=AGENTS)
        return self.admin_token(AGENTS, "atoll-agent", {"apiVersion": "v1", "kind": PODS.kind, "name": name})

    def agent(self, node: str = "") -> ClusterApi:
        return self.api(f"agent on {node or 'no node'}", self.agent_token(node))

    def node_token(self, node: NodeName) -> NodeToken:
        return NodeToken(api=self.agent(node), node=node, namespace=NODES_NAMESPACE)

    def node(self, node: NodeName) -> Api:
        """With the identity that its agent gets by the exchange."""
        return as_node(self.connection(f"agent on {node}", self.agent_token(node)), node)

    def mounted(self, folder: Path, node: NodeName) -> Callable[[], Connection]:
        """Connects as the agent's pod on the node does: by a token that its kubelet put into a folder."""
        (folder / "token").write_text(self.agent_token(node))
        (folder / "ca.crt").write_text(self.plane.ca.read_text())
        host, _, port = self.plane.url.removeprefix("https://").rpartition(":")
        environ = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
        return lambda: in_cluster(folder, environ=environ)


def token_spec(node: str, **changes: object) -> Json:
    bound = {"apiVersion": "v1", "kind": NODES.kind, "name": node}
    return {"expirationSeconds": 3600, "boundObjectRef": bound, **changes}


def token_of(api: Api, namespace: str, account: str, spec: Json) -> str:
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    answer: Any = json.loads(
        api.create(SERVICE_ACCOUNTS, request, namespace=namespace, name=account, subresource="token")
    )
    return str(answer["status"]["token"])


def await_refusal(ask: Callable[[], object], words: str) -> None:
    """Until the API server says no in these words: what it knows of rights and policies may lag behind."""
    end, said = time.monotonic() + SECONDS, "it was allowed"
    while words not in said:
        assert time.monotonic() < end, f"after {SECONDS:g} s: {said}"
        time.sleep(0.1)
        try:
            ask()
        except ApiError as error:
            said = str(error)
