"""A ref brought into the cache, in Git's child. The cache is ours: made anew wherever it is not sound."""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from controller.git_content import foreign_in
from controller.git_failure import failure_of
from controller.git_messages import Answer, Commit, Failure, Fetch, Kind
from controller.location import is_commit_name

if TYPE_CHECKING:
    from git import Repo

_TARGET = "refs/atoll/target"
_MARK = "atoll-cache"
"""A file in the cache: only a directory that holds it is ever deleted and fetched anew."""

_CONFIG = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n"


def fetch(request: Fetch) -> Answer:
    import git

    cache = Path(request.cache)
    cache.parent.mkdir(parents=True, exist_ok=True)
    with open(cache.with_name(cache.name + ".lock"), "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            return _fetch_into(cache, request)
        except git.GitCommandError as error:
            failure = failure_of(error)
            if failure.kind is not Kind.BROKEN_CACHE or not (cache / _MARK).exists():
                return failure
        # A killed fetch leaves lock files, a full disk leaves broken objects; all of it can be had again.
        shutil.rmtree(cache)
        return _fetch_into(cache, request)


def _fetch_into(cache: Path, request: Fetch) -> Answer:
    import git

    if (cache / _MARK).exists() and foreign_in(cache):
        shutil.rmtree(cache)
    if not (cache / _MARK).exists():
        if cache.exists() and any(cache.iterdir()):
            detail = f"{cache} holds something else than a cache of ours"
            return Failure(kind=Kind.BROKEN_CACHE, detail=detail)
        git.Repo.init(cache, bare=True)
        (cache / _MARK).touch()
    (cache / "config").write_text(_CONFIG)
    with git.Repo(cache) as repository:
        if not (is_commit_name(request.ref) and _name_of(repository, _TARGET) == request.ref):
            said = _fetch_ref(repository, request)
            if "shallow" in said:  # Git keeps the ref as it was, and calls that a success
                return Failure(kind=Kind.SHALLOW, detail=said.removeprefix("warning: "))
        name = _name_of(repository, f"{_TARGET}^{{commit}}")
        if not name:
            return Failure(kind=Kind.REVISION_MISSING, detail="it is a tree or a file")
        return Commit(name=name, rewritten=not _follows(repository, request.previous, name))


def _fetch_ref(repository: Repo, request: Fetch) -> str:
    """Return what Git says about a fetch that it calls a success."""
    _, _, said = repository.git.fetch(
        "--quiet",
        "--force",
        "--no-tags",
        "--no-recurse-submodules",
        "--no-write-fetch-head",
        "--",
        request.url,
        f"+{request.ref}:{_TARGET}",
        with_extended_output=True,
    )
    return str(said)


def _name_of(repository: Repo, revision: str) -> str:
    import git

    try:
        return str(repository.git.rev_parse("--verify", "--quiet", revision))
    except git.GitCommandError:
        return ""


def _follows(repository: Repo, previous: str | None, name: str) -> bool:
    import git

    if previous is None or previous == name:
        return True
    try:
        repository.git.merge_base("--is-ancestor", previous, name)
    except git.GitCommandError:  # status 1: it is not; 128: the commit is not even there
        return False
    return True
