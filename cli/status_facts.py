"""What `atoll status` reads of each object: statuses and a few facts, decoded one object at a time.

Plans are never decoded, and no object is kept as it came: two hundred plans may be two hundred megabytes.
What cannot be understood becomes a `damage` that says why, and hides nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec
from msgspec.json import Decoder

from controller.cluster import resource_status as statuses
from controller.cluster.objects import FIELD_MANAGER, ORIGIN, REVISION
from controller.cluster.reasons import ConditionType
from controller.cluster.resource_status import Condition, condition
from controller.cluster.source_spec import Selector, SourceSpec
from kube import kinds
from kube.api import Key
from kube.resource import Resource

SpecT = TypeVar("SpecT")
StatusT = TypeVar("StatusT", bound=statuses.ResourceStatus | statuses.NodeStatus)
_T = TypeVar("_T")


class RouterSpec(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    type: str = ""
    virtual_network_selector: Selector = Selector()


class Carried(msgspec.Struct, frozen=True, kw_only=True):
    """A network in a node's plan."""

    name: str
    number: int = 0
    presence: str = ""
    blocks: tuple[str, ...] = ()


class NodeSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Of a NodeNetwork, without the plan."""

    revision: str = ""
    generation: int = 0
    digest: str = ""
    number: int = 0
    address: str = ""
    networks: tuple[Carried, ...] = ()


class Nothing(msgspec.Struct, frozen=True):
    """Of a spec that is not looked at."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Item(Generic[SpecT, StatusT]):
    resource: Resource
    key: Key
    created: str
    deleting: str
    """When its deletion was asked for; "" while nobody has."""
    generation: int
    labels: Mapping[str, str]
    origin: str
    """`path:line` of the commit that declares it; "" for an object that only the cluster has."""
    revision: str
    """The commit that last changed it, of one that a commit declares."""
    written: str
    """When the controller last changed its spec; "" where that cannot be told."""
    spec: SpecT
    status: StatusT | None
    damage: str = ""
    """Why spec or status cannot be understood."""

    @property
    def subject(self) -> str:
        return f"{self.resource.kind} {self.key}"

    def says(self, of: ConditionType) -> Condition | None:
        return condition(self.status.conditions, of) if self.status else None


class SourceItem(Item[SourceSpec, statuses.SourceStatus]):
    __slots__ = ()


class ConfigItem(Item[Nothing, statuses.ConfigStatus]):
    __slots__ = ()


class NetworkItem(Item[Nothing, statuses.NetworkStatus]):
    __slots__ = ()


class RouterItem(Item[RouterSpec, statuses.RouterStatus]):
    __slots__ = ()


class NodeItem(Item[NodeSpec, statuses.NodeStatus]):
    __slots__ = ()


class LeaseSpec(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    holder_identity: str | None = None
    lease_duration_seconds: float | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class Regarding(msgspec.Struct, frozen=True, kw_only=True):
    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {Key(self.namespace, self.name)}"


class _Series(msgspec.Struct, frozen=True, rename="camel"):
    count: int = 1
    last_observed_time: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Happening:
    """An event that the controller recorded."""

    at: str
    warning: bool
    regarding: Regarding
    reason: str
    note: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Damaged:
    """An object of which nothing can be understood."""

    subject: str
    reason: str


class _Annotations(msgspec.Struct):
    origin: str = msgspec.field(default="", name=ORIGIN)
    revision: str = msgspec.field(default="", name=REVISION)


class _Writer(msgspec.Struct, rename="camel"):
    manager: str = ""
    operation: str = ""
    subresource: str = ""
    time: str = ""


class _Metadata(msgspec.Struct, rename="camel"):
    uid: str = ""
    generation: int = 0
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] | None = None
    annotations: _Annotations | None = None
    managed_fields: list[_Writer] | None = None


class _Object(msgspec.Struct):
    metadata: _Metadata
    spec: msgspec.Raw = msgspec.Raw(b"{}")
    status: msgspec.Raw = msgspec.Raw(b"{}")


