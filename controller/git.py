"""The network repository in Git: fetched into a bare cache, read from its object database.

Nothing is checked out, no hook runs, no submodule is followed, nobody is asked for a password. Each
operation is a child process (`controller.git_child`) with an environment made from nothing.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec

from compiler.problem import in_reading_order
from controller.git_messages import (
    Answer,
    Commit,
    Failure,
    Fetch,
    Files,
    Kind,
    Read,
    Request,
    Resolve,
    decode_answer,
    encode,
)
from controller.location import Location
from controller.snapshot import (
    ReadLimits,
    Revision,
    Snapshot,
    SourceError,
    refusal_problem,
    source_error,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sighting:
    """The commit that a ref names now."""

    revision: Revision
    rewritten: bool
    """The commit seen before is not among its ancestors."""


class GitSource(Protocol):
    """A ref of a repository and a folder in it. Both methods raise SourceError."""

    def look(self, previous: Revision | None) -> Sighting: ...

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

    def look(self, previous: Revision | None) -> Sighting:
        request = Fetch(url=self.location.url, ref=self.ref, cache=str(self.cache), previous=previous)
        answer = _ask(request, repository=self.location.url, location=self.location, seconds=self.seconds)
        assert isinstance(answer, Commit)
        return Sighting(revision=Revision(answer.name), rewritten=answer.rewritten)

    def read(self, revision: Revision) -> Snapshot:
        return read_commit(self.cache, revision, self.folder, limits=self.limits, seconds=self.seconds)


def resolve_commit(repository: Path, revision: str, *, seconds: int = 60) -> Revision:
    """Return the commit that `revision` is in a local repository, bare or with a work tree."""
    request = Resolve(repository=str(repository), revision=revision)
    answer = _ask(request, repository=str(repository), location=None, seconds=seconds)
    assert isinstance(answer, Commit)
    return Revision(answer.name)


def read_commit(
    repository: Path, revision: Revision, folder: str, *, limits: ReadLimits | None = None, seconds: int = 60
) -> Snapshot:
    """Return the candidate files below `folder` of a commit, paths relative to the repository's root."""
    limits = limits or ReadLimits()
    request = Read(repository=str(repository), commit=revision, folder=folder, limits=limits)
    answer = _ask(request, repository=str(repository), location=None, seconds=seconds)
    assert isinstance(answer, Files)
    problems = in_reading_order(refusal_problem(refusal, path, limits) for path, refusal in answer.refused)
    return Snapshot(revision=revision, files=answer.files, problems=problems)


def _ask(request: Request, *, repository: str, location: Location | None, seconds: int) -> Answer:
    """Run the child; raise SourceError for every Failure, crash or time-out."""
    with tempfile.TemporaryDirectory(prefix="atoll-git-") as folder:
        config = Path(folder, "config")
        config.write_text(_git_config(location, repository))
        output, crash = _run_child(encode(request), _environment(location, config), seconds)
    if crash is None:
        try:
            answer = decode_answer(output)
        except msgspec.DecodeError:
            answer = Failure(kind=Kind.UNREACHABLE, detail="the Git process gave no answer")
    else:
        answer = crash
    if isinstance(answer, Failure):
        raise _error(answer, request, repository, seconds)
    return answer


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


def _environment(location: Location | None, config: Path) -> dict[str, str]:
    """Everything that the child may know. HOME and the agent socket are for ssh keys alone."""
    kept = {
        name: os.environ[name]
        for name in ("PATH", "HOME", "SSH_AUTH_SOCK", "SSL_CERT_FILE")
        if name in os.environ
    }
    return kept | {
        "PYTHONPATH": str(Path(__file__).parent.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": str(config),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oConnectTimeout=10",
        "GIT_NO_LAZY_FETCH": "1",
        # Stronger than any protocol.*.allow, a repository's own configuration included.
        "GIT_ALLOW_PROTOCOL": location.protocol if location else "none",
    }


def _git_config(location: Location | None, repository: str) -> str:
    """The only configuration beside the repository's own."""
    allowed = f'[protocol "{location.protocol}"]\n\tallow = always\n' if location else ""
    trusted = ""
    if location is None or location.is_local:
        # The operator named this very path; Git would refuse one that belongs to another user.
        path = _quoted(repository)
        trusted = f"[safe]\n\tdirectory = {path}\n\tdirectory = {_quoted(repository + '/.git')}\n"
    return (
        "[core]\n\thooksPath = /dev/null\n\tfsmonitor = false\n"
        "[credential]\n\thelper =\n"
        "[fetch]\n\tfsckObjects = true\n\trecurseSubmodules = false\n"
        "[submodule]\n\trecurse = false\n"
        "[gc]\n\tautoDetach = false\n"
        "[http]\n\tfollowRedirects = initial\n\tlowSpeedLimit = 1000\n\tlowSpeedTime = 20\n"
        f"[protocol]\n\tallow = never\n{allowed}{trusted}"
    )


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


_SAYINGS: Mapping[Kind, tuple[str, str, str | None]] = {
    Kind.GIT_MISSING: ("ATL802", "git cannot be run: {detail}", "Install git 2.38 or later"),
    Kind.UNREACHABLE: ("ATL802", "it cannot be read: {detail}", None),
    Kind.NOT_A_REPOSITORY: ("ATL802", "there is no Git repository: {detail}", None),
    Kind.NOT_PERMITTED: ("ATL802", "access is denied: {detail}", "Give this user a key that may read it"),
    Kind.UNTRUSTED_HOST: (
        "ATL802",
        "the host could not prove who it is: {detail}",
        "Put its key into known_hosts, or its authority into the system's certificates",
    ),
    Kind.REVISION_MISSING: ("ATL803", "{what} names no commit", None),
    Kind.FOLDER_MISSING: ("ATL803", "{detail}", None),
    Kind.TOO_LARGE: ("ATL804", "it is larger than what is fetched: {detail}", None),
    Kind.TOO_SLOW: ("ATL804", "Git did not finish within {seconds} seconds", None),
    Kind.BROKEN_CACHE: (
        "ATL804",
        "its cache cannot be used: {detail}",
        "Remove the cache directory, it is fetched anew",
    ),
}


_NO_COMMIT = (
    "HEAD names no commit, as in a repository without any",
    "Commit something first, with git commit, or name a branch that has commits",
)


def _error(failure: Failure, request: Request, repository: str, seconds: int) -> SourceError:
    code, reason, remedy = _SAYINGS[failure.kind]
    match request:
        case Fetch(ref="HEAD") | Resolve(revision="HEAD") if failure.kind is Kind.REVISION_MISSING:
            reason, remedy = _NO_COMMIT
    match request:
        case Fetch():
            what = f"ref {request.ref}"
        case Resolve():
            what = f"revision {request.revision}"
        case Read():
            what = f"commit {request.commit}"
    words = {"detail": failure.detail[:300], "what": what, "seconds": str(seconds)}
    return source_error(code, f"repository {repository}", reason.format_map(words), remedy)
