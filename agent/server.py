"""The Unix socket that the CNI plugin asks: one line of JSON a request, one line an answer.

Only root may ask, which the kernel vouches for (SO_PEERCRED, unix(7)). A request that is too long,
too slow or not understood is answered with an error and costs nothing else.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from agent import cni
from agent.cni import CniError
from agent.metrics import Answer

MAX_REQUEST: Final = 4 << 20
"""Bytes. Runtimes hand over a pod's annotations, up to 256 KiB, of which JSON may make six times as much."""
IDLE_SECONDS: Final = 30.0
UNHEARD_SECONDS: Final = 1.0
"""For the request of a connection too many."""
MAX_CONNECTIONS: Final = 256
"""Far below the 1024 descriptors that libnftables can live with."""
_CREDENTIALS: Final = struct.Struct("=iII")

_log = logging.getLogger("atoll.agent")


Told = Callable[[str, float, Answer], None]
"""Learns of each request: its command, the seconds that it took, how it ended."""


class Answering(Protocol):
    def answer(self, request: cni.Request) -> dict[str, object]:
        """The answer to a checked request. Raises CniError."""


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, path: Path, attachments: Answering, *, told: Told = lambda *answered: None) -> None:
        """Listens at once. A socket file that a former agent left is replaced."""
        self.attachments = attachments
        self.told = told
        self.slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            super().__init__(str(path), _Connection)
        finally:
            os.umask(before)

    def verify_request(self, request: object, client_address: object) -> bool:
        assert isinstance(request, socket.socket)
        _, user, _ = _CREDENTIALS.unpack(
            request.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        )
        if user != 0:
            _log.warning("refused a connection of user %d: only root may attach pods", user)
            return False
        return True

    def handle_error(self, request: object, client_address: object) -> None:
        _log.exception("a connection ended with an error")


class _Connection(socketserver.StreamRequestHandler):
    timeout = IDLE_SECONDS
    server: Server

    def handle(self) -> None:
        if not self.server.slots.acquire(blocking=False):
            # Who is still writing when this end closes sees a broken pipe, and no answer.
            self.connection.settimeout(UNHEARD_SECONDS)
            self._next_line()
            self._send(cni.failure("1.1.0", CniError(cni.TRY_AGAIN_LATER, "too many requests at once")))
            return
        try:
            while line := self._next_line():
                self._send(answer(self.server.attachments, line, told=self.server.told))
        finally:
            self.server.slots.release()

    def _next_line(self) -> bytes:
        try:
            return self.rfile.readline(MAX_REQUEST + 1)
        except (TimeoutError, ConnectionError):
            return b""

    def _send(self, message: dict[str, object]) -> None:
        try:
            self.wfile.write(json.dumps(message).encode() + b"\n")
        except (BrokenPipeError, ConnectionResetError):
            _log.warning("the plugin hung up before its answer")


def answer(attachments: Answering, line: bytes, *, told: Told = lambda *answered: None) -> dict[str, object]:
    """The answer to one request, an error of CNI's form included; never raises."""
    version, verb = cni.VERSIONS[-1], ""
    began, outcome = time.monotonic(), Answer.REFUSED
    try:
        if len(line) > MAX_REQUEST:
            raise CniError(cni.UNDECODABLE, f"the request is longer than {MAX_REQUEST} bytes")
        request = cni.parse(line)
        version, verb = request.version, request.command
        message = attachments.answer(request)
        outcome = Answer.DONE
        _log.info("%s %s: done", request.command, _subject(request))
        return message
    except CniError as error:
        _log.warning("request refused: %s", error)
        return cni.failure(version, error)
    except Exception:
        outcome = Answer.DEFECT
        _log.exception("a request ended with a defect")
        return cni.failure(version, CniError(cni.TRY_AGAIN_LATER, "the agent failed; its log says how"))
    finally:
        told(verb, time.monotonic() - began, outcome)


def _subject(request: cni.Request) -> str:
    if request.pod is not None:
        return f"pod {request.pod.name}"
    return f"container {request.key.container}" if request.key else "node"
