"""The network repository of the demo: a Git repository made from the template, and commits to it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cli.failure import Failure

BRANCH: Final = "main"
_ENVIRONMENT: Final = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C.UTF-8"}
"""Neither hooks nor signing nor names of whoever runs the demo."""


class Repository:
    def __init__(self, path: Path, template: Path, path_variable: str) -> None:
        """A copy of the template, committed. `path_variable`: the PATH that git is found on."""
        self.path = path
        self._environment = {**_ENVIRONMENT, "PATH": path_variable, "HOME": str(path.parent)}
        shutil.copytree(template, path)
        self._git("init", "--quiet", "--initial-branch", BRANCH)
        self.first = self._commit("Platform", "Start from the template")

    def read(self, name: str) -> str:
        return (self.path / name).read_text()

    def commit(self, author: str, message: str, files: Mapping[str, str]) -> str:
        """Writes the files and commits them; returns the revision."""
        for name, content in files.items():
            target = self.path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content)
        return self._commit(author, message)

    def push(self, remote: Path) -> None:
        """The branch, to a bare repository."""
        self._git("push", "--quiet", str(remote), BRANCH)

    def _commit(self, author: str, message: str) -> str:
        self._git("add", "--all")
        identity = ("-c", f"user.name={author}", "-c", "user.email=team@example.com")
        self._git(*identity, "commit", "--quiet", "--no-gpg-sign", "--message", message)
        return self._git("rev-parse", "HEAD").strip()

    def _git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise Failure(f"git {arguments[0]} in {self.path}: {done.stderr.strip()}")
        return done.stdout
