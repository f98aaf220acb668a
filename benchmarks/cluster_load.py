"""A cluster's worth of objects on a real API server: nodes, namespaces, pods, Services with endpoints.

Its networks and pods are `benchmarks.synthetic_cluster`'s. Pods come bound and without addresses, as a
scheduler leaves them; when the controller has given their networks blocks, they run at addresses of those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from benchmarks import synthetic_cluster
from cli.lab.endpoint_slices import publish
from cli.lab.kubelets import ClusterNode, ClusterPod, Kubelets
from compiler import codec
from compiler.allocations import Allocations
from compiler.inventory import Pod
from compiler.names import ObjectName
from controller.cluster.records import Records
from kube.api import Api, Json, ObjectRef
from kube.kinds import ENDPOINT_SLICES, SERVICES

SYSTEM = "atoll-system"
NODES_NAMESPACE = "atoll-nodes"
AT_ONCE = 8
"""Requests of this load: more only queue in the server."""

CONFIG = """\
apiVersion: atoll.dev/v1alpha1
kind: ClusterConfig
metadata: {{name: cluster}}
spec:
  podRanges: [172.20.0.0/14, "fd20::/48"]
  serviceRanges: [10.96.0.0/16, "fd00:10:96::/112"]
  nodeRanges: [192.168.0.0/16, "fd40::/64"]
  mtu: {mtu}
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    size: synthetic_cluster.Size

    @property
    def teams(self) -> list[str]:
        return [f"team-{team:03}" for team in range(self.size.teams)]

    @property
    def pods(self) -> int:
        return len(self.size.networks) * self.size.pods_of_a_network

    def repository(self) -> dict[str, bytes]:
        return {**synthetic_cluster.repository(self.size), "cluster.yaml": config(mtu=1400)}

    def put(self, api: Api) -> list[Pod]:
        """Everything that stands in the cluster before a commit is in force; returns the pods, bound."""
        kubelets = Kubelets(api)
        for namespace in (SYSTEM, NODES_NAMESPACE, *self.teams):
            kubelets.add_namespace(namespace, labels={"kubernetes.io/metadata.name": namespace})
        kubelets.add_all(node(index) for index in range(self.size.nodes))
        _add_dns(api)
        pods = synthetic_cluster.pods(self.size)
        kubelets.add_all(cluster_pod(pod) for pod in pods)
        at_once(partial(_add_service, api, network) for network in self.size.networks)
        return pods

    def run(self, api: Api, pods: list[Pod]) -> None:
        """Give the pods the addresses that their agents would, and the Services their endpoints."""
        kubelets = Kubelets(api)
        running = synthetic_cluster.with_addresses(pods, allocations(api))
        at_once(
            partial(kubelets.report_running, cluster_pod(pod).ref, [str(one) for one in pod.addresses])
            for pod in running
        )
        at_once(partial(publish, api, service(network)) for network in self.size.networks)


def config(*, mtu: int) -> bytes:
    return CONFIG.format(mtu=mtu).encode()


def node(index: int) -> ClusterNode:
    v4, v6 = f"192.168.{index // 250}.{index % 250 + 1}", f"fd40::{index + 1:x}"
    return ClusterNode(name=f"node-{index:04}", addresses=(v4, v6))


def cluster_pod(pod: Pod) -> ClusterPod:
    """Bound and, without addresses, pending."""
    assert pod.network is not None
    return ClusterPod(
        namespace=pod.name.namespace,
        name=pod.name.name,
        node=pod.node or "",
        labels={"app": pod.network},
        annotations={"atoll.dev/network": pod.network},
    )


def like(pod: Pod, name: str) -> ClusterPod:
    """Another pod of the same network on the same node."""
    return replace(cluster_pod(pod), name=name)


def allocations(api: Api) -> Allocations:
    data = Records(api=api, namespace=SYSTEM).read("allocations")
    assert data is not None, "the controller has allocated nothing yet"
    return codec.decode_allocations(data)


def service(network: ObjectName) -> ObjectRef:
    return ObjectRef(resource=SERVICES, namespace=network.namespace, name=f"{network.name}-web")


def at_once(work: Iterable[Callable[[], object]]) -> None:
    """Do all of it, several at a time; the first error is raised at the end."""
    with ThreadPoolExecutor(max_workers=AT_ONCE) as workers:
        for future in [workers.submit(one) for one in work]:
            future.result()


def _add_service(api: Api, network: ObjectName) -> None:
    ports = [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080}]
    spec = {"selector": {"app": network.name}, "ipFamilyPolicy": "RequireDualStack", "ports": ports}
    _create_service(api, service(network), spec)


def _add_dns(api: Api) -> None:
    """With an endpoint of the default network: what every network may ask."""
    ports = [
        {"name": "dns", "protocol": "UDP", "port": 53},
        {"name": "dns-tcp", "protocol": "TCP", "port": 53},
    ]
    ref = ObjectRef(resource=SERVICES, namespace="kube-system", name="kube-dns")
    _create_service(api, ref, {"clusterIP": "10.96.0.10", "ports": ports})
    endpoints = {
        "apiVersion": ENDPOINT_SLICES.api_version,
        "kind": ENDPOINT_SLICES.kind,
        "metadata": {
            "namespace": ref.namespace,
            "name": "kube-dns-1",
            "labels": {"kubernetes.io/service-name": ref.name},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["172.20.0.10"], "conditions": {"ready": True}}],
        "ports": ports,
    }
    api.create(ENDPOINT_SLICES, endpoints, namespace=ref.namespace)


def _create_service(api: Api, ref: ObjectRef, spec: Mapping[str, object]) -> None:
    metadata = {"namespace": ref.namespace, "name": ref.name}
    body: Json = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
    api.create(SERVICES, body, namespace=ref.namespace)
