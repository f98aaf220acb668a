"""A wire between a client and the API server that can be cut, or hold back what the server sends.

It forwards bytes of TCP: TLS stays between the two, so the faults are those of a network.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from cli.lab.control_plane import ControlPlane

_CHUNK: Final = 65536


class Wire:
    """A context manager; `kubeconfig` leads through it, as the administrator."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self._target = ("127.0.0.1", int(plane.url.rpartition(":")[2]))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._flowing = threading.Event()
        self._flowing.set()
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept, name="wire")]
        config = json.loads(plane.kubeconfig.read_text())
        config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        self.kubeconfig = folder / "wire.kubeconfig"
        self.kubeconfig.write_text(json.dumps(config))

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self.release()
        self.cut()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def cut(self) -> None:
        """Ends every connection there is; new ones are made."""
        with self._lock:
            for sock in self._sockets:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def hold(self) -> None:
        """From now on nothing arrives at clients, though connections stay."""
        self._flowing.clear()

    def release(self) -> None:
        self._flowing.set()

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
            with self._lock:
                self._sockets |= {client, server}
            self._threads += [
                threading.Thread(target=self._pump, args=(client, server), name="wire, up"),
                threading.Thread(target=self._pump, args=(server, client, self._flowing), name="wire, down"),
            ]
            for thread in self._threads[-2:]:
                thread.start()

    def _pump(
        self, source: socket.socket, sink: socket.socket, flowing: threading.Event | None = None
    ) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(_CHUNK):
                if flowing is not None:
                    flowing.wait()
                sink.sendall(chunk)
        for sock in (source, sink):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._sockets.discard(source)
        source.close()
