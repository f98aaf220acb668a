"""The declarations' files of a plain directory, read under the rules that hold for commits."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from compiler.problem import in_reading_order
from controller.snapshot import (
    ENDS_READING,
    ReadLimits,
    Refusal,
    Revision,
    Snapshot,
    is_candidate,
    is_hidden,
    is_plain_name,
    refusal_problem,
    source_error,
)


def read_directory(root: Path, *, limits: ReadLimits | None = None) -> Snapshot:
    """Return the candidate files below `root`, paths relative to it; raise SourceError without one."""
    limits = limits or ReadLimits()
    files: dict[str, bytes] = {}
    refused: list[tuple[str, Refusal]] = []
    total = 0
    try:
        for path, entry in _entries(root, limits):
            size = 0 if isinstance(entry, Refusal) else entry.stat(follow_symlinks=False).st_size
            refusal = _judge(entry, size, len(files), total, limits)
            if isinstance(entry, Refusal) or refusal:
                refused.append((path, refusal or Refusal.SPECIAL_FILE))
                if refusal in ENDS_READING:
                    break
            else:
                files[path] = _read_file(entry.path, limits)
                total += size
    except OSError as error:
        reason = f"it cannot be read: {error.strerror}: {error.filename}"
        raise source_error("ATL802", f"directory {root}", reason, "Give a readable directory") from None
    problems = in_reading_order(refusal_problem(refusal, path, limits) for path, refusal in refused)
    return Snapshot(revision=Revision(""), files=files, problems=problems)


def _judge(
    entry: os.DirEntry[str] | Refusal, size: int, files: int, total: int, limits: ReadLimits
) -> Refusal | None:
    if isinstance(entry, Refusal):
        return entry
    if files >= limits.files:
        return Refusal.FILES
    if size > limits.file_bytes:
        return Refusal.FILE_BYTES
    if total + size > limits.total_bytes:
        return Refusal.TOTAL_BYTES
    return None


def _read_file(path: str, limits: ReadLimits) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(limits.file_bytes)


def _entries(root: Path, limits: ReadLimits) -> Iterator[tuple[str, os.DirEntry[str] | Refusal]]:
    """Walk by path: candidate files to read, and entries to refuse."""
    visited = 0
    waiting: list[tuple[str, str, int]] = [(str(root), "", 0)]
    while waiting:
        folder, path, depth = waiting.pop()
        if depth > limits.depth:
            yield path, Refusal.DEPTH
            continue
        with os.scandir(folder) as scan:
            children = sorted(scan, key=lambda child: child.name)
        visited += len(children)
        if visited > limits.entries:
            yield "", Refusal.ENTRIES
            return
        for child in children:
            below = f"{path}/{child.name}" if path else child.name
            if is_hidden(child.name):
                continue
            kind = _kind_of(child)
            if isinstance(kind, Refusal):
                yield below, kind
            elif kind == stat.S_IFDIR:
                waiting.append((child.path, below, depth + 1))
            elif is_candidate(child.name):
                yield below, child


def _kind_of(entry: os.DirEntry[str]) -> int | Refusal:
    if not is_plain_name(entry.name):
        return Refusal.STRANGE_NAME
    if entry.is_symlink():
        return Refusal.SYMBOLIC_LINK
    if entry.is_dir(follow_symlinks=False):
        return stat.S_IFDIR
    return stat.S_IFREG if entry.is_file(follow_symlinks=False) else Refusal.SPECIAL_FILE
