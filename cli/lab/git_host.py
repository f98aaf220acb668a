"""A Git host for tests and the demo: git http-backend behind HTTPS on loopback, self-made certificate.

It serves bare repositories read-only, asks for a user's password if it has one, and can be away or hang.
"""

from __future__ import annotations

import base64
import os
import socketserver
import ssl
import subprocess
import sys
import threading
from collections.abc import Mapping
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
        self._asked = threading.Condition()
        self._requests = 0
        self._answering = threading.Event()
        self._answering.set()

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
        self._server.host = self
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
        self.answer()
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def require(self, password: str) -> None:
        """From now on; without one everybody is let in."""
        self._password = password

    def hang(self) -> None:
        """Take requests from now on, and answer none of them."""
        self._answering.clear()

    def answer(self) -> None:
        """Answer all that wait, and whatever comes."""
        self._answering.set()

    @property
    def requests(self) -> int:
        """Made so far, whatever became of them."""
        return self._requests

    def await_request(self, *, after: int, within: float) -> bool:
        """Whether more than `after` requests have been made, in `within` seconds at the latest."""
        with self._asked:
            return self._asked.wait_for(lambda: self._requests > after, within)

    def lets_in(self, authorization: str | None) -> bool:
        return not self._password or authorization == _basic(self._password)

    def take_request(self) -> None:
        """Returns when it may be answered."""
        with self._asked:
            self._requests += 1
            self._asked.notify_all()
        self._answering.wait()

    def run(self, environment: Mapping[str, str], body: bytes) -> bytes:
        """What git http-backend says to a request."""
        own = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self._folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
        }
        command = ["git", "http-backend"]
        return subprocess.run(
            command, input=body, env={**own, **environment}, capture_output=True, check=False
        ).stdout


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False  # a client that is hung up on would be waited for
    host: GitHost

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away, or does not trust the certificate, is no error of ours."""
        if not isinstance(sys.exception(), OSError):
            raise


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
        host = self.server.host
        host.take_request()
        if not host.lets_in(self.headers.get("Authorization")):
            self._answer(401, [("WWW-Authenticate", 'Basic realm="git"')], b"")
            return
        head, _, content = host.run(self._environment(), body).partition(b"\r\n\r\n")
        fields = [line.split(": ", 1) for line in head.decode().splitlines() if ": " in line]
        status = next((int(value[:3]) for name, value in fields if name == "Status"), 200)
        self._answer(status, [(name, value) for name, value in fields if name != "Status"], content)

    def _environment(self) -> dict[str, str]:
        path, _, query = self.path.partition("?")
        return {
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
