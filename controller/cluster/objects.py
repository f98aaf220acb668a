"""Custom resources as the watch gives them, cut down to what the controller decides by.

One object that cannot be understood becomes an `Undecodable` that says why, and stops no other. A
status that cannot be understood counts as none: whoever owns it writes it anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import msgspec
from msgspec.json import Decoder

from controller.cluster.resource_status import (
    ConfigStatus,
    NetworkStatus,
    NodeStatus,
    RouterStatus,
    SourceStatus,
)
from controller.cluster.source_spec import SourceSpec
from kube import kinds
from kube.api import ObjectRef
from kube.resource import Resource

FIELD_MANAGER = "atoll-controller"
ORIGIN = "atoll.dev/origin"
REVISION = "atoll.dev/revision"
REQUESTED_AT = "reconcile.atoll.dev/requestedAt"
NETWORK_STATUS = "k8s.v1.cni.cncf.io/network-status"
"""On pods of networks, where no meta-plugin has written it."""
_APPLY = "Apply"
IN_USE = "atoll.dev/in-use"
"""The finalizer of networks: deletion waits while pods use one."""

RESOURCES: Mapping[str, Resource] = {
    resource.kind: resource
    for resource in (
        kinds.VIRTUAL_NETWORKS,
        kinds.VIRTUAL_NETWORK_ROUTERS,
        kinds.CLUSTER_CONFIGS,
        kinds.NETWORK_SOURCES,
        kinds.NODE_NETWORKS,
        kinds.PODS,
    )
}


class ResourceKey(NamedTuple):
    """Which object of which kind; the namespace is empty where the kind has none. A tuple, for speed."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return "/".join(filter(None, self))

    @staticmethod
    def parse(text: str) -> ResourceKey:
        """Read what `str` gives, as an inventory holds it. Raises ValueError."""
        kind, *rest = text.split("/")
        resource = RESOURCES.get(kind)
        if resource is None or len(rest) != (2 if resource.namespaced else 1) or not all(rest):
            raise ValueError(f"{text[:100]!r} names no resource as Kind/namespace/name")
        return ResourceKey(kind=kind, namespace=rest[0] if resource.namespaced else "", name=rest[-1])

    @property
    def ref(self) -> ObjectRef:
        return ObjectRef(resource=RESOURCES[self.kind], name=self.name, namespace=self.namespace)

    @property
    def subject(self) -> str:
        """`VirtualNetwork team-a/red`, as problems name objects."""
        return f"{self.kind} {'/'.join(filter(None, self[1:]))}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Owner:
    """A field manager, and what it owns in one way of writing."""

    manager: str
    operation: str
    """`Apply` or `Update`."""
    subresource: str = ""
    spec: frozenset[str] = frozenset()
    """Fields of spec, the outermost names."""
    labels: frozenset[str] = frozenset()

    @property
    def is_us(self) -> bool:
        return self.manager == FIELD_MANAGER and self.operation == _APPLY and not self.subresource


@dataclass(frozen=True, kw_only=True, slots=True)
class Metadata:
    uid: str
    resource_version: str
    generation: int
    created: str
    terminating: str
    """deletionTimestamp; "" while nobody has asked for deletion."""
    finalizers: tuple[str, ...]
    labels: Mapping[str, str]
    origin: str
    revision: str
    requested_at: str
    owners: tuple[Owner, ...]

    @property
    def ours(self) -> Owner | None:
        """What we own by applying declarations; None for an object that is foreign."""
        if not self.owners and self.revision:
            # Where managedFields are left out, our annotation must do.
            return Owner(manager=FIELD_MANAGER, operation=_APPLY)
        return next((owner for owner in self.owners if owner.is_us), None)


