"""What kubelets, the scheduler and kube-controller-manager would do, as far as Atoll can see it.

A control plane of the lab has none of them: a caller says that a pod runs somewhere with some
addresses, and what the API server then holds is what a whole cluster would have written there.
EndpointSlices are in cli/lab/endpoint_slices.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import msgspec

from kube.api import Api, Json, NotFound, ObjectRef
from kube.kinds import NAMESPACES, NODES, PODS, SERVICE_ACCOUNTS
from kube.resource import Resource

_AT_ONCE: Final = 8
"""Requests: more only queue in the server."""
_NONE: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterNode:
    name: str
    addresses: tuple[str, ...]
    """Internal ones, the first of each family being the one that counts."""
    pod_ranges: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterPod:
    namespace: str
    name: str
    node: str = ""
    """Empty: not scheduled."""
    addresses: tuple[str, ...] = ()
    """Empty: its sandbox is not there yet, so it is pending."""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    host_network: bool = False
    ports: Mapping[str, int] = field(default_factory=dict)
    """Of the container, by name."""

    @property
    def ref(self) -> ObjectRef:
        return ObjectRef(resource=PODS, namespace=self.namespace, name=self.name)


class _Metadata(msgspec.Struct, rename="camel"):
    name: str
    uid: str = ""
    deletion_timestamp: str = ""


class _Object(msgspec.Struct):
    metadata: _Metadata


_objects = msgspec.json.Decoder(_Object)


class Kubelets:
    """Safe to be used from several threads, as its Api is. An error of a request is the caller's."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def add_namespace(
        self, name: str, *, labels: Mapping[str, str] = _NONE, annotations: Mapping[str, str] = _NONE
    ) -> None:
        """With its ServiceAccount `default`, without which no pod is admitted."""
        metadata = {"name": name, "labels": labels, "annotations": annotations}
        self._api.create(NAMESPACES, _object(NAMESPACES, metadata))
        account = _object(SERVICE_ACCOUNTS, {"namespace": name, "name": "default"})
        self._api.create(SERVICE_ACCOUNTS, account, namespace=name)

    def add_node(self, node: ClusterNode) -> None:
        """Ready, as a kubelet reports it."""
        metadata = {"name": node.name, "labels": {"kubernetes.io/hostname": node.name, **node.labels}}
        ranges = {"podCIDR": node.pod_ranges[0], "podCIDRs": node.pod_ranges} if node.pod_ranges else {}
        self._api.create(NODES, {**_object(NODES, metadata), "spec": ranges})
        addresses = [{"type": "InternalIP", "address": address} for address in node.addresses]
        status = {
            "addresses": [*addresses, {"type": "Hostname", "address": node.name}],
            "conditions": [_condition("Ready", is_true=True, reason="KubeletReady")],
        }
        self._api.patch(ObjectRef(resource=NODES, name=node.name), {"status": status}, subresource="status")

    def remove_node(self, name: str) -> None:
        """Only the object: its pods stay until somebody removes them."""
        self._api.delete(ObjectRef(resource=NODES, name=name))

    def add_pod(self, pod: ClusterPod) -> None:
        """Created as by a user, then scheduled and run as far as `pod` says."""
        self._api.create(PODS, _pod_object(pod), namespace=pod.namespace)
        if pod.node:
            self.bind(pod.ref, node=pod.node)
        if pod.addresses:
            self.report_running(pod.ref, pod.addresses)

    def bind(self, ref: ObjectRef, *, node: str) -> None:
        """As the scheduler does."""
        target = {"apiVersion": "v1", "kind": "Node", "name": node}
        metadata = {"namespace": ref.namespace, "name": ref.name}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": metadata, "target": target}
        self._api.create(PODS, binding, namespace=ref.namespace, name=ref.name, subresource="binding")

    def report_running(self, ref: ObjectRef, addresses: Sequence[str], *, ready: bool = True) -> None:
        status = {
            "phase": "Running",
            "podIP": addresses[0],
            "podIPs": [{"ip": address} for address in addresses],
            "conditions": [_condition("Ready", is_true=ready), _condition("ContainersReady", is_true=ready)],
        }
        self._api.patch(ref, {"status": status}, subresource="status")

    def report_ended(self, ref: ObjectRef, *, phase: str = "Succeeded") -> None:
        """`Succeeded` or `Failed`. Its addresses may be another's from now on."""
        status = {"phase": phase, "conditions": [_condition("Ready", is_true=False, reason="PodCompleted")]}
        self._api.patch(ref, {"status": status}, subresource="status")

    def remove_pod(self, ref: ObjectRef) -> None:
        """Gone when it returns, as after a kubelet's last word; also where somebody is deleting it."""
        try:
            pod = _objects.decode(self._api.get(ref))
        except NotFound:
            return
        if pod.metadata.deletion_timestamp:
            self._force(ref)
        else:
            self.report_ended(ref)  # the API server grants no period of grace to a pod that has ended
            self._api.delete(ref, uid=pod.metadata.uid)

    def _force(self, ref: ObjectRef) -> None:
        metadata = {"namespace": ref.namespace, "name": ref.name}
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
        body = {**eviction, "deleteOptions": {"gracePeriodSeconds": 0}}
        self._api.create(PODS, body, namespace=ref.namespace, name=ref.name, subresource="eviction")

    def add_all(self, things: Iterable[ClusterNode | ClusterPod]) -> None:
        """Several at once, in no order; the first error is raised when all are done."""
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as workers:
            results = list(workers.map(self._add_quietly, things))
        for error in filter(None, results):
            raise error

    def _add_quietly(self, thing: ClusterNode | ClusterPod) -> Exception | None:
        try:
            self.add_node(thing) if isinstance(thing, ClusterNode) else self.add_pod(thing)
        except Exception as error:  # handed to the caller
            return error
        return None


def _object(resource: Resource, metadata: Json) -> Json:
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}


def _pod_object(pod: ClusterPod) -> Json:
    metadata = {
        "namespace": pod.namespace,
        "name": pod.name,
        "labels": pod.labels,
        "annotations": pod.annotations,
    }
    ports = [{"name": name, "containerPort": port} for name, port in pod.ports.items()]
    spec = {
        "containers": [{"name": "main", "image": "registry.invalid/main:1", "ports": ports}],
        "hostNetwork": pod.host_network,
    }
    return {**_object(PODS, metadata), "spec": spec}


def _condition(kind: str, *, is_true: bool, reason: str = "") -> Json:
    return {"type": kind, "status": "True" if is_true else "False", **({"reason": reason} if reason else {})}
