"""One Git operation through GitPython, in a process of its own that ends with it.

GitPython leaks in long-lived processes, and a hostile repository may make Git slow, large or crash;
here all of that ends with the process. Nothing is ever checked out: blobs come from the object
database. Request on stdin, answer on stdout; the parent sets the environment and the time-out.
"""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

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
    decode_request,
    encode,
)
from controller.snapshot import (
    ENDS_READING,
    ReadLimits,
    Refusal,
    is_candidate,
    is_hidden,
    is_plain_name,
)

if TYPE_CHECKING:
    from git.objects import Tree
    from git.objects.base import IndexObject

MAX_PACK_BYTES = 1 << 30
_TARGET = "refs/atoll/target"
_MARK = "atoll-cache"
"""A file in the cache: only a directory that holds it is ever deleted and fetched anew."""

_SYMBOLIC_LINK = 0o120000
_SUBMODULE = 0o160000

# What Git prints under LC_ALL=C, first match counts. Git has no machine-readable causes.
_CAUSES: tuple[tuple[str, Kind], ...] = (
    ("couldn't find remote ref", Kind.REVISION_MISSING),
    ("not our ref", Kind.REVISION_MISSING),
    ("Needed a single revision", Kind.REVISION_MISSING),
    ("unknown revision", Kind.REVISION_MISSING),
    ("Host key verification failed", Kind.UNTRUSTED_HOST),
    ("certificate", Kind.UNTRUSTED_HOST),
    ("Permission denied", Kind.NOT_PERMITTED),
    ("Authentication failed", Kind.NOT_PERMITTED),
    ("could not read Username", Kind.NOT_PERMITTED),
    ("dubious ownership", Kind.NOT_PERMITTED),
    ("died of signal 25", Kind.TOO_LARGE),
    ("File too large", Kind.TOO_LARGE),
    ("does not appear to be a git repository", Kind.NOT_A_REPOSITORY),
    ("not a git repository", Kind.NOT_A_REPOSITORY),
    ("not found", Kind.NOT_A_REPOSITORY),
    (".lock': File exists", Kind.BROKEN_CACHE),
    ("is corrupt", Kind.BROKEN_CACHE),
    ("bad object refs/", Kind.BROKEN_CACHE),
    ("did not send all necessary objects", Kind.BROKEN_CACHE),
)


def main() -> int:
    seconds = int(sys.argv[1])
    signal.alarm(seconds)  # should the parent have died meanwhile
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_PACK_BYTES, MAX_PACK_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answer = perform(decode_request(sys.stdin.buffer.read()))
    sys.stdout.buffer.write(encode(answer))
    return 0


def perform(request: Request) -> Answer:
    """Do one operation; what Git refuses comes back as a Failure."""
    try:
        import git  # runs `git version`, and raises ImportError where there is no git
    except ImportError as error:
        return Failure(kind=Kind.GIT_MISSING, detail=str(error).partition("\n")[0])
    try:
        match request:
            case Fetch():
                return _fetch(request)
            case Resolve():
                return _resolve(request)
            case Read():
                return _read(request)
    except git.GitCommandError as error:
        return _failure(str(error.stderr), error.status)
    except (git.InvalidGitRepositoryError, git.NoSuchPathError) as error:
        return Failure(kind=Kind.NOT_A_REPOSITORY, detail=str(error))


def _failure(stderr: str, status: object) -> Failure:
    # GitPython hands stderr over as "\n  stderr: '...'".
    text = stderr.strip().removeprefix("stderr:").strip().strip("'")
    kind = next((kind for sign, kind in _CAUSES if sign in text), Kind.UNREACHABLE)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = next((line for line in lines if line.startswith(("fatal:", "error:", "remote:"))), None)
    detail = said or (lines[-1] if lines else f"git ended with status {status}")
    return Failure(kind=kind, detail=detail.removeprefix("fatal: ").removeprefix("error: "))


