"""Runs `atoll` as people do: in a process of its own, with its streams and its exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    code: int
    out: str
    errors: str
    """Without lines of progress, which a busy machine may provoke."""


def atoll(*arguments: str | Path, cwd: Path | None = None, programs: Path | None = None) -> Outcome:
    """`programs`: a folder that is looked through before PATH."""
    program = "import sys; from cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=None if programs is None else {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
        check=False,
        timeout=60,
    )
    lines = done.stderr.splitlines(keepends=True)
    errors = "".join(line for line in lines if not line.endswith(" ...\n"))
    return Outcome(code=done.returncode, out=done.stdout, errors=errors)
