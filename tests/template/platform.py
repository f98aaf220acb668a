"""GitHub and GitLab as far as the template's scripts ask them, on loopback: state in, requests kept."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

TOKEN = "very-secret"  # noqa: S105  # of no platform


@dataclass(kw_only=True)
class Platform:
    """`answers` by path; a list is served in pages of 100. Writes are kept, with their method and path."""

    answers: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    """Downloads: the path redirects to a place that must not see the token."""
    writes: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    queries: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    """Paths that are not written to, and the codes that say so."""
    url: str = ""

    def answer(self, path: str, query: Mapping[str, str]) -> bytes | None:
        value = self.answers.get(path)
        if isinstance(value, list):
            page, size = int(query.get("page", "1")), int(query.get("per_page", "30"))
            value = value[(page - 1) * size : page * size]
        return None if value is None else json.dumps(value).encode()


@contextmanager
def serving(platform: Platform) -> Iterator[Platform]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path.startswith("/blob"):
                if any(TOKEN in value for value in self.headers.values()):
                    platform.faults.append("the token went to the place of a download")
                self._send(200, platform.files[parts.path.removeprefix("/blob")])
            elif parts.path in platform.files:
                self._send(302, b"", {"Location": f"{platform.url}/blob{parts.path}"})
            else:
                self._answer(parts.path, dict(parse_qsl(parts.query)))

        def _answer(self, path: str, query: dict[str, str]) -> None:
            if not any(TOKEN in value for value in self.headers.values()):
                platform.faults.append(f"no token at {path}")
            platform.queries.append((path, query))
            content = platform.answer(path, query)
            self._send(404 if content is None else 200, content or b"{}")

        def _write(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path in platform.refused:
                self._send(platform.refused[self.path], b"{}")
                return
            platform.writes.append((self.command, self.path, body))
            self._send(201, b"{}")

        do_POST = do_PATCH = do_PUT = _write

        def _send(self, code: int, content: bytes, headers: Mapping[str, str] | None = None) -> None:
            self.send_response(code)
            for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_arguments: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    platform.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield platform
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def archive(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as writer:
        for name, content in files.items():
            writer.writestr(name, content)
    return buffer.getvalue()
