"""The files that a command was pointed to: commits of a local repository, or a directory as it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cli.failure import Failure

if TYPE_CHECKING:
    from compiler.problem import Problem
    from controller.snapshot import Snapshot


def read_repository(repository: Path, revision: str | None, folder: str) -> Snapshot:
    """Read a commit; from a directory that is no repository, without a revision, its files."""
    from controller.snapshot import SourceError

    inside = normal(folder)
    if not repository.exists():
        raise Failure(f"{repository}: there is no such directory. Give the path of a repository.")
    try:
        if is_repository(repository):
            return _read_commit(repository, revision or "HEAD", inside)
        if revision is None:
            return _read_directory(repository / inside)
    except SourceError as error:
        raise Failure(sentence(error.problem)) from None
    raise Failure(
        f"{repository}: it is not a Git repository, so it has no revision {revision}. Leave --revision out."
    )


def normal(folder: str) -> str:
    """The folder of a repository as it is named inside. Raise Failure."""
    from controller.snapshot import normal_folder

    found = normal_folder(folder)
    if found is None:
        raise Failure(
            f"--path {folder}: it leads outside the repository. Give a folder relative to its root."
        )
    return found


def read_files(directory: Path) -> Snapshot:
    """Read the files of a directory as they are, committed or not."""
    from controller.snapshot import SourceError

    try:
        return _read_directory(directory)
    except SourceError as error:
        raise Failure(sentence(error.problem)) from None


def is_repository(path: Path) -> bool:
    """Whether the path is a work tree's root, or a bare repository."""
    return (path / ".git").exists() or ((path / "HEAD").is_file() and (path / "objects").is_dir())


def sentence(problem: Problem) -> str:
    """Return a problem that has no place in a declaration as one line."""
    return f"{problem.subject}: {problem.reason}. {problem.remedy}."


def _read_commit(repository: Path, revision: str, folder: str) -> Snapshot:
    from controller.git import read_commit, resolve_commit
    from controller.location import checked_revision

    path = repository.resolve()
    return read_commit(path, resolve_commit(path, checked_revision(revision)), folder)


def _read_directory(directory: Path) -> Snapshot:
    from controller.directory import read_directory

    return read_directory(directory)
