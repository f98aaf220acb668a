"""A repository in memory that behaves as a real one: commits, links, signatures, force pushes, outages."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from compiler.problem import in_reading_order
from controller.git import Sighting
from controller.git_ssh_keys import ssh_keys
from controller.location import is_commit_name, may_be_branch
from controller.signatures import (
    MAX_COMMITS,
    SHOWN,
    Fault,
    Mode,
    Offence,
    SignedBy,
    Signers,
    Verification,
)
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
class MemorySignature:
    """A signature by the holder of a public key, or one that something is the matter with."""

    key: bytes
    fault: Fault | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryCommit:
    parents: tuple[Revision, ...]
    entries: Mapping[str, Entry]
    signature: MemorySignature | None


@dataclass(kw_only=True, slots=True)
class MemoryRepository:
    """GitSource and the remote behind it: `commit` and its neighbours are what authors do."""

    ref: str = "main"
    folder: str = ""
    limits: ReadLimits = field(default_factory=ReadLimits)
    signers: Signers | None = None
    verify_commits: int = MAX_COMMITS
    outage: bool = False
    _commits: dict[Revision, MemoryCommit] = field(default_factory=dict)
    _refs: dict[str, Revision] = field(default_factory=dict)
    _seen: set[Revision] = field(default_factory=set)

    def commit(
        self,
        entries: Mapping[str, Entry],
        *,
        amend: bool = False,
        signature: MemorySignature | None = None,
        parents: Sequence[Revision] | None = None,
        aside: bool = False,
    ) -> Revision:
        """Make `entries` the whole tree of a new commit on the branch; `amend` replaces its tip.

        With `parents` it is a merge, or begins elsewhere; `aside` leaves the branch where it is.
        """
        tip = self._refs.get(self._branch)
        follows = self._commits[tip].parents if amend and tip else (tip,) if tip else ()
        follows = follows if parents is None else tuple(parents)
        text = repr((follows, sorted(entries.items()), signature))
        revision = Revision(hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
        self._commits[revision] = MemoryCommit(parents=follows, entries=dict(entries), signature=signature)
        if not aside:
            self._refs[self._branch] = revision
        return revision

    def tag(self, name: str, revision: Revision) -> None:
        self._refs[f"refs/tags/{name}"] = revision

    def delete_ref(self) -> None:
        del self._refs[self._branch]

    @property
    def _branch(self) -> str:
        """The branch that authors work on, in full: the one followed, if it is one."""
        return _full(self.ref) if may_be_branch(self.ref) else "refs/heads/main"

    def look(self, previous: Revision | None) -> Sighting:
        subject = "repository memory"
        pinned = Revision(self.ref) if is_commit_name(self.ref) else None
        if self.outage and pinned not in self._seen:
            reason = "the repository cannot be read: Connection refused"
            raise source_error("ATL802", subject, reason)
        revision = pinned if pinned in self._commits else self._refs.get(_full(self.ref))
        if revision is None:
            raise source_error("ATL803", subject, f"ref {self.ref} names no commit")
        history = self._history(revision)
        self._seen |= history
        rewritten = may_be_branch(self.ref) and previous is not None and previous not in history
        return Sighting(revision=revision, rewritten=rewritten)

    def verify(self, previous: Revision | None, revision: Revision) -> Verification:
        """Judge what has been fetched before, also during an outage, as a cache allows."""
        if self.signers is None:
            raise ValueError("a repository without signers verifies nothing")
        if revision not in self._seen:
            raise source_error("ATL803", "repository memory", f"commit {revision} names no commit")
        incoming = self._incoming(previous, revision)
        allowed = _names(self.signers)
        offences = [
            Offence(revision=name, fault=fault, key=_key(self._commits[name]), author="author@example.com")
            for name in incoming
            if (fault := _fault(self._commits[name], allowed))
        ]
        refused = {offence.revision for offence in offences}
        good = Counter(_key(self._commits[name]) for name in incoming if name not in refused)
        return Verification(
            revision=revision,
            commits=len(incoming),
            signers=tuple(
                SignedBy(key=key, name=allowed[key], commits=count) for key, count in sorted(good.items())
            ),
            refused=len(offences),
            offences=tuple(offences[:SHOWN]),
        )

    def _incoming(self, previous: Revision | None, revision: Revision) -> list[Revision]:
        known = self._history(previous) if previous in self._seen else set()
        found = [name for name in self._commits if name in self._history(revision) - known]
        if previous is None or not found:
            return [revision]
        if len(found) > self.verify_commits:
            reason = f"more than {self.verify_commits:,} commits would have to be verified"
            raise source_error("ATL815", "repository memory", reason)
        return found

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
        waiting = [revision] if revision in self._commits else []
        while waiting:
            name = waiting.pop()
            if name is not None and name not in found:
                found.add(name)
                waiting += self._commits[name].parents
        return found


def _full(ref: str) -> str:
    return ref if ref.startswith("refs/") or is_commit_name(ref) else f"refs/heads/{ref}"


def _names(signers: Signers) -> dict[str, str]:
    """Names of the allowed keys by fingerprint. A GPG key stands here for itself."""
    if signers.mode is Mode.SSH:
        return {key.fingerprint: key.name for key in ssh_keys(signers.keys)}
    return {_fingerprint(value): name for name, value in signers.keys.items()}


def _fingerprint(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()[:40].upper()


def _key(commit: MemoryCommit) -> str:
    if commit.signature is None:
        return ""
    key = commit.signature.key
    return ssh_keys({"": key})[0].fingerprint if key.startswith(b"ssh-") else _fingerprint(key)


def _fault(commit: MemoryCommit, allowed: Iterable[str]) -> Fault | None:
    if commit.signature is None:
        return Fault.UNSIGNED
    if commit.signature.fault:
        return commit.signature.fault
    return None if _key(commit) in allowed else Fault.UNKNOWN_KEY
