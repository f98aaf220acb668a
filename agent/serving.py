"""What the agent answers over HTTP: /metrics, /healthz and /readyz, in a thread of its own.

The law: one connection, one request, a few seconds. Whatever a client does, it costs a bounded
number of connections, threads and seconds; descriptors above all, of which libnftables lives with
few (`agent.nft.MAX_DESCRIPTOR`). A check looks at what the agent already knows and never waits: a
probe that hangs would make the kubelet restart a healthy agent.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from prometheus_client import CollectorRegistry, make_wsgi_app
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import create_server

MAX_CONNECTIONS: Final = 16
REQUEST_SECONDS: Final = 10.0
STOP_SECONDS: Final = 5.0
_TURN_SECONDS: Final = 1.0
_BODY_BYTES: Final = 1024
"""Questions have none."""
_HEADER_BYTES: Final = 16 << 10
_ANSWER_BYTES: Final = 16 << 20
_OWN_DESCRIPTORS: Final = 2
"""The listener's among what waitress counts as connections: its socket and its trigger."""

Check = Callable[[], str | None]
"""Returns what is wrong, for everybody to read, or None."""

# Lines about full connection tables would come as fast as the connections: a flood for a flood.
logging.getLogger("waitress").setLevel(logging.ERROR)


class CannotListen(Exception):
    """The text says where, why and what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    host: str
    """A name or an address; "" for every address of the node, IPv4 and IPv6."""
    port: int
    """0 for any that is free."""


class _OnlyRequest(HTTPRequestParser):  # type: ignore[misc]  # waitress ships no types
    """Read as if its client had asked to close the connection afterwards."""

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        self.headers["CONNECTION"] = "close"


class _Connection(HTTPChannel):  # type: ignore[misc]  # waitress ships no types
    parser_class = _OnlyRequest


@contextmanager
def serving(
    address: Address,
    *,
    registry: CollectorRegistry,
    alive: Mapping[str, Check],
    ready: Mapping[str, Check],
) -> Iterator[int]:
    """Answer while the context lasts; yields the port. Raises CannotListen."""
    application = application_of(registry, alive=alive, ready=ready)
    with _listening(address) as listener:
        sockets: dict[int, object] = {}
        server = create_server(
            application,
            map=sockets,
            sockets=[listener],
            threads=2,
            backlog=MAX_CONNECTIONS,
            connection_limit=MAX_CONNECTIONS + _OWN_DESCRIPTORS,
            max_request_header_size=_HEADER_BYTES,
            max_request_body_size=_BODY_BYTES,
            outbuf_overflow=_ANSWER_BYTES,
            log_socket_errors=False,
            ident=None,
        )
        server.channel_class = _Connection
        stopping = threading.Event()

        def turn() -> None:
            while not stopping.is_set():
                wasyncore.loop(timeout=_TURN_SECONDS, use_poll=True, map=sockets, count=1)
                oldest = time.time() - REQUEST_SECONDS
                for connection in list(server.active_channels.values()):
                    connection.will_close |= connection.creation_time < oldest

        thread = threading.Thread(target=turn, name="http", daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            stopping.set()
            server.pull_trigger()
            thread.join()
            server.task_dispatcher.shutdown(timeout=STOP_SECONDS)
            if not server.task_dispatcher.threads:  # what they still use ends with the process
                wasyncore.close_all(sockets)


def application_of(
    registry: CollectorRegistry, *, alive: Mapping[str, Check], ready: Mapping[str, Check]
) -> WSGIApplication:
    metrics: WSGIApplication = make_wsgi_app(registry)
    probes = {"/healthz": alive, "/readyz": ready}

    def application(environment: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environment["PATH_INFO"]
        if path == "/metrics":
            return metrics(environment, start)
        passed, text = examine(path[1:], probes[path]) if path in probes else (False, "nothing is here\n")
        status = "200 OK" if passed else "503 Service Unavailable" if path in probes else "404 Not Found"
        content = text.encode()
        start(status, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(content)))])
        return [content]

    return application


def examine(subject: str, checks: Mapping[str, Check]) -> tuple[bool, str]:
    """Run the checks in their order; returns whether all passed, and a line for each.

    One that raises has failed: its kind is told, its text may be secret.
    """
    lines: list[str] = []
    passed = True
    for name, check in checks.items():
        try:
            wrong = check()
        except Exception as error:
            wrong = f"the check itself failed with {type(error).__name__}"
        passed = passed and not wrong
        lines.append(f"[-]{name} failed: {wrong}" if wrong else f"[+]{name} ok")
    lines.append(f"{subject} check {'passed' if passed else 'failed'}")
    return passed, "\n".join(lines) + "\n"


class Pulse:
    """Whether a loop still turns: it beats once a turn; the check fails when the last beat is too old."""

    def __init__(self, *, bound: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`bound` in seconds of `clock`, which is monotonic; longer than the longest honest turn."""
        self._bound = bound
        self._clock = clock
        self._last = clock()

    def beat(self) -> None:
        self._last = self._clock()

    def check(self) -> str | None:
        age = self._clock() - self._last
        if age <= self._bound:
            return None
        return f"the last turn was {age:.0f} s ago; more than {self._bound:g} s are not to be expected"


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
        raise CannotListen(f"cannot listen on {address.host}:{address.port}: {reason}. {remedy}.") from None
