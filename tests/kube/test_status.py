"""Refusals as errors, whatever their bodies are."""

from __future__ import annotations

import pytest

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
from kube.status import error_of


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (400, "BadRequest", ApiError),
        (401, "Unauthorized", Unauthorized),
        (403, "Forbidden", Forbidden),
        (404, "NotFound", NotFound),
        (409, "AlreadyExists", AlreadyExists),
        (409, "Conflict", Conflict),
        (410, "Expired", Gone),
        (410, "Gone", Gone),
        (422, "Invalid", Invalid),
        (429, "TooManyRequests", TooManyRequests),
        (500, "InternalError", Unreachable),
        (503, "ServiceUnavailable", Unreachable),
        (504, "Timeout", Unreachable),
    ],
)
def test_each_refusal_has_its_class(status: int, reason: str, kind: type[ApiError]) -> None:
    body = f'{{"kind":"Status","reason":"{reason}","message":"because"}}'.encode()
    error = error_of(body, request="GET /x", status=status)
    assert type(error) is kind
    assert str(error) == f"GET /x: {status} {reason}: because"


def test_an_error_event_brings_its_own_status() -> None:
    error = error_of(
        b'{"kind":"Status","code":410,"reason":"Expired","message":"too old"}', request="WATCH /x"
    )
    assert (type(error), error.status) == (Gone, 410)


def test_causes_are_kept() -> None:
    cause = b'{"reason":"FieldManagerConflict","field":".spec.a","message":"conflict with \\"kubectl\\""}'
    error = error_of(b'{"details":{"causes":[' + cause + b"]}}", request="", status=409)
    assert error.causes == (
        Cause(reason="FieldManagerConflict", field=".spec.a", message='conflict with "kubectl"'),
    )


@pytest.mark.parametrize(
    ("header", "body", "seconds"),
    [
        ("7", b"{}", 7),
        ("", b'{"details":{"retryAfterSeconds":3}}', 3),
        ("7", b'{"details":{"retryAfterSeconds":3}}', 7),
        ("", b"{}", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", b"{}", None),
        ("-5", b"{}", None),
    ],
)
def test_the_time_to_wait_is_read(header: str, body: bytes, seconds: float | None) -> None:
    assert error_of(body, request="", status=429, retry_after=header).retry_after == seconds


@pytest.mark.parametrize("body", [b"404 page not found\n", b'"404 page not found"', b"[404]"])
def test_a_body_that_is_no_status_is_quoted(body: bytes) -> None:
    error = error_of(body, request="GET /x", status=404)
    assert type(error) is NotFound
    assert "404" in error.message


def test_bytes_that_are_no_text_are_quoted_too() -> None:
    assert error_of(b"\xff\x00", request="", status=502).status == 502


def test_a_page_as_an_answer_is_cut() -> None:
    assert len(error_of(b"x" * 1_000_000, request="", status=502).message) == 2000
