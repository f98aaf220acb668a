"""An HTTP server on loopback that answers by a script, byte for byte."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    pieces: tuple[bytes, ...]
    """Sent one after the other, with `pause` seconds between them."""
    pause: float = 0
    then_close: bool = False


def reply(status: str, body: bytes = b"", **headers: str) -> Reply:
    fields = {"Content-Type": "application/json", "Content-Length": str(len(body))} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return Reply(pieces=(f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body,))


def chunked(*chunks: bytes, whole: bool = True, pause: float = 0) -> Reply:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    pieces = tuple(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" for chunk in chunks)
    end = (b"0\r\n\r\n",) if whole else ()
    return Reply(pieces=(head, *pieces, *end), pause=pause, then_close=not whole)


HANG_UP = Reply(pieces=(), then_close=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    line: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(kw_only=True, slots=True)
class ScriptedServer:
    replies: deque[Reply] = field(default_factory=deque)
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    _stopping: threading.Event = field(default_factory=threading.Event)
    _open: list[socket.socket] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        for sock in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._open.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), connection, connection.makefile("rb") as file:
            while request := _read(file):
                self.requests.append(request)
                answer = self.replies.popleft() if self.replies else HANG_UP
                for piece in answer.pieces:
                    connection.sendall(piece)
                    if self._stopping.wait(answer.pause):
                        return
                if answer.then_close:
                    connection.shutdown(socket.SHUT_RDWR)
                    return


def _read(file: object) -> Request | None:
    readline, read = file.readline, file.read  # type: ignore[attr-defined]
    line = readline().decode().strip()
    if not line:
        return None
    headers: dict[str, str] = {}
    while header := readline().decode().strip():
        name, _, value = header.partition(":")
        headers[name.lower()] = value.strip()
    return Request(line=line, headers=headers, body=read(int(headers.get("content-length", 0))))
