"""Atoll's CustomResourceDefinitions, put on an API server and awaited."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

import msgspec

from kube.api import Api, Json, ObjectRef, TooManyRequests
from kube.resource import Resource

DEFINITIONS: Final = Resource(
    group="apiextensions.k8s.io",
    version="v1",
    plural="customresourcedefinitions",
    kind="CustomResourceDefinition",
    namespaced=False,
)


class NotEstablished(RuntimeError):
    """The API server took a definition and does not serve it."""


class _Condition(msgspec.Struct):
    type: str
    status: str
    message: str = ""


class _Status(msgspec.Struct):
    conditions: list[_Condition] | None = None


class _Metadata(msgspec.Struct, rename="camel"):
    name: str = ""
    resource_version: str = ""


class _Names(msgspec.Struct):
    plural: str
    kind: str


class _Version(msgspec.Struct):
    name: str


class _Spec(msgspec.Struct):
    group: str
    names: _Names
    scope: str
    versions: list[_Version]

    @property
    def resources(self) -> Iterator[Resource]:
        for version in self.versions:
            yield Resource(
                group=self.group,
                version=version.name,
                plural=self.names.plural,
                kind=self.names.kind,
                namespaced=self.scope == "Namespaced",
            )


class _Definition(msgspec.Struct):
    metadata: _Metadata
    spec: _Spec
    status: _Status = msgspec.field(default_factory=_Status)

    @property
    def is_served(self) -> bool:
        return any(c.type == "Established" and c.status == "True" for c in self.status.conditions or ())

    @property
    def complaint(self) -> str:
        said = (c.message for c in self.status.conditions or () if c.status == "False" and c.message)
        return f"{self.metadata.name} is not served: {', '.join(said) or 'the server says nothing'}"


_objects = msgspec.json.Decoder(_Definition)


class _List(msgspec.Struct):
    metadata: _Metadata
    items: list[_Definition]


_lists = msgspec.json.Decoder(_List)


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


_events = msgspec.json.Decoder(_Event)


def install(api: Api, definitions: Sequence[Json], *, within: float = 120) -> None:
    """Returns when all are served; NotEstablished, with the server's reasons, after `within` seconds."""
    names = {
        msgspec.convert(definition["metadata"], _Metadata).name: definition for definition in definitions
    }
    for name, definition in names.items():
        api.apply(
            ObjectRef(resource=DEFINITIONS, name=name), definition, field_manager="atoll-lab", force=True
        )
    deadline = time.monotonic() + within
    while waiting := _await_more(api, names.keys(), seconds=deadline - time.monotonic()):
        if time.monotonic() > deadline:
            raise NotEstablished("; ".join(waiting))
    for definition in definitions:
        for resource in msgspec.convert(definition["spec"], _Spec).resources:
            _await_list(api, resource, deadline)


def _await_list(api: Api, resource: Resource, deadline: float) -> None:
    """Established is not yet listed: while the server fills its cache it asks to come back later."""
    while True:
        try:
            api.list(resource, limit=1, resource_version="0")
        except TooManyRequests as busy:
            if time.monotonic() > deadline:
                raise NotEstablished(f"{resource} is not listed: {busy}") from busy
            time.sleep(busy.retry_after or 0.1)
        else:
            return


def _await_more(api: Api, names: Collection[str], *, seconds: float) -> list[str]:
    """Complaints of those not served yet; returns as soon as the watch shows that all are."""
    listed = _lists.decode(api.list(DEFINITIONS, limit=0))
    waiting = {d.metadata.name: d for d in listed.items if d.metadata.name in names and not d.is_served}
    if waiting and seconds > 0:
        version = listed.metadata.resource_version
        with api.watch(DEFINITIONS, resource_version=version, timeout_seconds=int(seconds) + 1) as events:
            for changed in _definitions(events):
                if changed.is_served:
                    waiting.pop(changed.metadata.name, None)
                if not waiting:
                    break
    return [definition.complaint for definition in waiting.values()]


def _definitions(events: Iterable[bytes]) -> Iterator[_Definition]:
    """Ends with the stream, and at an error in it, such as that of a version too old: the next list helps."""
    for line in events:
        event = _events.decode(line)
        if event.type == "ERROR":
            return
        yield _objects.decode(event.object)
