"""JSON over HTTPS to the platform that holds the repository.

Python's own library only: this runs with a token.
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

MAX_ANSWER = 8 << 20
MAX_PAGES = 30
TIMEOUT = 30.0


class ApiError(Exception):
    """The platform did not answer, or not as expected."""

    def __init__(self, told: str, code: int = 0) -> None:
        super().__init__(told)
        self.code = code
        """Of HTTP, where there is one."""


def setting(name: str) -> str:
    """A variable of the pipeline."""
    value = os.environ.get(name)
    if not value:
        raise ApiError(f"{name} is not set for this job: README.md says what to set up")
    return value


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the token to another host."""

    def redirect_request(self, *_arguments: Any, **_more: Any) -> None:
        return None


class Api:
    """`base` is the URL that paths are appended to; `headers` carry the token."""

    def __init__(self, base: str, headers: Mapping[str, str]) -> None:
        self._base = base.rstrip("/")
        self._headers = dict(headers)
        self._opener = urllib.request.build_opener(_NoRedirects())

    def get(self, path: str, **query: str) -> Any:
        return json.loads(self._send("GET", path, query=query))

    def pages(self, path: str, **query: str) -> Iterator[Any]:
        """The entries of a list that comes in pages."""
        for page in range(1, MAX_PAGES + 1):
            entries = self.get(path, **query, per_page="100", page=str(page))
            yield from entries
            if len(entries) < 100:
                return
        raise ApiError(f"{path}: more than {MAX_PAGES} pages")

    def post(self, path: str, **fields: str) -> None:
        self._send("POST", path, fields=fields)

    def patch(self, path: str, **fields: str) -> None:
        self._send("PATCH", path, fields=fields)

    def put(self, path: str, **fields: str) -> None:
        self._send("PUT", path, fields=fields)

    def download(self, path: str) -> bytes:
        """A file that the platform redirects to; the second request goes without the token."""
        try:
            return self._send("GET", path)
        except _RedirectedError as redirected:
            return self._open(urllib.request.Request(self._checked(redirected.target)))

    def _checked(self, target: str) -> str:
        # Plain HTTP only where the API itself is (a test on this machine).
        if urllib.parse.urlsplit(target).scheme not in {"https", urllib.parse.urlsplit(self._base).scheme}:
            raise ApiError("a download is redirected to something other than HTTPS")
        return target

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> bytes:
        url = f"{self._base}{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        data = None if fields is None else json.dumps(fields).encode()
        headers = self._headers | ({"Content-Type": "application/json"} if data else {})
        return self._open(urllib.request.Request(url, data=data, headers=headers, method=method))

    def _open(self, request: urllib.request.Request) -> bytes:
        try:
            with self._opener.open(request, timeout=TIMEOUT) as answer:
                content: bytes = answer.read(MAX_ANSWER + 1)
        except urllib.error.HTTPError as error:
            target = error.headers.get("Location")
            if error.code in (301, 302, 303, 307, 308) and target:
                raise _RedirectedError(target) from None
            raise ApiError(
                f"{request.get_method()} {request.selector}: HTTP {error.code}", error.code
            ) from None
        except OSError as error:
            raise ApiError(f"{request.get_method()} {request.selector}: {error}") from None
        if len(content) > MAX_ANSWER:
            raise ApiError(f"{request.selector}: the answer has more than {MAX_ANSWER:,} bytes")
        return content


class _RedirectedError(ApiError):
    def __init__(self, target: str) -> None:
        super().__init__("redirected")
        self.target = target
