"""What the contract tests of the API read out of answers, and the objects that they write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from kube import kinds
from kube.api import Api, Json, Key, ObjectRef, Watch
from kube.resource import Resource

Object = dict[str, object]


def read(data: bytes) -> Object:
    return msgspec.json.decode(data, type=Object)


def at(body: object, *path: str) -> object:
    """Return the value at a path of an object; None where it leads nowhere."""
    for step in path:
        body = body.get(step) if isinstance(body, Mapping) else None
    return body


def text_at(body: object, *path: str) -> str:
    value = at(body, *path)
    assert isinstance(value, str), f"{path} is {value!r}"
    return value


def version_of(data: bytes) -> str:
    return text_at(read(data), "metadata", "resourceVersion")


def names_of(page: bytes) -> list[str]:
    items = read(page)["items"]
    assert isinstance(items, list)
    return [text_at(item, "metadata", "name") for item in items]


def config_map(name: str, data: Mapping[str, str] | None = None, **metadata: object) -> Object:
    body: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}}
    return body | ({"data": dict(data)} if data else {})


def network(name: str, *, subnet: str = "10.10.0.0/24", **metadata: object) -> Object:
    return {
        "apiVersion": kinds.VIRTUAL_NETWORKS.api_version,
        "kind": "VirtualNetwork",
        "metadata": {"name": name, **metadata},
        "spec": {"subnets": [subnet]},
    }


def lease(name: str, holder: str, **metadata: object) -> Object:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, **metadata},
        "spec": {"holderIdentity": holder},
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class Space:
    """A namespace of the test's own."""

    api: Api
    name: str

    def ref(self, resource: Resource, name: str) -> ObjectRef:
        return ObjectRef(resource=resource, name=name, namespace=self.name)

    def create(self, resource: Resource, body: Json) -> bytes:
        return self.api.create(resource, body, namespace=self.name)

    def config_map(self, name: str, data: Mapping[str, str] | None = None, **metadata: object) -> bytes:
        return self.create(kinds.CONFIG_MAPS, config_map(name, data, **metadata))

    def list(self, resource: Resource, **how: str) -> bytes:
        return self.api.list(resource, namespace=self.name, **how)  # type: ignore[arg-type]

    def now(self, resource: Resource = kinds.CONFIG_MAPS) -> str:
        """The present version."""
        return version_of(self.list(resource))

    def watch(self, resource: Resource = kinds.CONFIG_MAPS, *, since: str, label_selector: str = "") -> Watch:
        return self.api.watch(
            resource,
            resource_version=since,
            namespace=self.name,
            label_selector=label_selector,
            timeout_seconds=60,
            silence_seconds=30,
        )


def new_space(api: Api) -> Space:
    created = api.create(kinds.NAMESPACES, {"metadata": {"generateName": "contract-"}})
    return Space(api=api, name=text_at(read(created), "metadata", "name"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Happening:
    type: str
    key: Key
    version: int


def happening(line: bytes) -> Happening:
    event = read(line)
    metadata = at(event, "object", "metadata")
    return Happening(
        type=text_at(event, "type"),
        key=Key(namespace=str(at(metadata, "namespace") or ""), name=text_at(metadata, "name")),
        version=int(text_at(metadata, "resourceVersion")),
    )


def next_of(watch: Watch) -> Happening:
    """Return the next event that is about an object."""
    for line in watch:
        if at(read(line), "type") != "BOOKMARK":
            return happening(line)
    raise AssertionError("the watch has ended")
