"""Runs the template's scripts as its pipelines do: in processes of their own, from a repository's root."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TEMPLATE = Path(__file__).parents[2] / "repo-template"
BASE, HEAD, OTHER = "b" * 40, "a" * 40, "c" * 40


def run(
    script: str, *arguments: str | Path, cwd: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    return subprocess.run(
        [sys.executable, "-B", str(TEMPLATE / ".review" / script), *map(str, arguments)],
        cwd=cwd,
        env={"PATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def files(
    *,
    number: Any = 7,
    head: Any = HEAD,
    steps: Any = None,
    conflict: bool = False,
    refused: bool = False,
    verdict: Any = "kept",
    breaches: Any = (),
    markdown: str = "what it does\n",
) -> dict[str, bytes]:
    """What the computing job leaves."""
    ran = {"validate": 0, "verify": 0, "diff": 0} if steps is None else steps
    result = {"number": number, "base": BASE, "head": head, "steps": ran}
    result |= {"conflict": conflict, "refused": refused}
    policy = {"policy": {"verdict": verdict, "breaches": breaches}}
    return {
        "run.json": json.dumps(result).encode(),
        "policy.json": json.dumps(policy).encode(),
        "review.md": markdown.encode(),
    }


def breach(guard: str = "cards", approvers: Any = ("carol", "dave"), approvals: Any = 1) -> dict[str, Any]:
    return {"guard": guard, "approvers": approvers, "approvals": approvals, "approved": False}
