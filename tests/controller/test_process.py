"""The controller as a process of its own, with a real repository, real files and real signals."""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.git_workbench import DiskWorkbench
from tests.controller.files import BROKEN, RED, RED_AND_BLUE, network
from tests.controller.kubectl import inventory_json

_PATIENCE = 30.0


class Process:
    """`atoll controller`, and its log lines as they come."""

    def __init__(self, *arguments: str | Path) -> None:
        program = "from cli.main import main; main()"
        self.child = subprocess.Popen(
            [sys.executable, "-c", program, "controller", *map(str, arguments), "--log-format", "json"],
            stderr=subprocess.PIPE,
        )
        assert self.child.stderr is not None
        os.set_blocking(self.child.stderr.fileno(), False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self.child.stderr, selectors.EVENT_READ)
        self._text = b""
        self.events: list[dict[str, Any]] = []

    def until(self, event: str, **facts: object) -> dict[str, Any]:
        """Return the next event of that name and facts; fail with what came instead."""
        while True:
            line = self._line()
            self.events.append(line)
            if line["event"] == event and all(line.get(name) == value for name, value in facts.items()):
                return line

    def _line(self) -> dict[str, Any]:
        assert self.child.stderr is not None
        while b"\n" not in self._text:
            ready = self._selector.select(_PATIENCE)
            read = self.child.stderr.read() if ready else None
            assert read, f"nothing more after {self.events}, but {self._text!r}"
            self._text += read
        line, _, self._text = self._text.partition(b"\n")
        document = json.loads(line)
        assert isinstance(document, dict)
        return document

    def end(self, number: signal.Signals) -> int:
        self.child.send_signal(number)
        return self.child.wait(_PATIENCE)

    def close(self) -> None:
        self.child.kill()
        self.child.wait()
        self._selector.close()
        assert self.child.stderr is not None
        self.child.stderr.close()


class Stage:
    def __init__(self, root: Path) -> None:
        self.bench = DiskWorkbench(root)
        self.plans = root / "plans"
        self.inventory = root / "cluster" / "inventory.json"
        self.inventory.parent.mkdir()
        self.processes: list[Process] = []

    def put_inventory(self, pods: dict[str, str]) -> None:
        new = self.inventory.with_name("new")
        new.write_bytes(inventory_json(pods))
        new.rename(self.inventory)

    def start(self, repository: str | Path | None = None) -> Process:
        process = Process(
            "--repo",
            repository or self.bench.path,
            "--ref",
            "main",
            "--inventory",
            self.inventory,
            "--plans",
            self.plans,
            "--interval",
            "0.2",
        )
        self.processes.append(process)
        return process

    def envelope(self, node: str) -> dict[str, Any]:
        document = json.loads((self.plans / "plans" / f"{node}.json").read_bytes())
        assert isinstance(document, dict)
        return document

    def plan_files(self) -> list[Path]:
        return sorted((self.plans / "plans").glob("*.json"))

    def allocations(self) -> bytes:
        return (self.plans / "allocations.json").read_bytes()

    def status(self) -> dict[str, Any]:
        document = json.loads((self.plans / "status.json").read_bytes())
        assert isinstance(document, dict)
        return document


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    for process in stage.processes:
        process.close()


