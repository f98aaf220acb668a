"""The agent's socket as the CNI plugin uses it, without the plugin: for many requests in little time."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from types import TracebackType
from typing import Self

from cli.lab.cni import VERSION, Sandbox


class Line:
    """One connection, any number of requests."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(str(path))
        self._answers = self._socket.makefile("rb")

    def ask(self, command: str, sandbox: Sandbox) -> None:
        """Raises RuntimeError with an answer that is an error."""
        request = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": sandbox.container,
            "CNI_NETNS": str(sandbox.netns),
            "CNI_IFNAME": sandbox.interface,
            "CNI_ARGS": sandbox.arguments,
            "config": {"cniVersion": VERSION, "name": "atoll", "type": "atoll-cni"},
        }
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        answer = self._answers.readline()
        if b'"code"' in answer or not answer:
            raise RuntimeError(f"{command}: {answer!r}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._answers.close()
        self._socket.close()
