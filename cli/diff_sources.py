"""The two states that `atoll diff` was pointed to: two commits of a local repository, or two directories."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cli.declared import is_repository, normal, read_files, sentence
from cli.failure import Failure
from controller.git import blame_lines, compare_commits
from controller.git_history import MAX_PATHS
from controller.git_messages import Blame as BlameRequest
from controller.git_messages import Blamed, Related, Writer
from controller.location import checked_revision
from controller.snapshot import Snapshot, SourceError
from review.lines import Blame, Introduction, Place
from review.model import Side
from review.side import Source

BLAME_SECONDS = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """Both states, and how to find out who wrote a line of them."""

    base: Source
    head: Source
    remarks: tuple[str, ...]
    """Of their history, for whoever reads the review."""
    blame: Callable[[frozenset[Place]], tuple[Blame, tuple[str, ...]]]
    """With what could not be found out."""


def read_pair(base: str, head: str, repository: Path | None, folder: str, *, merge_base: bool) -> Pair:
    """Directories where both are some and no repository is named; raise Failure."""
    if repository is None and Path(base).is_dir() and Path(head).is_dir():
        if folder or merge_base:
            raise Failure("--path and --merge-base are for commits. Name the folders themselves.")
        return Pair(
            base=_source(base, read_files(Path(base))),
            head=_source(head, read_files(Path(head))),
            remarks=(),
            blame=lambda _: ({}, ()),
        )
    at = repository or Path()
    if not is_repository(at):
        reason = "there is no Git repository, and BASE and HEAD are not both directories"
        raise Failure(f"{at}: {reason}. Name the root of a repository with --repo.")
    inside = normal(folder)
    try:
        return _commits(at.resolve(), base, head, inside, merge_base=merge_base)
    except SourceError as error:
        raise Failure(sentence(error.problem)) from None


def _source(name: str, snapshot: Snapshot, time: str = "") -> Source:
    return Source(
        name=name, commit=snapshot.revision, files=snapshot.files, time=time, problems=snapshot.problems
    )


def _commits(at: Path, base: str, head: str, folder: str, *, merge_base: bool) -> Pair:
    related, before, after = compare_commits(
        at, checked_revision(base), checked_revision(head), folder, from_merge_base=merge_base
    )
    if merge_base and not related.merge_base:
        raise Failure(f"{base} and {head} have no common ancestor. Leave --merge-base out.")
    start = before.revision
    return Pair(
        base=_source(base if start == related.base else f"{base} (merge base)", before),
        head=_source(head, after, related.head_time),
        remarks=tuple(_remarks(base, head, start, related)),
        blame=lambda places: _blame(at, start, related, places),
    )


def _remarks(base: str, head: str, start: str, related: Related) -> list[str]:
    remarks = []
    if not related.merge_base:
        remarks.append(
            f"{base} and {head} have no common history here, so nobody is named for lines that went."
        )
    elif start != related.merge_base:
        remarks.append(
            f"{base} has commits that {head} does not contain: what they did is told here as taken back. "
            "--merge-base compares with the common ancestor."
        )
    if related.shallow:
        remarks.append("The history is cut short, so some lines are without commit and author.")
    return remarks


def _blame(at: Path, start: str, related: Related, places: frozenset[Place]) -> tuple[Blame, tuple[str, ...]]:
    if not places:
        return {}, ()
    follows = start == related.merge_base
    request = BlameRequest(
        repository=str(at),
        base=start,
        head=related.head,
        brought=_by_path(places, Side.HEAD),
        removed=_by_path(places, Side.BASE) if follows else {},
    )
    try:
        blamed = blame_lines(request, seconds=BLAME_SECONDS)
    except SourceError as error:
        return {}, (f"Nobody is named for lines: {sentence(error.problem)}",)
    return _introductions(blamed), tuple(_unblamed(request))


def _unblamed(request: BlameRequest) -> Iterator[str]:
    for side, lines in (("HEAD", request.brought), ("BASE", request.removed)):
        if len(lines) > MAX_PATHS:
            yield (
                f"Lines of {len(lines):,} files of {side} made the difference: those of the first"
                f" {MAX_PATHS}, by path, are told with commit and author."
            )


def _by_path(places: frozenset[Place], side: Side) -> dict[str, list[int]]:
    lines: dict[str, list[int]] = {}
    for place in sorted(places, key=lambda place: (place.path, place.line)):
        if place.side is side:
            lines.setdefault(place.path, []).append(place.line)
    return lines


def _introductions(blamed: Blamed) -> Blame:
    found: dict[Place, Introduction] = {}
    sides: Mapping[Side, dict[str, dict[int, Writer]]] = {
        Side.HEAD: blamed.brought,
        Side.BASE: blamed.removed,
    }
    for side, files in sides.items():
        for path, lines in files.items():
            for line, writer in lines.items():
                place = Place(side=side, path=path, line=line)
                found[place] = Introduction(commit=writer.commit, author=writer.author)
    return found
