"""Lists and events cut into single objects without decoding them: only names and versions are read.

Each object's bytes are a copy, so that a page of 500 is freed as soon as it is cut.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from kube.api import Key


class _Metadata(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    namespace: str = ""
    resource_version: str = ""


class _Object(msgspec.Struct, frozen=True):
    metadata: _Metadata


class _ListMetadata(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""
    continue_token: str = msgspec.field(default="", name="continue")


class _List(msgspec.Struct, frozen=True):
    metadata: _ListMetadata
    items: list[msgspec.Raw] | None = None


class _Event(msgspec.Struct, frozen=True):
    type: str
    object: msgspec.Raw


_objects = msgspec.json.Decoder(_Object)
_lists = msgspec.json.Decoder(_List)
_events = msgspec.json.Decoder(_Event)


class Malformed(Exception):
    """Bytes that are no list or event; nothing of them was used."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RawObject:
    key: Key
    """The name is empty where the object has none that could be read."""
    version: str
    data: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class RawPage:
    version: str
    continue_token: str
    items: Iterator[RawObject]
    """To be gone through once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RawEvent:
    type: str
    object: RawObject


def split_page(data: bytes) -> RawPage:
    try:
        page = _lists.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"the list is not readable: {error}") from None
    return RawPage(
        version=page.metadata.resource_version,
        continue_token=page.metadata.continue_token,
        items=(_object(bytes(item)) for item in page.items or ()),
    )


def split_event(line: bytes) -> RawEvent:
    try:
        event = _events.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"an event is not readable: {error}") from None
    return RawEvent(type=event.type, object=_object(bytes(event.object)))


def _object(data: bytes) -> RawObject:
    try:
        metadata = _objects.decode(data).metadata
    except (msgspec.DecodeError, UnicodeDecodeError):
        return RawObject(key=Key("", ""), version="", data=data)
    # Thousands of objects share some namespaces.
    key = Key(namespace=sys.intern(metadata.namespace), name=metadata.name)
    return RawObject(key=key, version=metadata.resource_version, data=data)
