"""A controller process under measurement: what it takes of the machine and asks of the API server."""

from __future__ import annotations

import sys
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.cluster_load import NODES_NAMESPACE, SYSTEM
from benchmarks.cluster_machine import cpu_seconds
from cli.lab.child import Child

Requests = Counter[str]
"""By `verb resource`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    memory: float
    """MiB resident."""
    peak: float
    """MiB, the most so far."""
    cpu: float
    """Seconds, user and system; those of Git's short-lived processes included."""
    requests: Requests
    """Those of the lease are not counted."""
    turns: int

    def since(self, before: Usage) -> Usage:
        return Usage(
            memory=self.memory,
            peak=self.peak,
            cpu=self.cpu - before.cpu,
            requests=self.requests - before.requests,
            turns=self.turns - before.turns,
        )


class _Serving(msgspec.Struct):
    event: str
    metrics: int = 0


class ControllerProcess:
    """`atoll controller --cluster`, as its Deployment runs it."""

    def __init__(self, name: str, *, kubeconfig: Path, folder: Path) -> None:
        command = [
            str(Path(sys.executable).with_name("atoll")),
            "controller",
            "--cluster",
            f"--kubeconfig={kubeconfig}",
            f"--namespace={SYSTEM}",
            f"--nodes-namespace={NODES_NAMESPACE}",
            f"--cache={folder / f'cache-{name}'}",
            "--metrics-address=127.0.0.1:0",
            "--log-format=json",
        ]
        self._child = Child(f"controller-{name}", command, folder=folder)
        self._port = 0

    def start(self) -> None:
        """Returns when it serves its metrics."""
        self._child.log.unlink(missing_ok=True)
        self._child.start()
        self._child.await_ready(self._is_serving, within=60)

    def kill(self) -> None:
        """As when its node dies."""
        self._child.stop()

    @property
    def pid(self) -> int:
        """0 while it does not run."""
        return self._child.pid

    @property
    def log(self) -> Path:
        return self._child.log

    def usage(self) -> Usage:
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{self.pid}/status").read_text().splitlines()
        )
        requests: Requests = Counter()
        turns = 0
        for name, labels, value in self._samples():
            if name == "atoll_api_requests_total":
                requests[f"{labels['verb']} {labels['resource']}"] += int(value)
            elif name == "atoll_reconcile_duration_seconds_count":
                turns += int(value)
        return Usage(
            memory=_mebibytes(status["VmRSS"]),
            peak=_mebibytes(status["VmHWM"]),
            cpu=cpu_seconds(self.pid),
            requests=requests,
            turns=turns,
        )

    def leads(self) -> bool:
        return any(name == "atoll_leader" and value == 1 for name, _, value in self._samples())

    def _samples(self) -> list[tuple[str, dict[str, str], float]]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        return [
            (sample.name, sample.labels, sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        ]

    def _is_serving(self) -> bool:
        for line in self._child.log.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n") and b'"serving"' in line:
                self._port = msgspec.json.decode(line, type=_Serving).metrics
        return bool(self._port)


def await_leader(candidates: list[ControllerProcess], *, within: float = 60) -> ControllerProcess:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        for candidate in candidates:
            if candidate.leads():
                return candidate
        time.sleep(0.1)
    raise TimeoutError(f"none of {len(candidates)} controllers leads after {within:g} s")


def _mebibytes(text: str) -> float:
    return int(text.split()[0]) / 1024
