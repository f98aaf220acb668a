"""A repository that tests commit to: in memory, or on disk with git's plumbing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from controller.git import GitRepository, GitSource
from controller.git_memory import Entry, MemoryRepository, MemorySignature
from controller.location import parse_location
from controller.signatures import MAX_COMMITS, Signers
from controller.snapshot import ReadLimits, Refusal, Revision
from tests.contracts.git_keys import Keys, MemoryKeys, SigningKeys

_MODES = {Refusal.SYMBOLIC_LINK: "120000", Refusal.SUBMODULE: "160000"}


class Workbench(Protocol):
    @property
    def keys(self) -> Keys: ...

    def commit(
        self,
        entries: Mapping[str, Entry],
        *,
        amend: bool = False,
        signer: str = "",
        parents: Sequence[Revision] | None = None,
        aside: bool = False,
    ) -> Revision:
        """Commit to the branch main, or, with `aside`, to none; signed by the key of that name."""
        ...

    def tag(self, name: str, revision: Revision) -> None: ...

    def delete_ref(self) -> None: ...

    def go_away(self) -> None: ...

    def source(
        self,
        *,
        ref: str = "main",
        folder: str = "",
        limits: ReadLimits | None = None,
        signers: Signers | None = None,
        verify_commits: int = MAX_COMMITS,
    ) -> GitSource: ...


class MemoryWorkbench:
    def __init__(self) -> None:
        self.repository = MemoryRepository()
        self.keys = MemoryKeys()

    def commit(
        self,
        entries: Mapping[str, Entry],
        *,
        amend: bool = False,
        signer: str = "",
        parents: Sequence[Revision] | None = None,
        aside: bool = False,
    ) -> Revision:
        signature = MemorySignature(key=self.keys.public(signer)) if signer else None
        return self.repository.commit(entries, amend=amend, signature=signature, parents=parents, aside=aside)

    def tag(self, name: str, revision: Revision) -> None:
        self.repository.tag(name, revision)

    def delete_ref(self) -> None:
        self.repository.delete_ref()

    def go_away(self) -> None:
        self.repository.outage = True

    def source(
        self,
        *,
        ref: str = "main",
        folder: str = "",
        limits: ReadLimits | None = None,
        signers: Signers | None = None,
        verify_commits: int = MAX_COMMITS,
    ) -> GitSource:
        self.repository.ref = ref
        self.repository.folder = folder
        self.repository.limits = limits or ReadLimits()
        self.repository.signers = signers
        self.repository.verify_commits = verify_commits
        return self.repository


class DiskWorkbench:
    """A bare repository; commits are made without a work tree, so that any tree can be made."""

    def __init__(self, folder: Path, keys: SigningKeys | None = None) -> None:
        self.folder = folder
        self._keys = keys
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

    @property
    def keys(self) -> SigningKeys:
        assert self._keys, "this workbench was made without keys"
        return self._keys

    def git(self, *arguments: str, data: bytes = b"", index: bool = False) -> str:
        command = ["git", "-C", str(self.path), *arguments]
        environment = {"GIT_INDEX_FILE": str(self.folder / "index")} if index else {}
        if self._keys:
            environment |= self._keys.environment
        done = subprocess.run(
            command, input=data, check=True, capture_output=True, env=self.environment | environment
        )
        return done.stdout.decode().strip()

    def commit(
        self,
        entries: Mapping[str, Entry],
        *,
        amend: bool = False,
        signer: str = "",
        parents: Sequence[Revision] | None = None,
        aside: bool = False,
    ) -> Revision:
        self.git("read-tree", "--empty", index=True)
        lines = "".join(self._index_line(path, entry) for path, entry in entries.items())
        self.git("update-index", "--add", "--index-info", data=lines.encode(), index=True)
        tree = self.git("write-tree", index=True)
        follows = self._parents(amend=amend) if parents is None else parents
        options = [option for parent in follows for option in ("-p", parent)]
        settings = [*self.keys.settings(signer)] if signer else []
        signed = ["-S"] if signer else []
        name = self.git(*settings, "commit-tree", *signed, tree, *options, data=b"change\n")
        if not aside:
            self.git("update-ref", "refs/heads/main", name)
        return Revision(name)

    def tag(self, name: str, revision: Revision) -> None:
        self.git("tag", "-a", "-m", name, name, revision)

    def _index_line(self, path: str, entry: Entry) -> str:
        if entry is Refusal.SUBMODULE:
            return f"160000 {'1' * 40}\t{path}\n"
        content = b"../elsewhere" if isinstance(entry, Refusal) else entry
        blob = self.git("hash-object", "-w", "--stdin", data=content)
        mode = _MODES[entry] if isinstance(entry, Refusal) else "100644"
        return f"{mode} {blob}\t{path}\n"

    def _parents(self, *, amend: bool) -> list[str]:
        tip = "refs/heads/main"
        command = ["git", "-C", str(self.path), "rev-parse", f"{tip}^@" if amend else tip]
        found = subprocess.run(command, capture_output=True, check=False, env=self.environment)
        return found.stdout.decode().split() if found.returncode == 0 else []

    def delete_ref(self) -> None:
        self.git("update-ref", "-d", "refs/heads/main")

    def go_away(self) -> None:
        self.path.rename(self.folder / "moved.git")

    def source(
        self,
        *,
        ref: str = "main",
        folder: str = "",
        limits: ReadLimits | None = None,
        signers: Signers | None = None,
        verify_commits: int = MAX_COMMITS,
    ) -> GitRepository:
        return GitRepository(
            location=parse_location(str(self.path)),
            ref=ref,
            folder=folder,
            cache=self.folder / "cache.git",
            limits=limits or ReadLimits(),
            signers=signers,
            verify_commits=verify_commits,
        )