def _fetch(request: Fetch) -> Answer:
    import git

    cache = Path(request.cache)
    cache.parent.mkdir(parents=True, exist_ok=True)
    with open(cache.with_name(cache.name + ".lock"), "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            return _fetch_into(cache, request)
        except git.GitCommandError as error:
            failure = _failure(str(error.stderr), error.status)
            if failure.kind is not Kind.BROKEN_CACHE or not (cache / _MARK).exists():
                return failure
        # A killed fetch leaves lock files, a full disk leaves broken objects; all of it can be had again.
        shutil.rmtree(cache)
        return _fetch_into(cache, request)


def _fetch_into(cache: Path, request: Fetch) -> Answer:
    import git

    if not (cache / _MARK).exists():
        if cache.exists() and any(cache.iterdir()):
            return Failure(
                kind=Kind.BROKEN_CACHE, detail=f"{cache} holds something else than a cache of ours"
            )
        git.Repo.init(cache, bare=True)
        (cache / _MARK).touch()
    with git.Repo(cache) as repository:
        repository.git.fetch(
            "--quiet",
            "--force",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-write-fetch-head",
            "--",
            request.url,
            f"+{request.ref}:{_TARGET}",
        )
        name = str(repository.git.rev_parse("--verify", "--quiet", f"{_TARGET}^{{commit}}"))
        return Commit(name=name, rewritten=not _follows(repository, request.previous, name))


def _follows(repository: object, previous: str | None, name: str) -> bool:
    import git

    assert isinstance(repository, git.Repo)
    if previous is None or previous == name:
        return True
    try:
        repository.git.merge_base("--is-ancestor", previous, name)
    except git.GitCommandError:  # status 1: it is not; 128: the commit is not even there
        return False
    return True


def _resolve(request: Resolve) -> Answer:
    import git

    with git.Repo(request.repository, search_parent_directories=False) as repository:
        return Commit(name=str(repository.git.rev_parse("--verify", f"{request.revision}^{{commit}}")))


def _read(request: Read) -> Answer:
    import git

    with git.Repo(request.repository, search_parent_directories=False) as repository:
        tree = repository.commit(request.commit).tree
        if request.folder:
            try:
                found = tree / request.folder
            except KeyError:
                return Failure(kind=Kind.FOLDER_MISSING, detail=f"the commit has no folder {request.folder}")
            if not isinstance(found, git.Tree):
                return Failure(kind=Kind.FOLDER_MISSING, detail=f"{request.folder} is not a folder")
            tree = found
        return _collect(tree, request.folder, request.limits)


def _collect(tree: Tree, folder: str, limits: ReadLimits) -> Files:
    files: dict[str, bytes] = {}
    refused: list[tuple[str, Refusal]] = []
    total = 0
    for path, entry in _entries(tree, folder, limits):
        if isinstance(entry, Refusal):
            refused.append((path, entry))
        elif len(files) >= limits.files:
            refused.append((folder, Refusal.FILES))
        elif entry.size > limits.file_bytes:
            refused.append((path, Refusal.FILE_BYTES))
        elif total + entry.size > limits.total_bytes:
            refused.append((folder, Refusal.TOTAL_BYTES))
        else:
            files[path] = entry.data_stream.read()
            total += len(files[path])
        if refused and refused[-1][1] in ENDS_READING:
            break
    return Files(files=files, refused=refused)


def _entries(tree: Tree, folder: str, limits: ReadLimits) -> Iterator[tuple[str, IndexObject | Refusal]]:
    """Walk a tree in Git's order: candidate blobs to read, and entries to refuse, by path."""
    visited = 0
    waiting: list[tuple[str, int, IndexObject]] = [(folder, 0, tree)]
    while waiting:
        path, depth, entry = waiting.pop()
        if entry.type != "tree":
            yield path, entry
            continue
        if depth > limits.depth:
            yield path, Refusal.DEPTH
            continue
        children = sorted(entry, key=_name, reverse=True)
        visited += len(children)
        if visited > limits.entries:
            yield folder, Refusal.ENTRIES
            return
        for child in children:
            name = _name(child)
            below = f"{path}/{name}" if path else name
            refusal = _refusal_of(child)
            if is_hidden(name):
                continue
            if refusal:
                yield os.fsencode(below).decode(errors="backslashreplace"), refusal
            elif child.type == "tree" or is_candidate(name):
                waiting.append((below, depth + 1, child))


def _name(entry: IndexObject) -> str:
    return str(entry.path).rpartition("/")[2]  # a Submodule's own name is not the entry's


def _refusal_of(entry: IndexObject) -> Refusal | None:
    if not is_plain_name(_name(entry)):
        return Refusal.STRANGE_NAME
    if entry.mode == _SYMBOLIC_LINK:
        return Refusal.SYMBOLIC_LINK
    if entry.mode == _SUBMODULE:
        return Refusal.SUBMODULE
    return None


if __name__ == "__main__":
    sys.exit(main())
