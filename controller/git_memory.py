"""A repository in memory that behaves as a real one does: commits, links, force pushes, outages."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from compiler.problem import in_reading_order
from controller.git import Sighting
from controller.snapshot import (
    ENDS_READING,
    ReadLimits,
    Refusal,
    Revision,
    Snapshot,
    is_candidate,
    is_hidden,
    refusal_problem,
    source_error,
)

Entry = bytes | Refusal
"""A file's content, or an entry that is a symbolic link or a submodule."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryCommit:
    parent: Revision | None
    entries: Mapping[str, Entry]


@dataclass(kw_only=True, slots=True)
class MemoryRepository:
    """GitSource and the remote behind it: `commit` and its neighbours are what authors do."""

    ref: str = "main"
    folder: str = ""
    limits: ReadLimits = field(default_factory=ReadLimits)
    outage: bool = False
    _commits: dict[Revision, MemoryCommit] = field(default_factory=dict)
    _refs: dict[str, Revision] = field(default_factory=dict)
    _seen: set[Revision] = field(default_factory=set)

    def commit(self, entries: Mapping[str, Entry], *, amend: bool = False) -> Revision:
        """Make `entries` the whole tree of a new commit on the ref; `amend` replaces its tip."""
        tip = self._refs.get(self.ref)
        parent = self._commits[tip].parent if amend and tip else tip
        text = repr((parent, sorted(entries.items())))
        revision = Revision(hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
        self._commits[revision] = MemoryCommit(parent=parent, entries=dict(entries))
        self._refs[self.ref] = revision
        return revision

    def delete_ref(self) -> None:
        del self._refs[self.ref]

    def look(self, previous: Revision | None) -> Sighting:
        subject = "repository memory"
        if self.outage:
            reason = "the repository cannot be read: Connection refused"
            raise source_error("ATL802", subject, reason)
        if self.ref not in self._refs:
            raise source_error("ATL803", subject, f"ref {self.ref} names no commit")
        revision = self._refs[self.ref]
        self._seen.add(revision)
        rewritten = previous is not None and previous not in self._history(revision)
        return Sighting(revision=revision, rewritten=rewritten)

    def read(self, revision: Revision) -> Snapshot:
        """Read what has been fetched before, also during an outage, as a cache allows."""
        files: dict[str, bytes] = {}
        refused: list[tuple[str, Refusal]] = []
        for path, entry in sorted(self._below(self._commits[revision].entries).items()):
            refusal = self._judge(path, entry, files)
            if refusal is None and isinstance(entry, bytes):
                files[path] = entry
            elif refusal:
                refused.append((self.folder if refusal in ENDS_READING else path, refusal))
                if refusal in ENDS_READING:
                    break
        problems = in_reading_order(refusal_problem(refusal, path, self.limits) for path, refusal in refused)
        return Snapshot(revision=revision, files=files, problems=problems)

    def _below(self, entries: Mapping[str, Entry]) -> dict[str, Entry]:
        prefix = f"{self.folder}/" if self.folder else ""
        found = {path: entry for path, entry in entries.items() if path.startswith(prefix)}
        if not found:
            reason = f"the commit has no folder {self.folder}"
            raise source_error("ATL803", "repository memory", reason)
        return {
            path: entry
            for path, entry in found.items()
            if (isinstance(entry, Refusal) or is_candidate(path))
            and not any(is_hidden(part) for part in path.removeprefix(prefix).split("/"))
        }

    def _judge(self, path: str, entry: Entry, files: Mapping[str, bytes]) -> Refusal | None:
        if isinstance(entry, Refusal):
            return entry
        if len(files) >= self.limits.files:
            return Refusal.FILES
        if len(entry) > self.limits.file_bytes:
            return Refusal.FILE_BYTES
        if sum(map(len, files.values())) + len(entry) > self.limits.total_bytes:
            return Refusal.TOTAL_BYTES
        return None

    def _history(self, revision: Revision | None) -> set[Revision]:
        found: set[Revision] = set()
        while revision is not None:
            found.add(revision)
            revision = self._commits[revision].parent
        return found
