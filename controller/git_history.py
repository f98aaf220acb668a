"""How two commits are related, and who wrote or removed a line between them, in Git's child.

Names of authors come from the commits themselves: neither a mailmap nor anyone's configuration has a say, and
no program that a repository could name (textconv) is run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

from controller.git_messages import (
    Answer,
    Blame,
    Blamed,
    Compare,
    Compared,
    Failure,
    Files,
    Kind,
    Related,
    Writer,
)

if TYPE_CHECKING:
    from git import Repo
    from git.objects import Tree

MAX_PATHS = 50
"""Each costs a process of Git."""
MAX_CHILDREN = 1_000
"""Commits among which the one is looked for that removed a line."""
_ENTRY = re.compile(r"([0-9a-f]{40}|[0-9a-f]{64}) (\d+) (\d+)(?: (\d+))?")


def compare(request: Compare) -> Answer:
    import git

    from controller.git_read import Reader

    with git.Repo(request.repository, search_parent_directories=False) as repository:
        related = _related(repository, request)
        if isinstance(related, Failure):
            return related
        start = related.merge_base if request.from_merge_base else related.base
        reader = Reader(repository, request.limits)
        before = reader.read(start, request.folder) if start else None
        after = reader.read(related.head, request.folder)
        missing = [found for found in (before, after) if isinstance(found, Failure)]
        if any(one.kind is not Kind.FOLDER_MISSING for one in missing) or len(missing) > 1:
            return missing[-1]
        return Compared(
            related=related,
            before=before if isinstance(before, Files) else None,
            after=after if isinstance(after, Files) else None,
        )


def _related(repository: Repo, request: Compare) -> Related | Failure:
    import git

    names = []
    for revision in (request.base, request.head):
        try:
            names.append(str(repository.git.rev_parse("--verify", f"{revision}^{{commit}}")))
        except git.GitCommandError:
            return Failure(kind=Kind.REVISION_MISSING, detail=revision)
    base, head = names
    try:
        merge_base = str(repository.git.merge_base(base, head)).partition("\n")[0]
    except git.GitCommandError:
        merge_base = ""  # exit code 1: there is none
    time = repository.commit(head).committed_datetime.astimezone(UTC)
    return Related(
        base=base,
        head=head,
        head_time=time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        merge_base=merge_base,
        shallow=(Path(repository.common_dir) / "shallow").exists(),
    )


def blame(request: Blame) -> Answer:
    import git

    with git.Repo(request.repository, search_parent_directories=False) as repository:
        repository.git.update_environment(GIT_LITERAL_PATHSPECS="1")
        history = _History(repository, request)
        return Blamed(
            brought={path: dict(history.brought(path, lines)) for path, lines in _some(request.brought)},
            removed={path: dict(history.removed(path, lines)) for path, lines in _some(request.removed)},
        )


def _some(lines: Mapping[str, list[int]]) -> list[tuple[str, list[int]]]:
    return sorted(lines.items())[:MAX_PATHS]


class _History:
    def __init__(self, repository: Repo, request: Blame) -> None:
        self._repository = repository
        self._base, self._head = request.base, request.head
        self._shallow = _shallow(repository)
        self._children: dict[str, list[str]] | None = None
        self._trees: dict[str, Tree] = {}

    def brought(self, path: str, lines: list[int]) -> Iterator[tuple[int, Writer]]:
        for commit, line in self._blame(path, lines, self._head):
            if commit not in self._shallow:  # there the line may be of any commit before
                yield line, self._writer(commit)

    def removed(self, path: str, lines: list[int]) -> Iterator[tuple[int, Writer]]:
        """Of a line, Git tells the last commit that has it; a child of that one has it no more."""
        end = self._head
        if not self._blob(end, path):
            removal = self._removal_of(path)
            if removal is None:
                return
            taker, end = removal
            if end == self._base:
                yield from ((line, self._writer(taker)) for line in lines)
                return
        for last, line in self._blame(path, lines, "--reverse", f"{self._base}..{end}"):
            remover = self._child_without(last, path)
            if remover is not None:
                yield line, self._writer(remover)

    def _blame(self, path: str, lines: list[int], *revisions: str) -> Iterator[tuple[str, int]]:
        import git

        ranges = [part for line in lines for part in ("-L", f"{line},{line}")]
        try:
            output = self._repository.git(c="blame.ignoreRevsFile=").blame(
                "--porcelain", "--no-textconv", "--root", *ranges, *revisions, "--", path
            )
        except git.GitCommandError:
            return  # a line or a file that Git counts otherwise, or a range without commits
        wanted = frozenset(lines)
        for entry in map(_ENTRY.match, str(output).split("\n")):
            if entry is not None and int(entry[3]) in wanted:
                yield entry[1], int(entry[3])

    def _removal_of(self, path: str) -> tuple[str, str] | None:
        """The commit that removed the file, and its parent that still has it."""
        listed = self._repository.git.rev_list("--max-count=1", f"{self._base}..{self._head}", "--", path)
        remover = str(listed)
        parents = [parent.hexsha for parent in self._repository.commit(remover).parents] if remover else []
        holder = next((parent for parent in parents if self._blob(parent, path)), None)
        return (remover, holder) if holder is not None else None

    def _child_without(self, commit: str, path: str) -> str | None:
        if self._children is None:
            self._children = self._read_children()
        before = self._blob(commit, path)
        children = self._children.get(commit, [])
        return next((child for child in children if self._blob(child, path) != before), None)

    def _read_children(self) -> dict[str, list[str]]:
        children: dict[str, list[str]] = {}
        listed = self._repository.git.rev_list(
            "--parents", "--topo-order", f"--max-count={MAX_CHILDREN}", f"{self._base}..{self._head}"
        )
        for line in str(listed).splitlines():
            child, *parents = line.split()
            for parent in parents:
                children.setdefault(parent, []).append(child)
        return children

    def _blob(self, commit: str, path: str) -> str:
        """The blob's name; "" where the commit has no such file, or is not here."""
        import git

        try:
            if commit not in self._trees:
                self._trees[commit] = self._repository.commit(commit).tree
            return str(self._trees[commit].join(path).hexsha)
        except (KeyError, ValueError, git.ODBError):
            return ""

    def _writer(self, commit: str) -> Writer:
        return Writer(commit=commit, author=str(self._repository.commit(commit).author.name or ""))


def _shallow(repository: Repo) -> frozenset[str]:
    file = Path(repository.common_dir) / "shallow"
    return frozenset(file.read_text().split()) if file.exists() else frozenset()
