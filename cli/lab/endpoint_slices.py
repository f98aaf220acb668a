"""EndpointSlices of a Service from the pods that its selector finds, as kube-controller-manager does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

import msgspec

from kube.api import Api, Json, ObjectRef
from kube.kinds import ENDPOINT_SLICES, PODS

_ENDPOINTS: Final = 100
"""Of one slice, kube-controller-manager's default."""
_SERVICE: Final = "kubernetes.io/service-name"
_MANAGER: Final = "endpointslice.kubernetes.io/managed-by"


class _Part(msgspec.Struct, rename="camel"):
    pass


class _Metadata(_Part):
    name: str
    uid: str = ""
    deletion_timestamp: str = ""


class _ServicePort(_Part):
    port: int
    name: str = ""
    protocol: str = "TCP"
    target_port: int | str = 0


class _ServiceSpec(_Part):
    selector: dict[str, str] = {}
    ip_families: list[str] = []
    ports: list[_ServicePort] = []


class _Service(_Part):
    metadata: _Metadata
    spec: _ServiceSpec


_services = msgspec.json.Decoder(_Service)


class _ContainerPort(_Part):
    container_port: int
    name: str = ""


class _Container(_Part):
    ports: list[_ContainerPort] = []


class _PodSpec(_Part):
    node_name: str = ""
    containers: list[_Container] = []

    @property
    def named_ports(self) -> Mapping[str, int]:
        return {port.name: port.container_port for container in self.containers for port in container.ports}


class _Address(_Part):
    ip: str


class _Condition(_Part):
    type: str
    status: str


class _PodStatus(_Part):
    phase: str = ""
    pod_ips: list[_Address] = msgspec.field(default_factory=list, name="podIPs")
    conditions: list[_Condition] = []

    @property
    def is_ready(self) -> bool:
        return any(c.type == "Ready" and c.status == "True" for c in self.conditions)


class _Pod(_Part):
    metadata: _Metadata
    spec: _PodSpec
    status: _PodStatus


class _Pods(_Part):
    items: list[_Pod]


_pod_lists = msgspec.json.Decoder(_Pods)


class _Slice(_Part):
    metadata: _Metadata


class _Slices(_Part):
    items: list[_Slice]


_slice_lists = msgspec.json.Decoder(_Slices)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Shape:
    """Pods share a slice if they are of one family and their named ports have the same numbers."""

    family: str
    ports: tuple[tuple[str, str, int], ...]
    """Name, protocol and number of each."""


def publish(api: Api, service: ObjectRef) -> None:
    """Brings the Service's slices up to date with its pods; those of no use any more are removed.

    A Service without a selector has none of its own.
    """
    found = _services.decode(api.get(service))
    if not found.spec.selector:
        return
    wanted = {_name(body): body for body in _slices(api, service, found)}
    for name, body in wanted.items():
        ref = ObjectRef(resource=ENDPOINT_SLICES, namespace=service.namespace, name=name)
        api.apply(ref, body, field_manager="endpointslice-controller", force=True)
    label = f"{_SERVICE}={service.name}"
    listed = api.list(ENDPOINT_SLICES, namespace=service.namespace, label_selector=label, limit=0)
    for old in _slice_lists.decode(listed).items:
        if old.metadata.name not in wanted:
            ref = ObjectRef(resource=ENDPOINT_SLICES, namespace=service.namespace, name=old.metadata.name)
            api.delete(ref)


def _slices(api: Api, ref: ObjectRef, service: _Service) -> Iterator[Json]:
    selector = ",".join(f"{key}={value}" for key, value in service.spec.selector.items())
    listed = api.list(PODS, namespace=ref.namespace, label_selector=selector, limit=0)
    pods = sorted(_pod_lists.decode(listed).items, key=lambda pod: pod.metadata.name)
    for family in service.spec.ip_families:
        groups: dict[_Shape, list[Json]] = {}
        for pod in pods:
            addresses = [a.ip for a in pod.status.pod_ips if _family(a.ip) == family]
            if addresses and pod.status.phase not in ("Succeeded", "Failed"):
                shape = _Shape(family=family, ports=tuple(_ports(service, pod)))
                groups.setdefault(shape, []).append(_endpoint(ref, pod, addresses[0]))
        parts = [(shape, part) for shape, endpoints in groups.items() for part in _parts(endpoints)]
        for index, (shape, part) in enumerate(parts):
            yield _slice(ref, service, f"{ref.name}-{family.lower()}-{index}", shape, part)


def _parts(endpoints: Sequence[Json]) -> Iterator[Sequence[Json]]:
    for start in range(0, len(endpoints), _ENDPOINTS):
        yield endpoints[start : start + _ENDPOINTS]


def _ports(service: _Service, pod: _Pod) -> Iterator[tuple[str, str, int]]:
    for port in service.spec.ports:
        target = port.target_port
        number = pod.spec.named_ports.get(target, 0) if isinstance(target, str) else target or port.port
        if number:
            yield port.name, port.protocol, number


def _endpoint(service: ObjectRef, pod: _Pod, address: str) -> Json:
    name, terminating = pod.metadata.name, bool(pod.metadata.deletion_timestamp)
    ready = pod.status.is_ready
    return {
        "addresses": [address],
        "nodeName": pod.spec.node_name,
        "targetRef": {"kind": "Pod", "namespace": service.namespace, "name": name, "uid": pod.metadata.uid},
        "conditions": {"ready": ready and not terminating, "serving": ready, "terminating": terminating},
    }


def _slice(ref: ObjectRef, service: _Service, name: str, shape: _Shape, endpoints: Sequence[Json]) -> Json:
    owner = {"apiVersion": "v1", "kind": "Service", "name": ref.name, "uid": service.metadata.uid}
    return {
        "apiVersion": ENDPOINT_SLICES.api_version,
        "kind": ENDPOINT_SLICES.kind,
        "metadata": {
            "namespace": ref.namespace,
            "name": name,
            "labels": {_SERVICE: ref.name, _MANAGER: "endpointslice-controller.k8s.io"},
            "ownerReferences": [owner],
        },
        "addressType": shape.family,
        "endpoints": endpoints,
        "ports": [{"name": name, "protocol": protocol, "port": port} for name, protocol, port in shape.ports],
    }


def _name(body: Json) -> str:
    return msgspec.convert(body, _Slice).metadata.name


def _family(address: str) -> str:
    """As addressType and ipFamilies name it."""
    return f"IPv{ip_address(address).version}"
