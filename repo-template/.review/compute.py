#!/usr/bin/env python3
"""Computes the review of a change and leaves it as files. No token, no cluster, nothing checked out.

The change is data: Atoll reads it from Git's objects as it would be merged, and runs nothing of it. The
same command serves a pull request, a merge request and a developer's own machine.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

from payload import merge_request

INVENTORY = ".review/inventory.json"
"""Of BASE, if it has one: a change cannot bring its own."""
INVENTORY_COPY = "inventory.json"
_NOBODY = {
    "GIT_AUTHOR_NAME": "review",
    "GIT_AUTHOR_EMAIL": "review@localhost",
    "GIT_COMMITTER_NAME": "review",
    "GIT_COMMITTER_EMAIL": "review@localhost",
}
"""Of the merge that nobody keeps."""


def main() -> int:
    options = _options()
    _clear(options.out)
    _hush()
    number, head = options.number, options.head
    if options.gitlab_payload:
        number = merge_request(options.gitlab_payload, os.environ["CI_DEFAULT_BRANCH"])
        if number is None:
            print("review: the event is not about a merge request into the default branch")
            return 0
        _git("fetch", "--quiet", "--no-tags", "origin", f"refs/merge-requests/{number}/head")
        head = "FETCH_HEAD"
    return _review(options, number, _commit(options.base), _commit(head))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compute the review of a change.")
    parser.add_argument("--base", default="origin/main", help="where it is to be merged [origin/main]")
    parser.add_argument("--head", default="HEAD", help="what is to be merged [HEAD]")
    parser.add_argument("--number", type=int, default=1, help="of the pull or merge request")
    parser.add_argument("--gitlab-payload", type=Path, help="GitLab's webhook: says number and head")
    parser.add_argument("--out", type=Path, default=Path(".review/out"), help="folder [.review/out]")
    parser.add_argument("--approved-by", action="append", default=[], metavar="NAME")
    parser.add_argument(
        "--leave-approvals", action="store_true", help="somebody else decides about guarded rules"
    )
    return parser.parse_args()


def _clear(out: Path) -> None:
    """What lies there may be the change's own: no file of it is to pass for one of ours."""
    if out.is_symlink():
        raise SystemExit(f"review: {out} is a symbolic link: give a folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SystemExit(f"review: {out}: {error.strerror}: give a folder that can be written to") from None
    for name in (INVENTORY_COPY, "run.json", "policy.json", "review.json", "review.md", "review.html"):
        (out / name).unlink(missing_ok=True)


def _hush() -> None:
    """File names and declarations are printed: none of them is to be a command to GitHub's runner."""
    if os.environ.get("GITHUB_ACTIONS"):
        print(f"::stop-commands::{secrets.token_hex(16)}", flush=True)


def _review(options: argparse.Namespace, number: int, base: str, head: str) -> int:
    merged = _merged(base, head)
    steps = {} if merged is None else _steps(options, base, merged)
    review = _told(options.out, steps)
    policy = review.get("policy") or {"verdict": "none", "breaches": []}
    run = {
        "number": number,
        "base": base,
        "head": head,
        "steps": steps,
        "conflict": merged is None,
        "refused": review.get("verdict") == "refused",
    }
    _write(options.out / "run.json", run)
    _write(options.out / "policy.json", {"policy": policy})
    if merged is None:
        print(f"review: {head} does not merge into {base}: resolve the conflicts first")
        return 1
    wrong = run["refused"] or steps["validate"] or steps.get("verify") or steps["diff"] > 1
    broken = policy["verdict"] in ("broken", "unreadable") and not options.leave_approvals
    return 1 if wrong or broken else 0


def _steps(options: argparse.Namespace, base: str, merged: str) -> dict[str, int]:
    """Exit codes. 1 says that something is wrong with the change, more that it could not be found out."""
    inventory = _inventory(options.out, base)
    at = ("--repo", ".", "--revision", merged, *inventory)
    steps = {"validate": _atoll("validate", *at)}
    approved = [word for name in options.approved_by for word in ("--approved-by", name)]
    told = ("diff", base, merged, "--repo", ".", *inventory, *approved, "--proof", "--out", str(options.out))
    steps["diff"] = _atoll(*told)
    if steps["validate"] == 0:
        # The review's proof is the verifier's word. Where it proved nothing, it says why, packet by packet.
        certificate = _told(options.out, steps).get("certificate") or {}
        steps["verify"] = 0 if certificate.get("proved") is True else _atoll("verify", *at)
    return steps


def _told(out: Path, steps: dict[str, int]) -> dict[str, Any]:
    """The review, where there is one."""
    return _json(out / "review.json") if steps.get("diff", 3) < 2 else {}


def _json(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_bytes())
    assert isinstance(found, dict)
    return found


def _write(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _inventory(out: Path, base: str) -> list[str]:
    found = subprocess.run(["git", "show", f"{base}:{INVENTORY}"], capture_output=True, check=False)
    if found.returncode:
        return []
    path = out / INVENTORY_COPY
    path.write_bytes(found.stdout)
    return ["--inventory", str(path)]


def _merged(base: str, head: str) -> str | None:
    """The commit as it would be after the merge; None where there are conflicts."""
    ahead = subprocess.run(["git", "merge-base", "--is-ancestor", base, head], check=False)
    if ahead.returncode == 0:
        return head
    tree = subprocess.run(
        ["git", "merge-tree", "--write-tree", base, head], capture_output=True, text=True, check=False
    )
    if tree.returncode == 1:
        return None
    if tree.returncode:
        raise SystemExit(f"review: git merge-tree failed, it needs Git 2.38 or newer: {tree.stderr.strip()}")
    return _git("commit-tree", tree.stdout.split()[0], "-p", base, "-p", head, "-m", "review", **_NOBODY)


def _commit(revision: str) -> str:
    return _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")


def _git(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        ["git", *arguments], stdout=subprocess.PIPE, text=True, check=False, env=os.environ | environment
    )
    if done.returncode:
        raise SystemExit(f"review: git {arguments[0]} failed: is {arguments[-1]} there, and fetched?")
    return done.stdout.strip()


def _atoll(*arguments: str) -> int:
    """Its exit code; what it prints is for the log."""
    print(f"\n$ atoll {arguments[0]}", flush=True)
    try:
        return subprocess.run(["atoll", *arguments], check=False).returncode
    except FileNotFoundError:
        raise SystemExit(
            "review: atoll is not installed: pip install --requirement .review/requirements.txt"
        ) from None


if __name__ == "__main__":
    sys.exit(main())
