"""Where a network repository is: a URL or a path that Git may be given.

Only https and ssh reach out. Everything that Git would read as an option, as a remote helper
(`ext::sh -c ...`) or as an unencrypted transport is refused before Git sees it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from controller.snapshot import SourceError, source_error

_SCP_LIKE = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9._-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*:[A-Za-z0-9_~/][^\s]*")
_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_REVISION = re.compile(r"[A-Za-z0-9_@][A-Za-z0-9_./+@{}~^-]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Location:
    """What Git is given as the repository, and the one transport that it may use for it."""

    url: str
    protocol: str
    """"https", "ssh" or "file"."""

    @property
    def is_local(self) -> bool:
        return self.protocol == "file"


def parse_location(text: str) -> Location:
    """Read `--repo`: an https or ssh URL, `user@host:path`, or the path of a local repository.

    A local path is allowed because an operator wrote it; no repository content ever comes here.
    """
    if not text or text.startswith("-") or not text.isprintable() or "::" in text:
        raise _refused(text, "it would be read by Git as an option or a remote helper")
    if "://" in text:
        return _parse_url(text)
    if not text.startswith(("/", ".", "~")) and not Path(text).exists() and _SCP_LIKE.fullmatch(text):
        return Location(url=text, protocol="ssh")
    return Location(url=str(Path(text).expanduser().resolve()), protocol="file")


def _parse_url(text: str) -> Location:
    try:
        parts = urlsplit(text)
        host, password = parts.hostname, parts.password
    except ValueError:
        raise _refused(text, "it is not a URL") from None
    if parts.scheme == "file":
        return Location(url=str(Path(parts.path).resolve()), protocol="file")
    if parts.scheme not in ("https", "ssh"):
        raise _refused(text, f"the transport {parts.scheme} is neither https nor ssh")
    if not host or host.startswith("-") or (parts.username or "").startswith("-"):
        raise _refused(text, "it names no host")
    if password is not None:
        raise _refused(text.replace(password, "***"), "it holds a password, which process lists would show")
    return Location(url=text, protocol=parts.scheme)


def _refused(text: str, reason: str) -> SourceError:
    return source_error("ATL801", f"repository {text}", reason)


def checked_ref(text: str) -> str:
    """Return a branch, tag, full ref, commit or HEAD, as far as it is fit to be fetched."""
    if not _REF.fullmatch(text) or ".." in text or text.endswith((".lock", "/", ".")) or "//" in text:
        reason = "it is not the name of a branch, tag or commit"
        raise source_error("ATL803", f"ref {text}", reason, "Give a name such as main")
    return text


def ref_of(*, branch: str = "", tag: str = "", commit: str = "") -> str:
    """Return the full ref that a NetworkSource's `spec.ref` names; branch main where it names nothing."""
    named = [kind for kind, name in (("branch", branch), ("tag", tag), ("commit", commit)) if name]
    if len(named) > 1:
        reason = f"it names a {' and a '.join(named)}"
        raise source_error("ATL803", "spec.ref", reason, "Give one of branch, tag and commit")
    if commit:
        if not is_commit_name(commit):
            reason = "it is not the full name of a commit"
            raise source_error("ATL803", f"commit {commit}", reason, "Give all its 40 digits")
        return commit
    return f"refs/tags/{checked_ref(tag)}" if tag else f"refs/heads/{checked_ref(branch or 'main')}"


def is_commit_name(text: str) -> bool:
    """Whether a ref is a commit itself, which nothing can move."""
    return bool(_COMMIT.fullmatch(text))


def may_be_branch(ref: str) -> bool:
    """Whether a ref is one that authors move forward, so that moving it elsewhere is worth a word."""
    return not is_commit_name(ref) and not ref.startswith("refs/tags/")


def checked_revision(text: str) -> str:
    """Return a revision as `git rev-parse` takes it: a ref, or one with `~2`, `^` or `@{1}` behind."""
    if not _REVISION.fullmatch(text) or ".." in text:
        reason = "it does not name one commit"
        raise source_error(
            "ATL803", f"revision {text}", reason, "Give a name such as main, HEAD~1 or a commit"
        )
    return text
