"""The network repository in Git: fetched into a bare cache, read from its object database.

Nothing is checked out, no hook runs, no submodule is followed, nobody is asked for a password. Each
operation is a child process (`controller.git_child`) with an environment made from nothing
(`controller.git_environment`).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec

from compiler.problem import in_reading_order
from controller.credentials import Credentials
from controller.git_environment import prepare
from controller.git_error import error_of
from controller.git_messages import (
    Answer,
    Blame,
    Blamed,
    Commit,
    Compare,
    Compared,
    Failure,
    Fetch,
    Files,
    Kind,
    Read,
    Related,
    Request,
    Resolve,
    Verified,
    Verify,
    decode_answer,
    encode,
)
from controller.location import Location, may_be_branch
from controller.signatures import MAX_COMMITS, Signers, Verification
from controller.snapshot import ReadLimits, Revision, Snapshot, refusal_problem

_PREFIX = "atoll-git-"
_STALE_SECONDS = 3600
"""No operation lasts that long."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sighting:
    """The commit that a ref names now."""

    revision: Revision
    rewritten: bool
    """The commit seen before is not among its ancestors."""


class GitSource(Protocol):
    """A ref of a repository and a folder in it. All methods raise SourceError."""

    def look(self, previous: Revision | None) -> Sighting: ...

    def verify(self, previous: Revision | None, revision: Revision) -> Verification:
        """Check the signatures of a commit that was seen, and of all that came in since `previous`.

        The tip is checked even where nothing came in, and alone where nothing was applied before.
        """
        ...

    def read(self, revision: Revision) -> Snapshot: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class GitRepository:
    """A repository by URL or path, fetched into `cache`: made on first use, disposable."""

    location: Location
    ref: str
    folder: str
    cache: Path
    limits: ReadLimits = field(default_factory=ReadLimits)
    seconds: int = 60
    credentials: Credentials | None = None
    signers: Signers | None = None
    verify_commits: int = MAX_COMMITS
    verify_seconds: int = 600
    """MAX_COMMITS signatures take two minutes on two cores."""

    def look(self, previous: Revision | None) -> Sighting:
        request = Fetch(
            url=self.location.url,
            ref=self.ref,
            cache=str(self.cache),
            previous=previous if may_be_branch(self.ref) else None,
        )
        answer = _ask(
            request,
            repository=self.location.url,
            location=self.location,
            seconds=self.seconds,
            credentials=self.credentials,
        )
        assert isinstance(answer, Commit)
        return Sighting(revision=Revision(answer.name), rewritten=answer.rewritten)

    def verify(self, previous: Revision | None, revision: Revision) -> Verification:
        if self.signers is None:
            raise ValueError("a repository without signers verifies nothing")
        request = Verify(
            repository=str(self.cache),
            commit=revision,
            previous=previous,
            signers=self.signers,
            limit=self.verify_commits,
        )
        answer = _ask(request, repository=self.location.url, location=None, seconds=self.verify_seconds)
        assert isinstance(answer, Verified)
        return answer.verification

    def read(self, revision: Revision) -> Snapshot:
        return read_commit(self.cache, revision, self.folder, limits=self.limits, seconds=self.seconds)


def resolve_commit(repository: Path, revision: str, *, seconds: int = 60) -> Revision:
    """Return the commit that `revision` is in a local repository, bare or with a work tree."""
    request = Resolve(repository=str(repository), revision=revision)
    answer = _ask(request, repository=str(repository), location=None, seconds=seconds)
    assert isinstance(answer, Commit)
    return Revision(answer.name)


def compare_commits(
    repository: Path,
    base: str,
    head: str,
    folder: str,
    *,
    from_merge_base: bool = False,
    limits: ReadLimits | None = None,
    seconds: int = 60,
) -> tuple[Related, Snapshot, Snapshot]:
    """Return how two revisions of a local repository are related, and the files of both below `folder`.

    A commit without the folder has no files, for a change may bring it; where both lack it, that is an error.
    With `from_merge_base` the first files are the common ancestor's: none where there is none.
    """
    limits = limits or ReadLimits()
    request = Compare(
        repository=str(repository),
        base=base,
        head=head,
        from_merge_base=from_merge_base,
        folder=folder,
        limits=limits,
    )
    answer = _ask(request, repository=str(repository), location=None, seconds=seconds)
    assert isinstance(answer, Compared)
    related = answer.related
    start = Revision(related.merge_base if from_merge_base else related.base)
    return (
        related,
        _snapshot(start, answer.before, limits),
        _snapshot(Revision(related.head), answer.after, limits),
    )


def blame_lines(request: Blame, *, seconds: int = 60) -> Blamed:
    """Return who wrote and who removed lines; raise SourceError where that takes too long."""
    answer = _ask(request, repository=request.repository, location=None, seconds=seconds)
    assert isinstance(answer, Blamed)
    return answer


def read_commit(
    repository: Path, revision: Revision, folder: str, *, limits: ReadLimits | None = None, seconds: int = 60
) -> Snapshot:
    """Return the candidate files below `folder` of a commit, paths relative to the repository's root."""
    limits = limits or ReadLimits()
    request = Read(repository=str(repository), commit=revision, folder=folder, limits=limits)
    answer = _ask(request, repository=str(repository), location=None, seconds=seconds)
    assert isinstance(answer, Files)
    return _snapshot(revision, answer, limits)


def _snapshot(revision: Revision, found: Files | None, limits: ReadLimits) -> Snapshot:
    if found is None:
        return Snapshot(revision=revision, files={})
    problems = in_reading_order(refusal_problem(refusal, path, limits) for path, refusal in found.refused)
    return Snapshot(revision=revision, files=found.files, problems=problems)


def _ask(
    request: Request,
    *,
    repository: str,
    location: Location | None,
    seconds: int,
    credentials: Credentials | None = None,
) -> Answer:
    """Run the child; raise SourceError for every Failure, crash or time-out."""
    _sweep(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as folder:
        environment = prepare(Path(folder), repository=repository, location=location, credentials=credentials)
        output, crash = _run_child(encode(request), environment, seconds)
    if crash is None:
        try:
            answer = decode_answer(output)
        except msgspec.DecodeError:
            answer = Failure(kind=Kind.UNREACHABLE, detail="the Git process gave no answer")
    else:
        answer = crash
    if isinstance(answer, Failure):
        raise error_of(answer, request, repository=repository, seconds=seconds, credentials=credentials)
    return answer


def _sweep(parent: Path) -> None:
    """Remove what a killed controller left behind: there may be secrets in it."""
    for folder in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            status = folder.lstat()
            if status.st_uid == os.geteuid() and status.st_mtime < time.time() - _STALE_SECONDS:
                shutil.rmtree(folder)


def _run_child(request: bytes, environment: Mapping[str, str], seconds: int) -> tuple[bytes, Failure | None]:
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "controller.git_child", str(seconds + 5)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd="/",
        start_new_session=True,  # so that git and ssh below it can be ended with it
    )
    try:
        output, errors = child.communicate(request, timeout=seconds)
    except subprocess.TimeoutExpired:
        return b"", Failure(kind=Kind.TOO_SLOW, detail="")
    finally:
        _end_group(child)
    if child.returncode != 0:
        last = errors.decode(errors="replace").strip().rpartition("\n")[2]
        return b"", Failure(
            kind=Kind.UNREACHABLE, detail=f"the Git process ended with {child.returncode}: {last}"
        )
    return output, None


def _end_group(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.communicate()
