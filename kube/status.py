"""The server's Status objects as errors: the HTTP status decides the class, the reason refines it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from kube.api import (
    AlreadyExists,
    ApiError,
    Cause,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    TooManyRequests,
    Unauthorized,
    Unreachable,
)

_LONGEST = 2000
"""Characters of a message: an admission webhook or a proxy may answer with a whole page."""

_CLASSES: Mapping[int, type[ApiError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
    429: TooManyRequests,
}


class _Cause(msgspec.Struct, frozen=True):
    reason: str = ""
    message: str = ""
    field: str = ""


class _Details(msgspec.Struct, frozen=True, rename="camel"):
    causes: tuple[_Cause, ...] = ()
    retry_after_seconds: float = 0


class _Status(msgspec.Struct, frozen=True):
    message: str = ""
    reason: str = ""
    code: int = 0
    details: _Details | None = None


_statuses = msgspec.json.Decoder(_Status)


def error_of(body: bytes, *, request: str, status: int = 0, retry_after: str = "") -> ApiError:
    """Read a refusal: the body of an answer with its HTTP status, or the object of an ERROR event.

    A body that is no Status (a proxy's page, the router's "404 page not found") is quoted.
    """
    try:
        told = _statuses.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        told = _Status(message=body.decode(errors="replace").strip())
    details = told.details or _Details()
    status = status or told.code
    return _class_of(status, told.reason)(
        told.message[:_LONGEST],
        request=request,
        status=status,
        reason=told.reason,
        retry_after=_seconds(retry_after) or details.retry_after_seconds or None,
        causes=tuple(
            Cause(reason=cause.reason, field=cause.field, message=cause.message) for cause in details.causes
        ),
    )


def _class_of(status: int, reason: str) -> type[ApiError]:
    if reason == "AlreadyExists":
        return AlreadyExists
    if reason == "Expired":
        return Gone
    if status >= 500:
        return Unreachable
    return _CLASSES.get(status, ApiError)


def _seconds(header: str) -> float | None:
    """Retry-After in seconds; the date form is not used by the API server."""
    return float(header) if header.isascii() and header.isdigit() else None
