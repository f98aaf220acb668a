"""The API server as Atoll uses it: raw JSON in and out, one method for each verb, no models.

Answers are the server's bytes; who needs them decodes what it needs. Every failure is an ApiError
whose class says who must act. No method tries again by itself after a write: its outcome may be
unknown (`Unreachable`), and only the caller knows whether to read first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from kube.resource import Resource

Json = Mapping[str, object]
"""A JSON object to be sent; its values are what msgspec.json encodes."""


class Key(NamedTuple):
    """Which object of a resource; the namespace is empty where the resource has none."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class ObjectRef:
    resource: Resource
    name: str
    namespace: str = ""

    @property
    def key(self) -> Key:
        return Key(namespace=self.namespace, name=self.name)

    def path(self, subresource: str = "") -> str:
        return self.resource.path(self.namespace, self.name, subresource)

    def __str__(self) -> str:
        return f"{self.resource} {self.key}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cause:
    """One of the reasons in a refusal: an invalid field, or one that another manager owns."""

    reason: str
    field: str
    message: str


class ApiError(Exception):
    """A request that the API server refused or never answered."""

    def __init__(
        self,
        message: str,
        *,
        request: str = "",
        status: int = 0,
        reason: str = "",
        retry_after: float | None = None,
        causes: tuple[Cause, ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.request = request
        """Verb and path, for the message; never a header or a body."""
        self.status = status
        """Zero where no answer came."""
        self.reason = reason
        self.retry_after = retry_after
        """Seconds that the server asked to wait."""
        self.causes = causes

    def __str__(self) -> str:
        what = " ".join(filter(None, (str(self.status or ""), self.reason)))
        return ": ".join(filter(None, (self.request, what, self.message)))


class NotFound(ApiError):
    """The object, its namespace or its kind does not exist."""


class Conflict(ApiError):
    """The object has changed since it was read, or `causes` names fields of other managers."""


class AlreadyExists(ApiError):
    pass


class Gone(ApiError):
    """The version or page asked for has been compacted: list again."""


class Invalid(ApiError):
    """The object breaks its schema; `causes` names the fields."""


class Forbidden(ApiError):
    """RBAC or an admission policy refuses it."""


class Unauthorized(ApiError):
    """The server does not know the bearer."""


class TooManyRequests(ApiError):
    pass


class Unreachable(ApiError):
    """No answer, or the server's own failure (5xx); a write may have happened."""


class Silent(Unreachable):
    """An open watch on which not a byte arrived for longer than its bound."""


class Watch(AbstractContextManager["Watch"], Iterator[bytes], Protocol):
    """An open watch: each item is one event as a line of JSON.

    It ends when the server ends it. A stream that breaks raises Unreachable, one that stays silent
    for too long raises Silent.
    """

    def close(self) -> None:
        """End the iteration; may be called from another thread."""


class Api(Protocol):
    """Safe to be used from several threads."""

    def get(self, ref: ObjectRef) -> bytes: ...

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
        """Return one page. Items of Kubernetes' own kinds carry neither apiVersion nor kind."""

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
        """Open a watch with bookmarks; `timeout_seconds` is when the server is to end it."""

    def create(
        self, resource: Resource, body: Json, *, namespace: str = "", name: str = "", subresource: str = ""
    ) -> bytes:
        """Create an object or, with the name of an object, its subresource (a token, a binding)."""

    def replace(self, ref: ObjectRef, body: Json, *, subresource: str = "") -> bytes:
        """Put the whole object; raises Conflict unless it still has the body's resourceVersion."""

    def patch(self, ref: ObjectRef, body: Json, *, subresource: str = "") -> bytes:
        """Merge a patch (RFC 7386); a resourceVersion in it is a precondition."""

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
        """Apply server-side; raises Conflict where another manager owns a field with another value."""

    def delete(self, ref: ObjectRef, *, resource_version: str = "", uid: str = "") -> None:
        """Delete the object, if given only in this version or with this uid (else Conflict)."""
