"""A Git host for tests and the demo: git http-backend behind HTTPS on loopback, self-made certificate.

It serves bare repositories read-only, asks for a user's password if it has one, and can be away.
"""

from __future__ import annotations

import base64
import os
import socketserver
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from cli.lab.authority import Authority

_LONGEST: Final = 1 << 20
"""Bytes of a request: a client says what it has, and pushes nothing."""


class GitHost:
    """Repositories below `folder`, as `https://127.0.0.1:<port>/<name>.git`."""

    def __init__(self, folder: Path, authority: Authority, *, password: str = "") -> None:
        self._folder = folder
        self._password = password
        self._pair = authority.server("git-host", "IP:127.0.0.1")
        self._certificate = authority.certificate
        self._server: _Server | None = None
        self._port = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def certificate(self) -> bytes:
        """What a client has to trust, in PEM."""
        return self._certificate.read_bytes()

    def url(self, name: str) -> str:
        return f"https://127.0.0.1:{self._port}/{name}.git"

    def create(self, name: str) -> Path:
        """Make an empty repository; commits come by pushing to its path."""
        path = self._folder / f"{name}.git"
        _git("init", "--quiet", "--bare", "--initial-branch=main", str(path))
        return path

    def start(self) -> None:
        """Answer, on the same port as before."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._pair.certificate, self._pair.key)
        self._server = _Server(("127.0.0.1", self._port), _Handler)
        self._server.folder = self._folder
        self._server.authorization = _basic(self._password) if self._password else ""
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self._port = self._server.server_address[1]
        serve = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="git-host", daemon=True
        )
        serve.start()

    def stop(self) -> None:
        """Be away: connections are refused."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    folder: Path
    authorization: str


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = 30

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the caller's output is not ours."""

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if self.headers.get("Transfer-Encoding") or length > _LONGEST:
            self._answer(413, [], b"")
        else:
            self._serve(self.rfile.read(length))

    def _serve(self, body: bytes) -> None:
        wanted = self.server.authorization
        if wanted and self.headers.get("Authorization") != wanted:
            self._answer(401, [("WWW-Authenticate", 'Basic realm="git"')], b"")
            return
        done = subprocess.run(
            ["git", "http-backend"], input=body, env=self._environment(), capture_output=True, check=False
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = [line.split(": ", 1) for line in head.decode().splitlines() if ": " in line]
        status = next((int(value[:3]) for name, value in fields if name == "Status"), 200)
        self._answer(status, [(name, value) for name, value in fields if name != "Status"], content)

    def _environment(self) -> dict[str, str]:
        path, _, query = self.path.partition("?")
        return {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.server.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": "127.0.0.1",
        }

    def _answer(self, status: int, fields: list[tuple[str, str]], content: bytes) -> None:
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _basic(password: str) -> str:
    return f"Basic {base64.b64encode(f'git:{password}'.encode()).decode()}"


def _git(*words: str) -> None:
    subprocess.run(["git", *words], check=True, capture_output=True)
