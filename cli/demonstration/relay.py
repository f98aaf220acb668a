"""A way from a node's namespace to the API server, which listens on the loopback of another one.

Bytes of TCP are forwarded as they come: TLS stays between the agent and the server.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Final

from cli.lab.namespace import Namespace

_CHUNK: Final = 65536
_END_SECONDS: Final = 5.0


class Relay:
    """Answers on an address of the place, on the port that the target has as well."""

    def __init__(self, place: Namespace, target: tuple[str, int], *, address: str = "127.0.0.1") -> None:
        self._target = target
        with place.entered():
            self._listener = socket.create_server((address, target[1]))
        # A new thread begins in its maker's namespace, which is the one that reaches the target.
        self._threads = [threading.Thread(target=self._accept, name=f"relay of {place.name}", daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        """No new connections; those there are have ended with their agent."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(_END_SECONDS)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target)
            except OSError:
                client.close()
                continue
            for source, sink in ((client, server), (server, client)):
                pump = threading.Thread(target=_pump, args=(source, sink), name="relay", daemon=True)
                self._threads.append(pump)
                pump.start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(_CHUNK):
            sink.sendall(chunk)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
    source.close()  # the other direction's thread closes the other end
