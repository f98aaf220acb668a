"""What must outlive a controller, as ConfigMaps: allocations, the commit in force, who reaches whom.

A record is one ConfigMap, `atoll-record-<name>`, with the compressed content or as much of it as fits; what
does not fit is in further ones, whose names hold the content's digest. Those are written first and
the old ones removed last, so that a reader always finds a whole record, the old one or the new. The first
one is only ever replaced in the version last read: a deposed controller cannot overwrite its successor.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from controller.cluster.leadership import Deposed
from controller.publication import PublicationError
from kube.api import AlreadyExists, Api, ApiError, Conflict, Json, NotFound, ObjectRef
from kube.kinds import CONFIG_MAPS

CHUNK_BYTES = 700_000
"""Of content in one ConfigMap, which may hold 1 MiB."""
MAX_BYTES = 256 * 1024 * 1024
"""Uncompressed; far above any allocations, and a bound on what a hand-made record may cost."""

LABELS: Mapping[str, str] = {"app.kubernetes.io/managed-by": "atoll", "atoll.dev/record": "true"}


class _Metadata(msgspec.Struct, rename="camel"):
    resource_version: str = ""


class _Data(msgspec.Struct):
    digest: str = ""
    chunks: str = "1"


class _Binary(msgspec.Struct):
    content: bytes = b""


class _ConfigMap(msgspec.Struct, rename="camel"):
    metadata: _Metadata
    data: _Data | None = None
    binary_data: _Binary | None = None


_config_maps = msgspec.json.Decoder(_ConfigMap)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Head:
    version: str
    """resourceVersion; "" before the record exists."""
    digest: str
    chunks: int


_NONE = _Head(version="", digest="", chunks=0)


@dataclass(kw_only=True, slots=True)
class Records:
    api: Api
    namespace: str
    _heads: dict[str, _Head] = field(default_factory=dict, init=False)

    def read(self, name: str) -> bytes | None:
        """Return a record's content, None where there is none. Raise PublicationError if it is damaged."""
        try:
            found = self._get(_first(name))
            if found is None:
                self._heads[name] = _NONE
                return None
            head = _head(found)
            compressed = _content(found)
            for index in range(1, head.chunks):
                part = self._get(_further(name, head.digest, index))
                compressed += _content(part) if part else b""
            content = _inflated(compressed)
        except (ApiError, msgspec.DecodeError, OSError, EOFError, ValueError) as error:
            raise _failed(self._where(name), str(error)) from None
        if _digest(content) != head.digest:
            raise _failed(self._where(name), "its content is not what its digest says")
        self._heads[name] = head
        return content

    def write(self, name: str, content: bytes) -> None:
        """Replace a record as a whole. Raise PublicationError, or Deposed where another wrote meanwhile."""
        before = self._heads.get(name)
        if before is None:
            self.read(name)
            before = self._heads[name]
        compressed = gzip.compress(content, compresslevel=6, mtime=0)
        pieces = [compressed[at : at + CHUNK_BYTES] for at in range(0, len(compressed), CHUNK_BYTES)]
        digest = _digest(content)
        try:
            for index, piece in enumerate(pieces[1:], start=1):
                self._put_further(_further(name, digest, index), piece)
            version = self._put_first(name, before, digest, pieces)
            self._heads[name] = _Head(version=version, digest=digest, chunks=len(pieces))
            if before.digest != digest:
                self._remove(name, before)
        except ApiError as error:
            raise _failed(self._where(name), str(error)) from None

    def _put_further(self, name: str, piece: bytes) -> None:
        try:
            self.api.create(CONFIG_MAPS, self._body(name, {}, piece), namespace=self.namespace)
        except AlreadyExists:
            return  # of an attempt before: its name holds the digest of the content

    def _put_first(self, name: str, before: _Head, digest: str, pieces: list[bytes]) -> str:
        body = self._body(_first(name), {"digest": digest, "chunks": str(len(pieces))}, pieces[0])
        try:
            if before.version:
                return self._replaced(_first(name), body, before.version)
            return _version(self.api.create(CONFIG_MAPS, body, namespace=self.namespace))
        except (Conflict, AlreadyExists):
            # Only a change of labels or the like may be overwritten.
            found = self._get(_first(name))
            if found is None or _head(found).digest != before.digest:
                raise Deposed(f"{self._where(name)}: another controller has written it") from None
            return self._replaced(_first(name), body, found.metadata.resource_version)

    def _replaced(self, name: str, body: Json, version: str) -> str:
        metadata = body["metadata"]
        assert isinstance(metadata, Mapping)
        body = {**body, "metadata": {**metadata, "resourceVersion": version}}
        return _version(self.api.replace(self._ref(name), body))

    def _remove(self, name: str, head: _Head) -> None:
        for index in range(1, head.chunks):
            try:
                self.api.delete(self._ref(_further(name, head.digest, index)))
            except NotFound:
                continue

    def _body(self, name: str, data: Mapping[str, str], piece: bytes) -> Json:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": self.namespace, "labels": LABELS},
            "data": data,
            "binaryData": {"content": base64.b64encode(piece).decode()},
        }

    def _get(self, name: str) -> _ConfigMap | None:
        try:
            return _config_maps.decode(self.api.get(self._ref(name)))
        except NotFound:
            return None

    def _ref(self, name: str) -> ObjectRef:
        return ObjectRef(resource=CONFIG_MAPS, name=name, namespace=self.namespace)

    def _where(self, name: str) -> str:
        return f"ConfigMap {self.namespace}/{_first(name)}"


def _first(name: str) -> str:
    return f"atoll-record-{name}"


def _further(name: str, digest: str, index: int) -> str:
    return f"{_first(name)}-{digest.removeprefix('sha256:')[:16]}-{index}"


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _version(answer: bytes) -> str:
    return _config_maps.decode(answer).metadata.resource_version


def _head(found: _ConfigMap) -> _Head:
    data = found.data or _Data()
    return _Head(version=found.metadata.resource_version, digest=data.digest, chunks=int(data.chunks))


def _content(found: _ConfigMap) -> bytes:
    return found.binary_data.content if found.binary_data else b""


def _inflated(compressed: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(compressed)) as stream:
            content = stream.read(MAX_BYTES + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if len(content) > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES} bytes")
    return content


def _failed(where: str, reason: str) -> PublicationError:
    return PublicationError(f"{where}: {reason}. Restore it from a backup of the cluster.")
