"""An HTTP listener in a thread of its own. The law: one connection, one request, a few seconds.

Whatever a client does, it costs a bounded number of connections, threads, bytes and seconds. A
connection that is older than its seconds is closed, however busily it trickles; bodies stay in
memory, so that a read-only file system does; one that is announced as too large is refused unread.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit
from wsgiref.types import WSGIApplication

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import create_server

STOP_SECONDS: Final = 5.0
"""That requests under way have to end when the listener stops."""
_TURN_SECONDS: Final = 1.0
_HEADER_BYTES: Final = 16 << 10
_ANSWER_BYTES: Final = 64 << 20
_OWN_DESCRIPTORS: Final = 2
"""Of each listener among what waitress counts as connections: its socket and its trigger."""

# Lines about full connection tables would come as fast as the connections: a flood for a flood.
logging.getLogger("waitress").setLevel(logging.ERROR)


class CannotListen(Exception):
    """The text says where, why and what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    host: str
    """A name or an address; "" for every address of the machine, IPv4 and IPv6."""
    port: int
    """0 for any that is free."""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Read `:8080`, `127.0.0.1:8080` or `[::1]:8080`. Raise ValueError, with the remedy in its text."""
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        port = None
    if port is None or parts.netloc != text or "@" in text:
        raise ValueError(f"{text!r} is not an address to listen on. Write it as :8080 or [::1]:8080.")
    return Address(host=host, port=port)


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    body: int
    """Bytes of a request's body."""
    connections: int
    """At once; further ones wait in the kernel's queue."""
    threads: int
    seconds: float
    """From a connection's beginning to its end."""


class _OnlyRequest(HTTPRequestParser):  # type: ignore[misc]  # waitress ships no types
    """Read as if its client had asked to close the connection afterwards."""

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        self.headers["CONNECTION"] = "close"


class _Connection(HTTPChannel):  # type: ignore[misc]  # waitress ships no types
    parser_class = _OnlyRequest


class HttpServer:
    """Listens from its making on, answers between `start` and `stop`."""

    def __init__(self, address: Address, application: WSGIApplication, limits: Limits) -> None:
        """Raises CannotListen."""
        self._limits = limits
        self._socket = _listening(address)
        self.port: int = self._socket.getsockname()[1]
        self._map: dict[int, object] = {}
        self._server = create_server(
            application,
            map=self._map,
            sockets=[self._socket],
            threads=limits.threads,
            backlog=limits.connections,
            connection_limit=limits.connections + _OWN_DESCRIPTORS,
            max_request_header_size=_HEADER_BYTES,
            max_request_body_size=limits.body + 1,  # waitress refuses what is as large as its limit
            inbuf_overflow=2 * limits.body + _HEADER_BYTES,
            outbuf_overflow=_ANSWER_BYTES,
            outbuf_high_watermark=_ANSWER_BYTES,
            log_socket_errors=False,
            ident=None,
        )
        self._server.channel_class = _Connection
        self._stopping = False
        self._thread = threading.Thread(target=self._turn, name=f"http-{self.port}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Close the listener once the requests under way have been answered."""
        self._stopping = True
        if self._thread.is_alive():
            self._server.pull_trigger()
            self._thread.join()
        dispatcher = self._server.task_dispatcher
        dispatcher.shutdown(timeout=STOP_SECONDS)
        if dispatcher.threads:
            self._socket.close()  # what the threads still use ends with the process
        else:
            wasyncore.close_all(self._map)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _turn(self) -> None:
        while not self._stopping:
            wasyncore.loop(timeout=_TURN_SECONDS, use_poll=True, map=self._map, count=1)
            oldest = time.time() - self._limits.seconds
            for connection in list(self._server.active_channels.values()):
                if connection.creation_time < oldest:
                    connection.will_close = True


def _listening(address: Address) -> socket.socket:
    try:
        if not address.host and socket.has_dualstack_ipv6():
            return socket.create_server(("", address.port), family=socket.AF_INET6, dualstack_ipv6=True)
        found = socket.getaddrinfo(
            address.host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, _, _, _, place = found[0]
        return socket.create_server(place[:2], family=family)
    except OSError as error:
        number = error.errno or 0
        reason = os.strerror(number) if number > 0 else error.strerror  # names that do not resolve
        remedy = "End the program that listens there, or choose another address"
        raise CannotListen(f"cannot listen on {address}: {reason}. {remedy}.") from None