class _Event(msgspec.Struct, rename="camel"):
    metadata: _Metadata
    regarding: Regarding = Regarding()
    reason: str = ""
    note: str = ""
    type: str = "Normal"
    event_time: str | None = None
    deprecated_last_timestamp: str | None = None
    series: _Series | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Decoded(Generic[_T]):
    value: _T | None
    damage: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Shape:
    """How the objects of one kind are read; the table below pairs each kind's types."""

    item: Callable[..., AnyItem]
    specs: Decoder[Any]
    statuses: Decoder[Any]
    unknown: object
    """In place of a spec that cannot be understood."""

    def read(self, resource: Resource, key: Key, raw: bytes) -> AnyItem:
        found = _objects.decode(raw)
        spec = _decoded(self.specs, found.spec, "spec")
        status = _decoded(self.statuses, found.status, "status")
        metadata = found.metadata
        annotations = metadata.annotations or _Annotations()
        return self.item(
            resource=resource,
            key=key,
            created=metadata.creation_timestamp or "",
            deleting=metadata.deletion_timestamp or "",
            generation=metadata.generation,
            labels=metadata.labels or {},
            origin=annotations.origin,
            revision=annotations.revision,
            written=_written(metadata),
            spec=self.unknown if spec.value is None else spec.value,
            status=status.value if bytes(found.status) != b"{}" else None,
            damage=spec.damage or status.damage,
        )


_objects = Decoder(_Object)
_events = Decoder(_Event)
_leases = Decoder(LeaseSpec)
_nothing = Decoder(Nothing)
_SHAPES: Mapping[Resource, _Shape] = {
    kinds.NETWORK_SOURCES: _Shape(
        item=SourceItem,
        specs=Decoder(SourceSpec),
        statuses=Decoder(statuses.SourceStatus),
        unknown=SourceSpec(url=""),
    ),
    kinds.CLUSTER_CONFIGS: _Shape(
        item=ConfigItem, specs=_nothing, statuses=Decoder(statuses.ConfigStatus), unknown=Nothing()
    ),
    kinds.VIRTUAL_NETWORKS: _Shape(
        item=NetworkItem, specs=_nothing, statuses=Decoder(statuses.NetworkStatus), unknown=Nothing()
    ),
    kinds.VIRTUAL_NETWORK_ROUTERS: _Shape(
        item=RouterItem,
        specs=Decoder(RouterSpec),
        statuses=Decoder(statuses.RouterStatus),
        unknown=RouterSpec(),
    ),
    kinds.NODE_NETWORKS: _Shape(
        item=NodeItem,
        specs=Decoder(NodeSpec),
        statuses=Decoder(statuses.NodeStatus),
        unknown=NodeSpec(),
    ),
}

AnyItem = SourceItem | ConfigItem | NetworkItem | RouterItem | NodeItem
Fact = AnyItem | LeaseSpec | Happening | str | Damaged
"""A pod that is pending is its uid."""


def fact_of(resource: Resource, key: Key, raw: bytes) -> Fact:
    """Never raises: an object that cannot be understood is Damaged."""
    try:
        return _understood(resource, key, raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Damaged(subject=f"{resource.kind} {key}", reason=str(error))


def _understood(resource: Resource, key: Key, raw: bytes) -> Fact:
    shape = _SHAPES.get(resource)
    if shape:
        return shape.read(resource, key, raw)
    if resource == kinds.EVENTS:
        return _happening(_events.decode(raw))
    found = _objects.decode(raw)
    return _leases.decode(found.spec) if resource == kinds.LEASES else found.metadata.uid


def _happening(event: _Event) -> Happening:
    last = event.series.last_observed_time if event.series else ""
    at = last or event.event_time or event.deprecated_last_timestamp or event.metadata.creation_timestamp
    return Happening(
        at=at or "",
        warning=event.type != "Normal",
        regarding=event.regarding,
        reason=event.reason,
        note=event.note,
    )


def _decoded(decoder: Decoder[_T], raw: msgspec.Raw, what: str) -> _Decoded[_T]:
    try:
        return _Decoded(value=decoder.decode(raw))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return _Decoded(value=None, damage=f"its {what} cannot be understood: {error}")


def _written(metadata: _Metadata) -> str:
    times = [
        writer.time
        for writer in metadata.managed_fields or ()
        if writer.manager == FIELD_MANAGER and not writer.subresource
    ]
    return max(times, default=metadata.creation_timestamp or "")


def moment(text: str) -> datetime | None:
    """A time of the API; None for what is none."""
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
