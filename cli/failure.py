"""How a command ends: exit codes, and the failures that are not problems of a declaration."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    FINE = 0
    PROBLEMS = 1
    """The input has errors."""
    USAGE = 2
    """As click uses it."""
    ENVIRONMENT = 3
    """A file, repository, permission or program is missing."""
    INTERRUPTED = 130


class Failure(Exception):
    """A command cannot do its work: one line that names the object, the reason and the remedy."""

    def __init__(self, message: str, code: ExitCode = ExitCode.ENVIRONMENT) -> None:
        super().__init__(message)
        self.code = code
