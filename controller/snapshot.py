"""The declarations' files of one revision, as read and before anything is parsed.

Repository content is hostile input: what could lead a reader outside the tree, or exhaust it, is a
problem with the file's place, never followed. The rules stand here once, for Git trees and for
plain directories.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import NewType

from compiler.catalogue import found
from compiler.problem import Origin, Problem

Revision = NewType("Revision", str)
"""A full Git commit name; "" for a plain directory."""

SUFFIXES = (".yaml", ".yml", ".json")

CLUSTER_PREFIX = "cluster:"
"""Of the paths that stand for objects of the cluster (`controller.composition`): no file has one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadLimits:
    """Bounds on what one revision may make a reader hold, as `compiler.parse` has them too."""

    files: int = 10_000
    file_bytes: int = 1 << 20
    total_bytes: int = 16 << 20
    entries: int = 100_000
    """Files and directories visited, whether read or not: trees may repeat themselves without end."""
    depth: int = 32


class Refusal(StrEnum):
    """Why an entry of a tree is not read."""

    SYMBOLIC_LINK = "symbolic link"
    SUBMODULE = "submodule"
    STRANGE_NAME = "strange name"
    SPECIAL_FILE = "special file"
    FILE_BYTES = "file bytes"
    FILES = "files"
    TOTAL_BYTES = "total bytes"
    ENTRIES = "entries"
    DEPTH = "depth"


ENDS_READING = frozenset({Refusal.FILES, Refusal.TOTAL_BYTES, Refusal.ENTRIES})
"""Refusals of the tree as a whole: reading on would only repeat them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """The candidate files of a revision by path, and what was refused. Refusals are errors."""

    revision: Revision
    files: Mapping[str, bytes]
    problems: tuple[Problem, ...] = ()


def is_hidden(name: str) -> bool:
    """Whether a directory or file is for tools (`.github`, `.git`), not for declarations."""
    return name.startswith(".") and name not in (".", "..")


def is_candidate(name: str) -> bool:
    """Whether a file's name says that it may hold declarations."""
    return name.lower().endswith(SUFFIXES)


def is_plain_name(name: str) -> bool:
    """Whether a name is one path component that prints as it is.

    Git allows any bytes but NUL and `/`; undecodable ones arrive as surrogates.
    """
    if name in ("", ".", "..") or name.startswith(CLUSTER_PREFIX):
        return False
    return name.isprintable() and "\\" not in name and "/" not in name


def printable(text: str) -> str:
    """Return text with control characters and undecodable bytes escaped, fit for a terminal or log."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )


def normal_folder(text: str) -> str | None:
    """Return a repository folder as `a/b`, "" for its root; None where it leads outside."""
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if text.startswith("/") or not all(is_plain_name(part) for part in parts):
        return None
    return "/".join(parts)


_WORDS: Mapping[Refusal, tuple[str, str, str | None]] = {
    Refusal.SYMBOLIC_LINK: ("ATL118", "symbolic links are not followed", None),
    Refusal.SUBMODULE: ("ATL119", "submodules are not fetched", None),
    Refusal.SPECIAL_FILE: ("ATL119", "it is neither a file nor a directory", "Remove it"),
    Refusal.STRANGE_NAME: ("ATL117", "its name holds characters that paths here may not", None),
    Refusal.DEPTH: ("ATL117", "directories are nested more than {depth} deep", "Flatten the directories"),
    Refusal.FILE_BYTES: ("ATL101", "the file is larger than {file_bytes} bytes", None),
    Refusal.FILES: ("ATL115", "it holds more than {files} YAML and JSON files", None),
    Refusal.TOTAL_BYTES: ("ATL115", "its YAML and JSON files hold more than {total_bytes} bytes", None),
    Refusal.ENTRIES: ("ATL115", "it holds more than {entries} files and directories", None),
}


def refusal_problem(refusal: Refusal, path: str, limits: ReadLimits) -> Problem:
    """Return the error that refuses a revision because of one entry."""
    code, reason, remedy = _WORDS[refusal]
    shown = printable(path) or "."
    bounds = {name: f"{value:,}" for name, value in asdict(limits).items()}
    origin = Origin(path=shown)
    return found(code, origin=origin, subject=shown, reason=reason.format_map(bounds), remedy=remedy)


class SourceError(Exception):
    """The declarations cannot be had: for the operator to mend, not the author of a commit."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def source_error(code: str, subject: str, reason: str, remedy: str | None = None) -> SourceError:
    """Return the exception for a problem of the catalogue that has no place in a file."""
    subject, reason = printable(subject), printable(reason)
    return SourceError(found(code, origin=None, subject=subject, reason=reason, remedy=remedy))
