"""Kubernetes objects as the API server sends them, cut down to the fields that a compilation needs.

Decoding skips everything else without building it. Each kind has a `..._from` function that makes
the inventory's value: the same one for a file that kubectl wrote and for a watch. None means that the
object does not count (a finished pod, an ExternalName Service); `Unusable`, that it cannot be right.
Absent conditions of endpoints mean what the EndpointSlice API says: ready and serving, not terminating.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct, ValidationError, convert, field
from msgspec.json import Decoder

from compiler.address_text import Zoned, parse_address
from compiler.inventory import Endpoint, EndpointSlice, Namespace, Node, Pod, Service, ServicePort
from compiler.model import Address
from compiler.names import NodeName, ObjectName, is_label, is_subdomain

PortNumber = Annotated[int, Meta(ge=1, le=65535)]
Protocol = Literal["TCP", "UDP", "SCTP"]


class Unusable(ValueError):
    """An object of the cluster that breaks the rules of its own API; the text says which."""


class _Part(Struct, rename="camel", gc=False):
    """Objects of a decoded message never refer to each other, so they need no garbage collection."""


class Annotations(_Part):
    network: str | None = field(default=None, name="atoll.dev/network")
    contrail: str | None = field(default=None, name="net.juniper.contrail.podnetwork")
    asked: str | None = field(default=None, name="atoll.dev/ip")
    mirrored: str | None = field(default=None, name="kubernetes.io/config.mirror")

    @property
    def chosen(self) -> str | None:
        return self.contrail if self.network is None else self.network


class Metadata(_Part):
    name: str
    namespace: str = ""
    uid: str = ""
    annotations: Annotations | None = None

    @property
    def network(self) -> str | None:
        return self.annotations.chosen if self.annotations else None

    @property
    def runtime_uid(self) -> str:
        """A static pod's is the hash of its file: its mirror in the API has a UID that no runtime sees."""
        return (self.annotations.mirrored if self.annotations else None) or self.uid


class NodeAddress(_Part):
    type: str
    address: str


class NodeStatus(_Part):
    addresses: list[NodeAddress] | None = None


class NodeSpec(_Part):
    pod_cidr: str | None = field(default=None, name="podCIDR")
    pod_cidrs: list[str] | None = field(default=None, name="podCIDRs")


class NodeObject(_Part):
    metadata: Metadata
    spec: NodeSpec = field(default_factory=NodeSpec)
    status: NodeStatus = field(default_factory=NodeStatus)


class LabelledMetadata(Metadata):
    labels: dict[str, str] | None = None


class NamespaceObject(_Part):
    metadata: LabelledMetadata


class PodAddress(_Part):
    ip: str = ""


class PodStatus(_Part):
    phase: str = ""
    pod_ip: str | None = field(default=None, name="podIP")
    pod_ips: list[PodAddress] | None = field(default=None, name="podIPs")


class PodSpec(_Part):
    node_name: str | None = None
    host_network: bool | None = None


class PodObject(_Part):
    metadata: Metadata
    spec: PodSpec = field(default_factory=PodSpec)
    status: PodStatus = field(default_factory=PodStatus)


class Ingress(_Part):
    ip: str | None = None
    ip_mode: str | None = None


class LoadBalancer(_Part):
    ingress: list[Ingress] | None = None


class ServiceStatus(_Part):
    load_balancer: LoadBalancer | None = None


class ServicePortSpec(_Part):
    port: PortNumber
    name: str | None = None
    protocol: Protocol | None = None
    node_port: Annotated[int, Meta(ge=0, le=65535)] | None = None


class ServiceSpec(_Part):
    type: str = "ClusterIP"
    cluster_ip: str | None = field(default=None, name="clusterIP")
    cluster_ips: list[str] | None = field(default=None, name="clusterIPs")
    external_ips: list[str] | None = field(default=None, name="externalIPs")
    ports: list[ServicePortSpec] | None = None
    session_affinity: str | None = None
    internal_traffic_policy: str | None = None


class ServiceObject(_Part):
    metadata: Metadata
    spec: ServiceSpec = field(default_factory=ServiceSpec)
    status: ServiceStatus = field(default_factory=ServiceStatus)


