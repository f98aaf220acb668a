"""etcd for one API server, on Unix sockets in its folder: nobody else on the machine reaches it.

What tests do to it goes through its gRPC gateway (JSON over HTTP): no client library of its own.
"""

from __future__ import annotations

import base64
import http.client
import json
import shutil
import socket
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from cli.lab.child import Child

ENDPOINT: Final = "unix://etcd.sock:0"
"""Relative to the folder, which is the working folder of etcd and of its API server."""
_SOCKET: Final = "etcd.sock:0"
_PEERS: Final = "unix://peers.sock:0"
_ALL: Final = {"key": "AA==", "range_end": "AA=="}


class EtcdRefused(RuntimeError):
    """etcd answered a request with an error."""


class Etcd:
    def __init__(self, binary: Path, *, folder: Path) -> None:
        self._folder = folder
        self._child = Child("etcd", [str(binary), *_arguments()], folder=folder)

    @property
    def pid(self) -> int:
        return self._child.pid

    def start(self) -> None:
        """Returns when it answers."""
        self._child.start()
        self._child.await_ready(self._answers, within=60)

    def stop(self) -> None:
        self._child.stop()

    def forget(self) -> None:
        """Removes the data, more than 100 MB of it."""
        shutil.rmtree(self._folder / "etcd", ignore_errors=True)

    def revision(self) -> int:
        """The newest; the API server calls it resourceVersion."""
        header = self._ask("kv/range", {"key": "AA==", "count_only": True})["header"]
        assert isinstance(header, dict)
        return int(header["revision"])

    def compact(self) -> int:
        """Forgets all history before now; returns the revision from which on it is known."""
        revision = self.revision()
        self._ask("kv/compaction", {"revision": str(revision), "physical": True})
        return revision

    def keys(self) -> frozenset[str]:
        return frozenset(_plain(item["key"]) for item in self._items({**_ALL, "keys_only": True}))

    def delete(self, keys: Iterable[str]) -> None:
        """As if by nobody: no finalizer, policy or grace period holds; watchers see the deletions.

        Each has a revision of its own, as the API server takes for granted: not one transaction for all.
        """
        with self._connected() as connection:
            for key in keys:
                _ask(connection, "kv/deleterange", {"key": _coded(key)})

    def _items(self, request: Mapping[str, object]) -> list[dict[str, str]]:
        answer = self._ask("kv/range", request)
        items = answer.get("kvs", [])
        assert isinstance(items, list)
        return items

    def _answers(self) -> bool:
        try:
            self.revision()
        except (OSError, http.client.HTTPException, EtcdRefused):
            return False
        return True

    def _ask(self, method: str, request: Mapping[str, object]) -> dict[str, object]:
        with self._connected() as connection:
            return _ask(connection, method, request)

    def _connected(self) -> closing[_UnixConnection]:
        return closing(_UnixConnection(self._folder / _SOCKET))


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("etcd", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _ask(connection: _UnixConnection, method: str, request: Mapping[str, object]) -> dict[str, object]:
    connection.request("POST", f"/v3/{method}", json.dumps(request))
    response = connection.getresponse()
    text = response.read()
    if response.status != http.client.OK:
        raise EtcdRefused(f"etcd refused {method}: {text.decode(errors='replace').strip()}")
    answer = json.loads(text)
    assert isinstance(answer, dict)
    return answer


def _arguments() -> list[str]:
    return [
        "--name=atoll",
        "--data-dir=etcd",
        f"--listen-client-urls={ENDPOINT}",
        f"--advertise-client-urls={ENDPOINT}",
        f"--listen-peer-urls={_PEERS}",
        f"--initial-advertise-peer-urls={_PEERS}",
        f"--initial-cluster=atoll={_PEERS}",
        "--unsafe-no-fsync",  # it dies with the test, never with the machine
        "--log-level=warn",
    ]


def _coded(key: str) -> str:
    return base64.b64encode(key.encode()).decode()


def _plain(key: str) -> str:
    return base64.b64decode(key).decode()
