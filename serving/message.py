"""Requests and answers of HTTP as values, and the one place where they meet WSGI (PEP 3333)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes = b""


@dataclass(frozen=True, kw_only=True, slots=True)
class Response:
    status: HTTPStatus
    body: bytes
    content_type: str = TEXT
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Request], Response]


def text(status: HTTPStatus, sentence: str) -> Response:
    return Response(status=status, body=f"{sentence}\n".encode())


def only(method: str, handler: Handler) -> Handler:
    """Return the handler for one method; other methods are refused."""

    def handle(request: Request) -> Response:
        if request.method == method:
            return handler(request)
        refusal = text(HTTPStatus.METHOD_NOT_ALLOWED, f"use {method}")
        return Response(status=refusal.status, body=refusal.body, headers={"Allow": method})

    return handle


def application_of(handler: Handler) -> WSGIApplication:
    def application(environment: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        response = handler(_request(environment))
        headers = {
            "Content-Type": response.content_type,
            "Content-Length": str(len(response.body)),
            "X-Content-Type-Options": "nosniff",
            **response.headers,
        }
        start(f"{response.status.value} {response.status.phrase}", list(headers.items()))
        return [response.body]

    return application


def routed(routes: Mapping[str, WSGIApplication]) -> WSGIApplication:
    """Return an application of applications, each by its path; a path that ends in `/` takes all below."""

    def application(environment: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environment["PATH_INFO"]
        for place, target in routes.items():
            if path == place or (place.endswith("/") and path.startswith(place)):
                return target(environment, start)
        return _nothing_here(environment, start)

    return application


_nothing_here = application_of(lambda request: text(HTTPStatus.NOT_FOUND, "nothing is here"))


def _request(environment: WSGIEnvironment) -> Request:
    headers = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environment.items()
        if name.startswith("HTTP_")
    }
    headers["content-type"] = environment.get("CONTENT_TYPE", "")
    length = int(environment.get("CONTENT_LENGTH") or 0)
    return Request(
        method=environment["REQUEST_METHOD"],
        path=environment["PATH_INFO"],
        headers=headers,
        body=environment["wsgi.input"].read(length) if length else b"",
    )
