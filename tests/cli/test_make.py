"""The Makefile, with stand-ins for all that it calls."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parent.parent.parent / "Makefile"
TOOLS = ("setup.sh", "cni_plugin.sh", "kubelet.sh", "control_plane.sh")
PROGRAMS = ("pytest", "python")
CALLED = """#!/bin/sh
echo $(basename "$0") $ATOLL_CNI $ATOLL_KUBELET $ATOLL_CONTROL_PLANE >>{journal}
"""
BUILT = """#!/bin/sh
echo /cache/$(basename "$0" .sh)
"""
FAILED = """#!/bin/sh
echo "the build failed" >&2
exit 1
"""


def written(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(script)
    path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copy(MAKEFILE, tmp_path)
    for tool in TOOLS:
        written(tmp_path / "tools" / tool, BUILT)
    for program in PROGRAMS:
        written(tmp_path / ".venv" / "bin" / program, CALLED.format(journal=tmp_path / "journal"))
    return tmp_path


def make(checkout: Path, target: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"]}
    return subprocess.run(
        ["make", target], cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )


def test_the_kernel_tests_are_told_what_was_built(checkout: Path) -> None:
    assert make(checkout, "test-kernel").returncode == 0
    assert (checkout / "journal").read_text().splitlines() == [
        "pytest",
        "python /cache/cni_plugin /cache/kubelet /cache/control_plane",
    ]


@pytest.mark.parametrize("tool", ["cni_plugin.sh", "kubelet.sh", "control_plane.sh"])
def test_no_kernel_test_runs_or_is_skipped_where_a_build_fails(checkout: Path, tool: str) -> None:
    written(checkout / "tools" / tool, FAILED)
    ended = make(checkout, "test-kernel")
    assert ended.returncode != 0
    assert "the build failed" in ended.stderr
    assert (checkout / "journal").read_text().split() == ["pytest"]
