"""The API server over HTTP: raw bytes through the kubernetes package's configuration and urllib3's pool.

Every request has time-outs and a deadline. Reads are repeated once where a kept connection proved
to be closed; writes never are. Tokens stand in one header and nowhere else: no error repeats headers.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from urllib.parse import urlencode

import msgspec
import urllib3
from urllib3.exceptions import HTTPError, ProtocolError

from kube.api import Json, ObjectRef, Unauthorized, Unreachable, Watch
from kube.connection import Connection, Renewing
from kube.resource import Resource
from kube.status import error_of
from kube.stream import HttpWatch, words_of

_JSON = "application/json"
_MERGE = "application/merge-patch+json"
_APPLY = "application/apply-patch+yaml"  # JSON is YAML
USER_AGENT = f"atoll/{version('atoll')}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """How long a request may take, in seconds."""

    connect: float = 10
    read: float = 30
    """Without a byte."""
    total: float = 120
    """Until the answer is complete."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterApi:
    connection: Renewing
    patience: Patience = Patience()

    @staticmethod
    def of(connection: Connection, patience: Patience = Patience()) -> ClusterApi:
        return ClusterApi(connection=Renewing(current=connection), patience=patience)

    def with_patience(self, patience: Patience) -> ClusterApi:
        """Return the same client with other time-outs; they share their connections."""
        return replace(self, patience=patience)

    def get(self, ref: ObjectRef) -> bytes:
        return self.request_raw("GET", ref.path())

    def list(
        self,
        resource: Resource,
        *,
        namespace: str = "",
        field_selector: str = "",
        label_selector: str = "",
        limit: int = 500,
        continue_token: str = "",
        resource_version: str = "",
    ) -> bytes:
        query = {
            "limit": str(limit) if limit else "",
            "continue": continue_token,
            "resourceVersion": resource_version,
            "fieldSelector": field_selector,
            "labelSelector": label_selector,
        }
        return self.request_raw("GET", resource.path(namespace), query)

    def watch(
        self,
        resource: Resource,
        *,
        resource_version: str,
        namespace: str = "",
        field_selector: str = "",
        label_selector: str = "",
        timeout_seconds: int = 300,
        silence_seconds: float = 150,
    ) -> Watch:
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(timeout_seconds),
            "fieldSelector": field_selector,
            "labelSelector": label_selector,
        }
        # The read time-out stays with the connection, so it is that of the events too.
        timeout = urllib3.Timeout(connect=self.patience.connect, read=silence_seconds)
        request = _Request(verb="GET", path=resource.path(namespace), query=query)
        response = self._open(request, timeout)
        return HttpWatch(response, request=f"WATCH {request.path}", silence=silence_seconds)

    def create(
        self, resource: Resource, body: Json, *, namespace: str = "", name: str = "", subresource: str = ""
    ) -> bytes:
        return self.request_raw("POST", resource.path(namespace, name, subresource), body=body)

    def replace(self, ref: ObjectRef, body: Json, *, subresource: str = "") -> bytes:
        return self.request_raw("PUT", ref.path(subresource), body=body)

    def patch(self, ref: ObjectRef, body: Json, *, subresource: str = "") -> bytes:
        return self.request_raw("PATCH", ref.path(subresource), body=body, media_type=_MERGE)

    def apply(
        self,
        ref: ObjectRef,
        body: Json,
        *,
        field_manager: str,
        force: bool,
        subresource: str = "",
        dry_run: bool = False,
    ) -> bytes:
        query = {
            "fieldManager": field_manager,
            "force": "true" if force else "",
            "dryRun": "All" if dry_run else "",
        }
        return self.request_raw("PATCH", ref.path(subresource), query, body=body, media_type=_APPLY)

    def delete(self, ref: ObjectRef, *, resource_version: str = "", uid: str = "") -> None:
        preconditions = {"resourceVersion": resource_version, "uid": uid}
        given = {name: value for name, value in preconditions.items() if value}
        self.request_raw("DELETE", ref.path(), body={"preconditions": given} if given else None)

    def request_raw(
        self,
        verb: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Json | None = None,
        media_type: str = _JSON,
    ) -> bytes:
        """Send any request, such as GET /readyz, and return the body of its answer."""
        request = _Request(verb=verb, path=path, query=query or {}, body=body, media_type=media_type)
        deadline = time.monotonic() + self.patience.total
        timeout = urllib3.Timeout(connect=self.patience.connect, read=self.patience.read)
        return _body(self._open(request, timeout), request, deadline)

    def _open(self, request: _Request, timeout: urllib3.Timeout) -> urllib3.BaseHTTPResponse:
        """Return an answer that is a success, its body unread."""
        connection = self.connection.current
        try:
            return _answer(connection, request, timeout)
        except Unauthorized:
            # Refused before anything was done, so even a write may be sent again.
            if not self.connection.renew(connection):
                raise
            return _answer(self.connection.current, request, timeout)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Request:
    verb: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    """Parameters with an empty value are left out."""
    body: Json | None = None
    media_type: str = _JSON

    @property
    def url(self) -> str:
        query = urlencode({name: value for name, value in self.query.items() if value})
        return f"{self.path}?{query}" if query else self.path

    def __str__(self) -> str:
        return f"{self.verb} {self.path}"


def _answer(connection: Connection, request: _Request, timeout: urllib3.Timeout) -> urllib3.BaseHTTPResponse:
    response = _send(connection, request, timeout)
    if response.status < 300:
        return response
    deadline = time.monotonic() + 10
    try:
        body = _body(response, request, deadline)
    except Unreachable:
        body = b""
    retry_after = response.headers.get("Retry-After", "")
    raise error_of(body, request=str(request), status=response.status, retry_after=retry_after)


def _send(connection: Connection, request: _Request, timeout: urllib3.Timeout) -> urllib3.BaseHTTPResponse:
    try:
        return _send_once(connection, request, timeout)
    except ProtocolError as error:
        if request.verb != "GET":
            raise _unreachable(request, error) from None
    except (HTTPError, OSError) as error:
        raise _unreachable(request, error) from None
    # A kept connection that the server closed while the request was on its way.
    try:
        return _send_once(connection, request, timeout)
    except (HTTPError, OSError) as error:
        raise _unreachable(request, error) from None


def _send_once(
    connection: Connection, request: _Request, timeout: urllib3.Timeout
) -> urllib3.BaseHTTPResponse:
    headers = {"User-Agent": USER_AGENT, "Accept": _JSON, "Accept-Encoding": "identity"}
    authorization = connection.authorization()
    if authorization:
        headers["Authorization"] = authorization
    data = None
    if request.body is not None:
        headers["Content-Type"] = request.media_type
        data = msgspec.json.encode(request.body)
    return connection.pool.request(
        request.verb,
        connection.server + request.url,
        body=data,
        headers=headers,
        timeout=timeout,
        preload_content=False,
        redirect=False,
        retries=False,
    )


def _body(response: urllib3.BaseHTTPResponse, request: _Request, deadline: float) -> bytes:
    """Read all of it: the read time-out bounds each byte's waiting, the deadline their sum."""
    parts: list[bytes] = []
    try:
        while part := response.read1(1 << 18):
            parts.append(part)
            if time.monotonic() > deadline:
                raise TimeoutError("the answer took too long")
    except (HTTPError, OSError) as error:
        response.close()
        raise _unreachable(request, error) from None
    response.release_conn()
    return b"".join(parts)


def _unreachable(request: _Request | str, error: BaseException) -> Unreachable:
    return Unreachable(words_of(error), request=str(request))
