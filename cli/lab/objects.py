"""The lab as Kubernetes would list it: the text that `kubectl get ... -A -o json` prints.

The inventory of a compilation is made from this text, as from a real cluster's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from cli.lab.lab import Lab, LabNode, LabPod, LabService

Fields = dict[str, object]


def inventory_json(lab: Lab) -> bytes:
    items: list[Fields] = [
        *(_node(node) for node in lab.nodes),
        *(_namespace(lab, name) for name in sorted({*lab.namespaces, "default", "kube-system"})),
        *(_pod(pod) for pod in lab.pods.values()),
        *(_service(service) for service in lab.services.values()),
        *(piece for service in lab.services.values() for piece in _slices(lab, service)),
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=1).encode()


def _node(node: LabNode) -> Fields:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node.name, "uid": f"uid-{node.name}"},
        "spec": {"podCIDRs": [str(pod_range) for pod_range in node.pod_ranges]},
        "status": {"addresses": [{"type": "InternalIP", "address": str(a)} for a in node.addresses]},
    }


def _namespace(lab: Lab, name: str) -> Fields:
    namespace = lab.namespaces.get(name)
    labels = {"kubernetes.io/metadata.name": name, **(namespace.labels if namespace else {})}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": labels, **_annotated(namespace.network if namespace else None)},
    }


def _pod(pod: LabPod) -> Fields:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**_named(pod.name), "uid": pod_uid(pod), **_annotated(pod.network)},
        "spec": {"nodeName": pod.node.name, "containers": [{"name": "main", "image": "example"}]},
        "status": {
            "phase": "Running" if pod.addresses else "Pending",
            "podIPs": [{"ip": str(address)} for address in pod.addresses],
        },
    }


def pod_uid(pod: LabPod) -> str:
    return f"uid-{pod.name.replace('/', '-')}"


def _service(service: LabService) -> Fields:
    ports: list[Fields] = [
        {
            "name": protocol.lower(),
            "protocol": protocol,
            "port": service.port,
            "targetPort": service.target_port,
            **({"nodePort": service.node_port} if service.node_port else {}),
        }
        for protocol in service.protocols
    ]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _named(service.name),
        "spec": {
            "type": "NodePort" if service.node_port else "ClusterIP",
            "clusterIPs": [str(address) for address in service.addresses],
            "ports": ports,
            "sessionAffinity": "ClientIP" if service.client_affinity else "None",
            "internalTrafficPolicy": "Local" if service.internal_local else "Cluster",
        },
    }


def _slices(lab: Lab, service: LabService) -> Iterator[Fields]:
    """One a family, as the EndpointSlice controller makes them."""
    name = service.name.partition("/")[2]
    for version in lab.versions:
        metadata = _named(f"{service.name}-ipv{version}")
        endpoints = [_endpoint(service, pod, version) for pod in service.pods if pod.addresses]
        plain: list[Fields] = [
            {"addresses": [str(a)], "conditions": {"ready": True}}
            for a in service.plain_endpoints
            if a.version == version
        ]
        yield {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {**metadata, "labels": {"kubernetes.io/service-name": name}},
            "addressType": f"IPv{version}",
            "ports": [
                {"name": protocol.lower(), "protocol": protocol, "port": service.target_port}
                for protocol in service.protocols
            ],
            "endpoints": [*endpoints, *plain],
        }


def _endpoint(service: LabService, pod: LabPod, version: int) -> Fields:
    namespace, _slash, name = pod.name.partition("/")
    terminating = pod.name in service.terminating
    return {
        "addresses": [str(pod.address(version))],
        "nodeName": pod.node.name,
        "targetRef": {"kind": "Pod", "namespace": namespace, "name": name},
        "conditions": {"ready": not terminating, "serving": True, "terminating": terminating},
    }


def _named(name: str) -> Fields:
    namespace, _slash, short = name.partition("/")
    return {"namespace": namespace, "name": short}


def _annotated(network: str | None) -> Fields:
    return {"annotations": {"atoll.dev/network": network}} if network else {}
