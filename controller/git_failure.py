"""What Git said when it refused, as a kind that an operator can act on and one telling line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.git_messages import Failure, Kind

if TYPE_CHECKING:
    from git import GitCommandError

# What Git and ssh print under LC_ALL=C, first match counts. They have no machine-readable causes.
_CAUSES: tuple[tuple[str, Kind], ...] = (
    ("couldn't find remote ref", Kind.REVISION_MISSING),
    ("not our ref", Kind.REVISION_MISSING),
    ("unadvertised object", Kind.REVISION_MISSING),
    ("Needed a single revision", Kind.REVISION_MISSING),
    ("unknown revision", Kind.REVISION_MISSING),
    ("No user exists for uid", Kind.NO_USER),
    ("Host key verification failed", Kind.UNTRUSTED_HOST),
    ("certificate", Kind.UNTRUSTED_HOST),
    ("Permission denied", Kind.NOT_PERMITTED),
    ("Authentication failed", Kind.NOT_PERMITTED),
    ("could not read Username", Kind.NOT_PERMITTED),
    ("returned error: 401", Kind.NOT_PERMITTED),
    ("returned error: 403", Kind.NOT_PERMITTED),
    ("returned error: 30", Kind.MOVED),
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
_EMPTY = (
    "Could not read from remote repository",
    "Please make sure you have the correct access rights",
    "and the repository exists",
)
"""Git's last words after ssh has said what is the matter."""


def failure_of(error: GitCommandError) -> Failure:
    # GitPython hands stderr over as "\n  stderr: '...'".
    text = str(error.stderr).strip().removeprefix("stderr:").strip().removeprefix("'").removesuffix("'")
    kind = next((kind for sign, kind in _CAUSES if sign in text), Kind.UNREACHABLE)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if not any(words in line for words in _EMPTY)] or lines
    said = next((line for line in telling if line.startswith(("fatal:", "error:", "remote:"))), None)
    detail = said or (telling[-1] if telling else f"git ended with status {error.status}")
    return Failure(kind=kind, detail=detail.removeprefix("fatal: ").removeprefix("error: "))
