"""The directory in which controller and agents meet, as an onlooker reads it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from agent.plan_file import Publication, read_publication
from cli.demonstration.process import Process
from cli.failure import Failure
from compiler import codec
from compiler.names import NodeName
from compiler.reachability import Reachability
from controller.status import Status, decode_status
from controller.watch import FileWaker

PATIENCE: Final = 90.0
"""Seconds until what should have arrived is missing: long, for an emulated processor under load."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """agents/<node>.json, as far as it is shown."""

    ready: bool
    revision: str
    digest: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Applied:
    """A node's plan, and that its agent reports exactly this one."""

    publication: Publication
    report: Report


class Bus:
    def __init__(self, root: Path, nodes: tuple[str, ...]) -> None:
        self.root = root
        self.nodes = tuple(NodeName(node) for node in nodes)
        self.processes: list[Process] = []
        for folder in (root, root / "plans", root / "agents"):
            folder.mkdir(parents=True)
        self._waker = FileWaker([root, root / "plans", root / "agents"])

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Waits for files to change until the condition holds. Raises Failure when a process ends."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            for process in self.processes:
                process.require_alive()
            if time.monotonic() > deadline:
                logs = "\n".join(process.last_lines() for process in self.processes)
                raise Failure(f"{what}: not seen within {PATIENCE:.0f} s; the logs end so:\n{logs}")
            self._waker.wait(1.0)

    def status(self) -> Status | None:
        try:
            return decode_status((self.root / "status.json").read_bytes())
        except FileNotFoundError:
            return None

    def reachability(self) -> Reachability:
        return codec.decode_reachability((self.root / "reachability.json").read_bytes())

    def plan_path(self, node: NodeName) -> Path:
        return self.root / "plans" / f"{node}.json"

    def plan_texts(self) -> dict[NodeName, str]:
        return {node: self.plan_path(node).read_text() for node in self.nodes}

    def report(self, node: NodeName) -> Report | None:
        path = self.root / "agents" / f"{node}.json"
        return msgspec.json.decode(path.read_bytes(), type=Report) if path.exists() else None

    def applied(self) -> dict[NodeName, Applied] | None:
        """Every node's plan in force; None while one is missing or not applied yet."""
        found: dict[NodeName, Applied] = {}
        for node in self.nodes:
            report = self.report(node)
            if report is None or not report.ready or not self.plan_path(node).exists():
                return None
            publication = read_publication(self.plan_path(node), node)
            if publication.digest != report.digest:
                return None
            found[node] = Applied(publication=publication, report=report)
        return found

    def await_applied(
        self, condition: Callable[[dict[NodeName, Applied]], bool], what: str
    ) -> dict[NodeName, Applied]:
        """Every node's plan, once all are in force and the condition holds."""
        seen: list[dict[NodeName, Applied]] = []

        def arrived() -> bool:
            applied = self.applied()
            if applied is None or not condition(applied):
                return False
            seen.append(applied)
            return True

        self.until(arrived, what)
        return seen[-1]

    def close(self) -> None:
        self._waker.__exit__(None, None, None)
