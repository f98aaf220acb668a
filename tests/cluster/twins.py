"""Agents without a kernel, in threads: the real agent's process on a simulated node, named as the twin."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from agent.process import Process
from agent.settings import Settings
from agent.status_file import AgentStatus, read_status
from agent.twin import claim, twin_datapath
from compiler.names import NodeName
from kube.api import Api
from tests.cluster.watching import SECONDS


class Twin:
    """`start` and `stop`, any number of times; its state directory stays, its kernel begins anew."""

    def __init__(self, node: str, api: Api, folder: Path) -> None:
        self._settings = Settings(
            node=NodeName(node), api=api, state=folder / node, socket=folder / f"{node}.sock", twin=True
        )
        self._thread: threading.Thread | None = None
        self._stop = -1

    def report(self) -> AgentStatus | None:
        """What it says of itself on its node, whether the API server hears of it or not."""
        return read_status(self._settings.directory / "agents", self._settings.node)

    def forget_report(self) -> None:
        """So that the next one is of the next process."""
        (self._settings.directory / "agents" / f"{self._settings.node}.json").unlink()

    def start(self) -> None:
        self._settings.state.mkdir(mode=0o700, exist_ok=True)
        claim(self._settings.state, twin=True)
        readable, self._stop = os.pipe()
        self._thread = threading.Thread(target=self._run, args=(readable,), name=self._settings.node)
        self._thread.start()

    def _run(self, stop: int) -> None:
        try:
            Process(self._settings, twin_datapath(), stop).run()
        finally:
            os.close(stop)

    def stop(self) -> None:
        if self._thread is None:
            return
        os.close(self._stop)
        self._thread.join(SECONDS)
        assert not self._thread.is_alive()
        self._thread = None
