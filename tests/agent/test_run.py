"""The start of the process; tests/kernel runs the whole of it."""

from __future__ import annotations

import fcntl
import logging
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.plan_file import Stamp
from agent.plan_watch import PlanWatch
from agent.run import EXIT_CANNOT_START, run
from agent.settings import Settings
from agent.status_file import AddressUse, AddressWish, AgentStatus, Reason, read_status, write_status
from compiler.names import NodeName


@pytest.fixture(autouse=True)
def _descriptors() -> Iterator[None]:
    """The agent limits those of its process, which is the tests' here."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def _settings(folder: Path) -> Settings:
    return Settings(
        node=NodeName("node-a"),
        plans=folder,
        socket=folder / "agent.sock",
        state=folder / "state",
    )


def test_a_second_agent_on_one_state_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    state = tmp_path / "state"
    state.mkdir()
    with (state / "lock").open("w") as lock, caplog.at_level(logging.ERROR):
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert run(_settings(tmp_path)) == EXIT_CANNOT_START
    assert f"cannot start: another agent runs on {state}: stop it first" in caplog.messages


def test_the_state_is_the_agents_alone(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o755)
    with (state / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run(_settings(tmp_path))
    assert state.stat().st_mode & 0o777 == 0o700


def test_a_replaced_plan_wakes_the_watch(tmp_path: Path) -> None:
    watch = PlanWatch(tmp_path)
    watch.arm()
    assert watch.armed
    (tmp_path / "node-a.json").write_text("{}")
    watch.drain()
    assert watch.armed
    watch.close()


def test_a_directory_that_goes_and_comes_again_is_watched_again(tmp_path: Path) -> None:
    plans = tmp_path / "plans"
    watch = PlanWatch(plans)
    watch.arm()
    assert not watch.armed
    plans.mkdir()
    watch.arm()
    assert watch.armed
    plans.rmdir()
    watch.drain()
    assert not watch.armed
    watch.close()


def test_a_status_is_written_for_controller_and_people(tmp_path: Path) -> None:
    status = AgentStatus(
        node=NodeName("node-a"),
        ready=False,
        reason=Reason.APPLY_FAILED,
        revision="abc1234",
        generation=7,
        digest="sha256:00",
        attempted=Stamp(revision="def5678", generation=8, digest="sha256:11"),
        applied_at="2026-01-01T00:00:00Z",
        apply_seconds=0.125,
        errors=("vx1: in the way",),
        warnings=(),
        networks=3,
        attachments=2,
        addresses=(AddressUse(network="team-a/red", used=2),),
        wanted=(AddressWish(network="team-a/red", addresses=17),),
        leaving=("vn4",),
        transactions=5,
        version="0.1.0",
    )
    write_status(tmp_path / "agents", status)
    assert (tmp_path / "agents" / "node-a.json").read_text() == (
        "{\n"
        '  "apiVersion": "atoll.dev/v1alpha1",\n'
        '  "kind": "AgentStatus",\n'
        '  "node": "node-a",\n'
        '  "ready": false,\n'
        '  "reason": "ApplyFailed",\n'
        '  "revision": "abc1234",\n'
        '  "generation": 7,\n'
        '  "digest": "sha256:00",\n'
        '  "attempted": {\n'
        '    "revision": "def5678",\n'
        '    "generation": 8,\n'
        '    "digest": "sha256:11"\n'
        "  },\n"
        '  "appliedAt": "2026-01-01T00:00:00Z",\n'
        '  "applySeconds": 0.125,\n'
        '  "errors": [\n    "vx1: in the way"\n  ],\n'
        '  "warnings": [],\n'
        '  "networks": 3,\n'
        '  "attachments": 2,\n'
        '  "addresses": [\n    {\n      "network": "team-a/red",\n      "used": 2\n    }\n  ],\n'
        '  "wanted": [\n    {\n      "network": "team-a/red",\n      "addresses": 17\n    }\n  ],\n'
        '  "leaving": [\n    "vn4"\n  ],\n'
        '  "transactions": 5,\n'
        '  "version": "0.1.0",\n'
        '  "twin": false,\n'
        '  "apiProblem": ""\n'
        "}\n"
    )
    assert read_status(tmp_path / "agents", NodeName("node-a")) == status


@pytest.mark.parametrize("content", ["", "{", '{"node": 7}', "[]"])
def test_a_status_that_cannot_be_read_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "node-a.json").write_text(content)
    assert read_status(tmp_path, NodeName("node-a")) is None