class SliceLabels(_Part):
    service: str | None = field(default=None, name="kubernetes.io/service-name")


class SliceMetadata(Metadata):
    labels: SliceLabels | None = None


class Conditions(_Part):
    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class TargetReference(_Part):
    kind: str = ""
    name: str = ""
    namespace: str = ""


class EndpointPart(_Part):
    addresses: list[str]
    conditions: Conditions | None = None
    node_name: str | None = None
    target_ref: TargetReference | None = None


class SlicePort(_Part):
    name: str | None = None
    protocol: Protocol | None = None
    port: PortNumber | None = None


class EndpointSliceObject(_Part):
    metadata: SliceMetadata
    address_type: str
    endpoints: list[EndpointPart] | None = None
    ports: list[SlicePort] | None = None


KubernetesObject = NodeObject | NamespaceObject | PodObject | ServiceObject | EndpointSliceObject
Fact = Node | Namespace | Pod | Service | EndpointSlice

KINDS: Mapping[tuple[str, str], type[KubernetesObject]] = {
    ("v1", "Node"): NodeObject,
    ("v1", "Namespace"): NamespaceObject,
    ("v1", "Pod"): PodObject,
    ("v1", "Service"): ServiceObject,
    ("discovery.k8s.io/v1", "EndpointSlice"): EndpointSliceObject,
}
"""What an inventory is made of, by apiVersion and kind."""

_decoders = {shape: Decoder(shape) for shape in KINDS.values()}


def decode(shape: type[KubernetesObject], item: bytes | Raw) -> Fact | None:
    """What the inventory keeps of an object in JSON. Raises Unusable."""
    try:
        return fact_from(_decoders[shape].decode(item))
    except (ValidationError, UnicodeDecodeError) as error:
        raise Unusable(str(error)) from None


def build(shape: type[KubernetesObject], item: object) -> Fact | None:
    """What the inventory keeps of an object that YAML gave as plain lists and mappings. Raises Unusable."""
    try:
        return fact_from(convert(item, shape))
    except ValidationError as error:
        raise Unusable(str(error)) from None


def fact_from(item: KubernetesObject) -> Fact | None:
    match item:
        case PodObject():
            return pod_from(item)
        case EndpointSliceObject():
            return slice_from(item)
        case ServiceObject():
            return service_from(item)
        case NamespaceObject():
            return namespace_from(item)
        case NodeObject():
            return node_from(item)


def node_from(item: NodeObject) -> Node:
    name = _checked(item.metadata.name, "metadata.name")
    listed = item.status.addresses or ()
    internal, external = (
        [_address(one.address) for one in listed if one.type == kind] for kind in ("InternalIP", "ExternalIP")
    )
    ranges = item.spec.pod_cidrs or ([item.spec.pod_cidr] if item.spec.pod_cidr else [])
    try:
        pod_ranges = tuple(ip_network(text) for text in ranges)
    except ValueError as error:
        raise Unusable(f"its spec.podCIDRs are not ranges: {error}") from None
    return Node(
        name=NodeName(name),
        addresses=_unique([*internal, *external]),
        external=frozenset(external) - frozenset(internal),
        pod_ranges=pod_ranges,
    )


def namespace_from(item: NamespaceObject) -> Namespace:
    name = item.metadata.name
    if not is_label(name):
        raise Unusable(f"its metadata.name {_quoted(name)} is not a namespace's name (RFC 1123 label)")
    return Namespace(name=name, labels=item.metadata.labels or {}, network=item.metadata.network)


def pod_from(item: PodObject) -> Pod | None:
    """None for a pod that is finished, so that its address is free, or on its host's network."""
    if item.spec.host_network or item.status.phase in ("Succeeded", "Failed"):
        return None
    reported = [one.ip for one in item.status.pod_ips or () if one.ip]
    if not reported and item.status.pod_ip:
        reported = [item.status.pod_ip]
    node = item.spec.node_name
    return Pod(
        name=_object_name(item.metadata),
        uid=item.metadata.runtime_uid,
        node=NodeName(_checked(node, "spec.nodeName")) if node else None,
        network=item.metadata.network,
        addresses=tuple(_address(text) for text in reported),
        asked=item.metadata.annotations.asked if item.metadata.annotations else None,
    )


