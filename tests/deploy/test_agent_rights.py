"""The capabilities that the chart gives the agent are enough for it: the kernel itself is asked."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEMPLATE = (ROOT / "deploy/chart/atoll/templates/agent.yaml").read_text(encoding="utf-8")
PROBE = """
from agent.netns import inside_new
from agent.preflight import missing_features, warnings
from agent.sysctls import LINK_SETTINGS, write_settings
for finding in (*missing_features(), *warnings()):
    print(finding)
inside_new(lambda: write_settings("lo", LINK_SETTINGS))
print("interfaces of a pod can be set")
"""


def added_capabilities() -> list[str]:
    match = re.search(r"add: \[(.*)\]", TEMPLATE)
    assert match is not None
    return match[1].split(", ")


def found(*wrapper: str) -> str:
    """What the agent finds in a network namespace of its own."""
    command = ["unshare", "--net", *wrapper, sys.executable, "-c", PROBE]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_capabilities_are_two() -> None:
    assert added_capabilities() == ["NET_ADMIN", "SYS_ADMIN"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give most of it up")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv, of the package util-linux")
def test_with_them_the_agent_finds_the_kernel_as_able_as_with_all() -> None:
    bounds = ",".join(["-all", *(f"+{name.lower()}" for name in added_capabilities())])
    limited = found("setpriv", "--no-new-privs", "--inh-caps=-all", f"--bounding-set={bounds}")
    assert limited == found()
    assert limited.endswith("interfaces of a pod can be set\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give most of it up")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv, of the package util-linux")
def test_without_the_one_for_entering_pods_it_cannot_start() -> None:
    with pytest.raises(AssertionError, match="Operation not permitted"):
        found("setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all,+net_admin")