def test_commits_and_inventories_arrive_and_a_broken_commit_does_not(stage: Stage) -> None:
    first = stage.bench.commit(RED)
    stage.put_inventory({"red-1": "node-1"})
    process = stage.start()
    process.until("published", revision=first, changed=2)
    envelope = stage.envelope("node-1")
    assert (envelope["apiVersion"], envelope["node"]) == ("atoll.dev/v1alpha1", "node-1")
    assert (envelope["revision"], envelope["generation"]) == (first, 1)

    second = stage.bench.commit(RED_AND_BLUE)
    process.until("compiled", revision=second)
    stage.put_inventory({"red-1": "node-1", "blue-1": "node-2"})
    process.until("published", revision=second, changed=1)
    assert stage.envelope("node-2")["revision"] == second

    third = stage.bench.commit(RED | {"red.yaml": BROKEN})
    before = [path.stat().st_mtime_ns for path in stage.plan_files()]
    assert str(process.until("refused", revision=third)["first"]).startswith("red.yaml:4:1: error ATL104")
    stage.put_inventory({"red-1": "node-1", "blue-1": "node-2"})
    process.until("compiled", revision=second)
    assert process.end(signal.SIGTERM) == 0
    process.until("stopped")

    assert [path.stat().st_mtime_ns for path in stage.plan_files()] == before
    status = stage.status()
    assert status["seen"]["revision"] == third
    assert status["applied"]["revision"] == second
    assert [problem["code"] for problem in status["problems"]] == ["ATL104"]


def test_a_killed_controller_is_taken_over_without_a_plan_rewritten(stage: Stage) -> None:
    first = stage.bench.commit(RED)
    stage.put_inventory({"red-1": "node-1"})
    process = stage.start()
    process.until("published", revision=first)
    process.end(signal.SIGKILL)
    before = {path.name: path.stat().st_ino for path in stage.plan_files()}
    allocations = stage.allocations()

    heir = stage.start()
    assert heir.until("started")["plans"] == 2
    heir.until("compiled", revision=first)
    stage.put_inventory({"red-1": "node-1", "amber-1": "node-2"})
    second = stage.bench.commit(RED | {"amber.yaml": network("amber", "10.3.0.0/24")})
    heir.until("published", revision=second)

    after = {path.name: path.stat().st_ino for path in stage.plan_files()}
    assert after["node-1.json"] == before["node-1.json"]
    assert after["node-2.json"] != before["node-2.json"]
    numbers = [json.loads(text)["networks"] for text in (allocations, stage.allocations())]
    assert [{name: entry["number"] for name, entry in each.items()} for each in numbers] == [
        {"team-a/red": 1},
        {"team-a/amber": 2, "team-a/red": 1},
    ]


def test_two_controllers_do_not_publish_to_one_directory(stage: Stage) -> None:
    stage.bench.commit(RED)
    stage.put_inventory({"red-1": "node-1"})
    stage.start().until("started")

    second = stage.start()

    assert second.child.wait(_PATIENCE) == 3
    assert second.child.stderr is not None
    assert second.child.stderr.read().decode() == (
        f"atoll: {stage.plans}: another controller publishes here. Stop it, or use another directory.\n"
    )


def test_a_signal_ends_it_while_a_server_does_not_answer(stage: Stage) -> None:
    stage.put_inventory({"red-1": "node-1"})
    with socket.create_server(("127.0.0.1", 0)) as server:
        process = stage.start(f"https://127.0.0.1:{server.getsockname()[1]}/networks.git")
        process.until("started")
        connection, _ = server.accept()
        with connection:
            assert process.end(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ["--repo", "http://git.example.com/x", "--inventory", "i", "--plans", "p"],
            3,
            "neither https nor ssh",
        ),
        (["--repo", ".", "--ref", "--all", "--inventory", "i", "--plans", "p"], 3, "ref --all"),
        (
            ["--repo", ".", "--inventory", "missing/i", "--plans", "p"],
            3,
            "there is no such directory to watch",
        ),
        (
            ["--repo", ".", "--inventory", "i", "--plans", "p", "--path", "/etc"],
            3,
            "leads outside the repository",
        ),
        (["--inventory", "i", "--plans", "p"], 2, "Missing --repo. Give --cluster, or all of"),
        (["--cluster", "--repo", "."], 2, "--repo is for the embedded mode"),
        (["--cluster", "--metrics-address", "nowhere"], 3, "nowhere"),
    ],
)
def test_what_cannot_be_started_says_why_in_one_line(
    tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    program = "from cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "controller", *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
        timeout=_PATIENCE,
    )

    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