DeclaredStatus = NetworkStatus | RouterStatus | ConfigStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed:
    """A VirtualNetwork, VirtualNetworkRouter or ClusterConfig."""

    key: ResourceKey
    metadata: Metadata
    spec: bytes
    """Canonical JSON."""
    status: DeclaredStatus | None = None

    @property
    def manifest(self) -> bytes:
        """The object as a declaration file would hold it, canonical: what a foreign one declares."""
        metadata: dict[str, object] = {"labels": self.metadata.labels, "name": self.key.name}
        if self.key.namespace:
            metadata["namespace"] = self.key.namespace
        resource = RESOURCES[self.key.kind]
        return msgspec.json.encode(
            {
                "apiVersion": resource.api_version,
                "kind": resource.kind,
                "metadata": metadata,
                "spec": msgspec.Raw(self.spec),
            },
            order="sorted",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ObservedSource:
    key: ResourceKey
    metadata: Metadata
    spec: SourceSpec
    status: SourceStatus | None = None


class NodeSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Of a NodeNetwork, without the plan itself: a thousand plans are not held."""

    revision: str = ""
    generation: int = 0
    digest: str = ""
    number: int = 0
    address: str = ""
    parts: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class ObservedNode:
    key: ResourceKey
    metadata: Metadata
    spec: NodeSpec
    status: NodeStatus | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Undecodable:
    """An object that is there and cannot be understood."""

    key: ResourceKey
    reason: str

    def __str__(self) -> str:
        return f"{self.key.subject}: {self.reason}"


class _Annotations(msgspec.Struct):
    origin: str = msgspec.field(default="", name=ORIGIN)
    revision: str = msgspec.field(default="", name=REVISION)
    requested_at: str = msgspec.field(default="", name=REQUESTED_AT)


class _OwnedMetadata(msgspec.Struct):
    labels: dict[str, msgspec.Raw] = msgspec.field(default_factory=dict, name="f:labels")


class _Owned(msgspec.Struct):
    spec: dict[str, msgspec.Raw] = msgspec.field(default_factory=dict, name="f:spec")
    metadata: _OwnedMetadata = msgspec.field(default_factory=_OwnedMetadata, name="f:metadata")


class _ManagedFields(msgspec.Struct, rename="camel"):
    manager: str = ""
    operation: str = ""
    subresource: str = ""
    fields_v1: _Owned = msgspec.field(default_factory=_Owned, name="fieldsV1")


class _Metadata(msgspec.Struct, rename="camel"):
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    finalizers: tuple[str, ...] | None = None
    labels: dict[str, str] | None = None
    annotations: _Annotations | None = None
    managed_fields: list[_ManagedFields] | None = None


class _Object(msgspec.Struct):
    metadata: _Metadata
    spec: msgspec.Raw = msgspec.Raw(b"{}")
    status: msgspec.Raw = msgspec.Raw(b"{}")


_objects = Decoder(_Object)
_S = TypeVar("_S")
_network_statuses, _router_statuses = Decoder(NetworkStatus), Decoder(RouterStatus)
_config_statuses = Decoder(ConfigStatus)
_source_specs, _source_statuses = Decoder(SourceSpec), Decoder(SourceStatus)
_node_specs, _node_statuses = Decoder(NodeSpec), Decoder(NodeStatus)


def decode(key: ResourceKey, raw: bytes) -> Observed | Undecodable:
    """A VirtualNetwork, VirtualNetworkRouter or ClusterConfig."""
    try:
        item = _objects.decode(raw)
        return Observed(
            key=key,
            metadata=_metadata(item.metadata),
            spec=canonical(item.spec),
            status=_declared_status(key.kind, item.status),
        )
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Undecodable(key=key, reason=str(error))


def decode_source(key: ResourceKey, raw: bytes) -> ObservedSource | Undecodable:
    try:
        item = _objects.decode(raw)
        return ObservedSource(
            key=key,
            metadata=_metadata(item.metadata),
            spec=_source_specs.decode(item.spec),
            status=_status(_source_statuses, item.status),
        )
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Undecodable(key=key, reason=str(error))


def decode_node(key: ResourceKey, raw: bytes) -> ObservedNode | Undecodable:
    try:
        item = _objects.decode(raw)
        return ObservedNode(
            key=key,
            metadata=_metadata(item.metadata),
            spec=_node_specs.decode(item.spec),
            status=_status(_node_statuses, item.status),
        )
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Undecodable(key=key, reason=str(error))


def canonical(raw: bytes | msgspec.Raw) -> bytes:
    """The same JSON with sorted keys and no white space. Raises msgspec.DecodeError."""
    return msgspec.json.encode(msgspec.json.decode(raw), order="sorted")


def _declared_status(kind: str, raw: msgspec.Raw) -> DeclaredStatus | None:
    match kind:
        case "VirtualNetwork":
            return _status(_network_statuses, raw)
        case "VirtualNetworkRouter":
            return _status(_router_statuses, raw)
        case _:
            return _status(_config_statuses, raw)


def _status(decoder: Decoder[_S], raw: msgspec.Raw) -> _S | None:
    try:
        return decoder.decode(raw) if bytes(raw) != b"{}" else None
    except msgspec.ValidationError:
        return None


def _metadata(item: _Metadata) -> Metadata:
    annotations = item.annotations or _Annotations()
    return Metadata(
        uid=item.uid,
        resource_version=item.resource_version,
        generation=item.generation,
        created=item.creation_timestamp or "",
        terminating=item.deletion_timestamp or "",
        finalizers=item.finalizers or (),
        labels=item.labels or {},
        origin=annotations.origin,
        revision=annotations.revision,
        requested_at=annotations.requested_at,
        owners=tuple(_owner(one) for one in item.managed_fields or ()),
    )


def _owner(item: _ManagedFields) -> Owner:
    return Owner(
        manager=item.manager,
        operation=item.operation,
        subresource=item.subresource,
        spec=_names(item.fields_v1.spec),
        labels=_names(item.fields_v1.metadata.labels),
    )


def _names(fields: Mapping[str, object]) -> frozenset[str]:
    """`f:subnets` is the field; `.` stands for the mapping itself."""
    return frozenset(name.removeprefix("f:") for name in fields if name != ".")