def service_from(item: ServiceObject) -> Service | None:
    """None for an ExternalName Service, which is a DNS entry and no more."""
    spec = item.spec
    if spec.type == "ExternalName":
        return None
    cluster = spec.cluster_ips or ([spec.cluster_ip] if spec.cluster_ip else [])
    balancer = item.status.load_balancer
    # ipMode Proxy: the load balancer wants the traffic itself, so kube-proxy does not capture the
    # address on nodes (KEP-1860), and neither is it ours.
    balanced = [
        one.ip for one in (balancer.ingress if balancer else None) or () if one.ip and one.ip_mode != "Proxy"
    ]
    return Service(
        name=_object_name(item.metadata),
        cluster_addresses=_unique(_address(text) for text in cluster if text not in ("", "None")),
        external_addresses=_unique(_address(text) for text in (*(spec.external_ips or ()), *balanced)),
        ports=tuple(
            ServicePort(
                name=_port_name(port.name),
                protocol=port.protocol or "TCP",
                port=port.port,
                node_port=port.node_port or None,
            )
            for port in spec.ports or ()
        ),
        client_affinity=spec.session_affinity == "ClientIP",
        internal_local=spec.internal_traffic_policy == "Local",
    )


def slice_from(item: EndpointSliceObject) -> EndpointSlice | None:
    """None for a slice of names instead of addresses, and for one that belongs to no Service."""
    labels = item.metadata.labels
    if item.address_type == "FQDN" or labels is None or not labels.service:
        return None
    name = _object_name(item.metadata)
    if not is_label(labels.service):
        raise Unusable(f"its label kubernetes.io/service-name {_quoted(labels.service)} is no Service's name")
    return EndpointSlice(
        name=name,
        service=ObjectName(namespace=name.namespace, name=labels.service),
        ports=tuple(
            (_port_name(port.name), port.protocol or "TCP", port.port)
            for port in item.ports or ()
            if port.port is not None
        ),
        endpoints=tuple(_endpoint(part, name.namespace) for part in item.endpoints or ()),
    )


def _endpoint(part: EndpointPart, namespace: str) -> Endpoint:
    conditions = part.conditions or Conditions()
    target = part.target_ref
    pod = None
    if target is not None and target.kind == "Pod":
        pod = ObjectName(
            namespace=target.namespace or namespace, name=_checked(target.name, "endpoints.targetRef.name")
        )
    return Endpoint(
        addresses=tuple(_address(text) for text in part.addresses),
        node=NodeName(_checked(part.node_name, "endpoints.nodeName")) if part.node_name else None,
        pod=pod,
        ready=conditions.ready is not False,
        serving=conditions.serving is not False,
        terminating=conditions.terminating is True,
    )


def _object_name(metadata: Metadata) -> ObjectName:
    if not is_label(metadata.namespace):
        raise Unusable(f"its metadata.namespace {_quoted(metadata.namespace)} is not an RFC 1123 label")
    return ObjectName(namespace=metadata.namespace, name=_checked(metadata.name, "metadata.name"))


def _checked(name: str, where: str) -> str:
    if not is_subdomain(name):
        raise Unusable(f"its {where} {_quoted(name)} is not an RFC 1123 name")
    return name


def _port_name(name: str | None) -> str:
    if name and not is_label(name):
        raise Unusable(f"its port name {_quoted(name)} is not an RFC 1123 label")
    return name or ""


def _address(text: str) -> Address:
    """An IPv6 zone (`%eth0`) is refused: it means something on one host only, and is arbitrary text."""
    try:
        return parse_address(text)
    except Zoned:
        raise Unusable(f"{_quoted(text)} has a zone, which has no meaning outside its host") from None
    except ValueError:
        raise Unusable(f"{_quoted(text)} is not an IP address") from None


def _unique(addresses: Iterable[Address]) -> tuple[Address, ...]:
    return tuple(dict.fromkeys(addresses))


def _quoted(text: str) -> str:
    return ascii(text[:100])
