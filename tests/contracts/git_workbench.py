"""A repository that tests commit to: in memory, or on disk with git's plumbing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from controller.git import GitRepository, GitSource
from controller.git_memory import Entry, MemoryRepository
from controller.location import parse_location
from controller.snapshot import ReadLimits, Refusal, Revision

_MODES = {Refusal.SYMBOLIC_LINK: "120000", Refusal.SUBMODULE: "160000"}


class Workbench(Protocol):
    def commit(self, entries: Mapping[str, Entry], *, amend: bool = False) -> Revision: ...

    def delete_ref(self) -> None: ...

    def go_away(self) -> None: ...

    def source(self, *, folder: str = "", limits: ReadLimits | None = None) -> GitSource: ...


class MemoryWorkbench:
    def __init__(self) -> None:
        self.repository = MemoryRepository()

    def commit(self, entries: Mapping[str, Entry], *, amend: bool = False) -> Revision:
        return self.repository.commit(entries, amend=amend)

    def delete_ref(self) -> None:
        self.repository.delete_ref()

    def go_away(self) -> None:
        self.repository.outage = True

    def source(self, *, folder: str = "", limits: ReadLimits | None = None) -> GitSource:
        self.repository.folder = folder
        self.repository.limits = limits or ReadLimits()
        return self.repository


class DiskWorkbench:
    """A bare repository; commits are made without a work tree, so that any tree can be made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "remote.git"
        self.environment = {
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_AUTHOR_NAME": "author",
            "GIT_AUTHOR_EMAIL": "author@example.com",
            "GIT_COMMITTER_NAME": "author",
            "GIT_COMMITTER_EMAIL": "author@example.com",
        }
        subprocess.run(
            ["git", "init", "--quiet", "--bare", "--initial-branch=main", str(self.path)],
            check=True,
            env=self.environment,
        )

    def git(self, *arguments: str, data: bytes = b"", index: bool = False) -> str:
        command = ["git", "-C", str(self.path), *arguments]
        environment = {"GIT_INDEX_FILE": str(self.folder / "index")} if index else {}
        done = subprocess.run(
            command, input=data, check=True, capture_output=True, env=self.environment | environment
        )
        return done.stdout.decode().strip()

    def commit(self, entries: Mapping[str, Entry], *, amend: bool = False) -> Revision:
        self.git("read-tree", "--empty", index=True)
        lines = "".join(self._index_line(path, entry) for path, entry in entries.items())
        self.git("update-index", "--add", "--index-info", data=lines.encode(), index=True)
        tree = self.git("write-tree", index=True)
        parent = self._parent(amend=amend)
        name = self.git("commit-tree", tree, *(["-p", parent] if parent else []), data=b"change\n")
        self.git("update-ref", "refs/heads/main", name)
        return Revision(name)

    def _index_line(self, path: str, entry: Entry) -> str:
        if entry is Refusal.SUBMODULE:
            return f"160000 {'1' * 40}\t{path}\n"
        content = b"../elsewhere" if isinstance(entry, Refusal) else entry
        blob = self.git("hash-object", "-w", "--stdin", data=content)
        mode = _MODES[entry] if isinstance(entry, Refusal) else "100644"
        return f"{mode} {blob}\t{path}\n"

    def _parent(self, *, amend: bool) -> str:
        wanted = "refs/heads/main~1" if amend else "refs/heads/main"
        command = ["git", "-C", str(self.path), "rev-parse", "--verify", "--quiet", wanted]
        return (
            subprocess.run(command, capture_output=True, check=False, env=self.environment)
            .stdout.decode()
            .strip()
        )

    def delete_ref(self) -> None:
        self.git("update-ref", "-d", "refs/heads/main")

    def go_away(self) -> None:
        self.path.rename(self.folder / "moved.git")

    def source(self, *, folder: str = "", limits: ReadLimits | None = None) -> GitSource:
        return GitRepository(
            location=parse_location(str(self.path)),
            ref="main",
            folder=folder,
            cache=self.folder / "cache.git",
            limits=limits or ReadLimits(),
        )
