"""Files of a commit, in Git's child: blobs come from the object database, nothing is ever checked out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from controller.git_content import NotGenuineError, check_content
from controller.git_messages import Answer, Failure, Files, Kind, Read
from controller.snapshot import ENDS_READING, ReadLimits, Refusal, is_candidate, is_hidden, is_plain_name

if TYPE_CHECKING:
    from git import Repo
    from git.objects import Tree
    from git.objects.base import IndexObject, Object

_SYMBOLIC_LINK = 0o120000
_SUBMODULE = 0o160000


def read(request: Read) -> Answer:
    import git

    with git.Repo(request.repository, search_parent_directories=False) as repository:
        return Reader(repository, request.limits).read(request.commit, request.folder)


class Reader:
    """Reads commits of one repository. What several of them have is asked of Git once."""

    def __init__(self, repository: Repo, limits: ReadLimits) -> None:
        self._repository, self._limits = repository, limits
        self._contents: dict[str, bytes] = {}

    def read(self, revision: str, folder: str) -> Files | Failure:
        import git

        try:
            commit = self._repository.commit(revision)
            self._content(commit)
            tree: Tree = commit.tree
            for part in folder.split("/") if folder else ():
                self._content(tree)
                below = next((entry for entry in tree if _name(entry) == part), None)
                if not isinstance(below, git.Tree):
                    found = "no folder" if below is None else "no folder but a file"
                    return Failure(kind=Kind.FOLDER_MISSING, detail=f"the commit has {found} {folder}")
                tree = below
            return self._collect(tree, folder)
        except NotGenuineError as error:
            return Failure(kind=Kind.BROKEN_CACHE, detail=str(error))

    def _content(self, entry: Object) -> bytes:
        content = self._contents.get(entry.hexsha)
        if content is None:
            content = bytes(entry.data_stream.read())
            check_content(entry.hexsha, str(entry.type), content)
            self._contents[entry.hexsha] = content
        return content

    def _size(self, entry: Object) -> int:
        content = self._contents.get(entry.hexsha)
        return entry.size if content is None else len(content)

    def _collect(self, tree: Tree, folder: str) -> Files:
        limits = self._limits
        files: dict[str, bytes] = {}
        refused: list[tuple[str, Refusal]] = []
        total = 0
        for path, entry in self._entries(tree, folder):
            if isinstance(entry, Refusal):
                refused.append((path, entry))
            elif len(files) >= limits.files:
                refused.append((folder, Refusal.FILES))
            elif self._size(entry) > limits.file_bytes:
                refused.append((path, Refusal.FILE_BYTES))
            elif total + self._size(entry) > limits.total_bytes:
                refused.append((folder, Refusal.TOTAL_BYTES))
            else:
                files[path] = self._content(entry)
                total += len(files[path])
            if refused and refused[-1][1] in ENDS_READING:
                break
        return Files(files=files, refused=refused)

    def _entries(self, tree: Tree, folder: str) -> Iterator[tuple[str, IndexObject | Refusal]]:
        """Walk a tree in Git's order: candidate blobs to read, and entries to refuse, by path."""
        limits, visited = self._limits, 0
        waiting: list[tuple[str, int, IndexObject]] = [(folder, 0, tree)]
        while waiting:
            path, depth, entry = waiting.pop()
            if entry.type != "tree":
                yield path, entry
                continue
            if depth > limits.depth:
                yield path, Refusal.DEPTH
                continue
            self._content(entry)
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
