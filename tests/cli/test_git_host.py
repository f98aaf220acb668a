"""The lab's Git host, asked by git itself."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.lab.authority import Authority
from cli.lab.git_host import GitHost
from tests.contracts.git_workbench import DiskWorkbench

SECONDS = 60.0


@pytest.fixture
def host(tmp_path: Path) -> Iterator[GitHost]:
    folder = tmp_path / "authority"
    folder.mkdir()
    with GitHost(tmp_path, Authority(folder)) as host:
        yield host


@pytest.fixture
def revision(tmp_path: Path) -> str:
    """Of the one commit."""
    return DiskWorkbench(tmp_path).commit({"a.yaml": b"a"})


def question(host: GitHost, tmp_path: Path, password: str = "") -> subprocess.Popen[str]:
    """Asks which commit the branch names."""
    trusted = tmp_path / "trusted.crt"
    trusted.write_bytes(host.certificate)
    url = host.url("remote").replace("https://", f"https://git:{password}@" if password else "https://")
    environment = {
        "PATH": os.environ["PATH"],
        "GIT_SSL_CAINFO": str(trusted),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "LC_ALL": "C",
    }
    command = ["git", "ls-remote", url, "refs/heads/main"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)


def answer(host: GitHost, tmp_path: Path, password: str = "") -> str:
    """The commit, or git's complaint."""
    return _said(question(host, tmp_path, password))


def _said(asked: subprocess.Popen[str]) -> str:
    out, errors = asked.communicate(timeout=SECONDS)
    return out.partition("\t")[0] if asked.returncode == 0 else errors


def test_it_serves_the_repositories_of_its_folder(host: GitHost, tmp_path: Path, revision: str) -> None:
    assert answer(host, tmp_path) == revision


def test_a_repository_that_it_makes_is_empty(host: GitHost, tmp_path: Path) -> None:
    host.create("remote")
    assert answer(host, tmp_path) == ""


def test_it_lets_in_who_knows_the_password_and_nobody_else(
    host: GitHost, tmp_path: Path, revision: str
) -> None:
    host.require("correct")
    assert "could not read Username" in answer(host, tmp_path)
    assert "Authentication failed" in answer(host, tmp_path, "wrong")
    assert answer(host, tmp_path, "correct") == revision
    host.require("changed")
    assert "Authentication failed" in answer(host, tmp_path, "correct")


def test_it_can_be_away_and_come_back_at_the_same_place(host: GitHost, tmp_path: Path, revision: str) -> None:
    url = host.url("remote")
    host.stop()
    assert "unable to access" in answer(host, tmp_path)
    host.start()
    assert host.url("remote") == url
    assert answer(host, tmp_path) == revision


def test_one_that_hangs_takes_requests_and_answers_them_later(
    host: GitHost, tmp_path: Path, revision: str
) -> None:
    host.hang()
    before = host.requests
    asked = question(host, tmp_path)
    assert host.await_request(after=before, within=SECONDS)
    assert asked.poll() is None
    host.answer()
    assert _said(asked) == revision
