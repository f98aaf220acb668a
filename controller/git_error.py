"""What went wrong with Git, as the problem that an operator reads."""

from __future__ import annotations

from collections.abc import Mapping

from controller.credentials import Credentials
from controller.git_messages import Blame, Compare, Failure, Fetch, Kind, Read, Request, Resolve, Verify
from controller.snapshot import SourceError, source_error

_SAYINGS: Mapping[Kind, tuple[str, str, str | None]] = {
    Kind.GIT_MISSING: ("ATL802", "git cannot be run: {detail}", "Install git 2.38 or later"),
    Kind.PROGRAM_MISSING: ("ATL815", "{detail}", "Install it where the controller runs"),
    Kind.NO_USER: ("ATL802", "ssh does not run: {detail}", "Run as a user that /etc/passwd knows"),
    Kind.UNREACHABLE: ("ATL802", "it cannot be read: {detail}", None),
    Kind.MOVED: ("ATL802", "the host redirects: {detail}", "Give the URL that it redirects to"),
    Kind.NOT_A_REPOSITORY: ("ATL802", "there is no Git repository: {detail}", None),
    Kind.SHALLOW: ("ATL802", "its history is cut short, as in a shallow clone", "Give a complete repository"),
    Kind.NOT_PERMITTED: ("ATL802", "access is denied: {detail}", "Give this user a key that may read it"),
    Kind.UNTRUSTED_HOST: (
        "ATL802",
        "the host could not prove who it is: {detail}",
        "Put its key into known_hosts, or its authority into the system's certificates",
    ),
    Kind.REVISION_MISSING: ("ATL803", "{what} names no commit", None),
    Kind.FOLDER_MISSING: ("ATL803", "{detail}", None),
    Kind.TOO_LARGE: ("ATL804", "it is larger than what is fetched: {detail}", None),
    Kind.TOO_SLOW: ("ATL804", "Git did not finish within {seconds} seconds", None),
    Kind.BROKEN_CACHE: (
        "ATL804",
        "its cache cannot be used: {detail}",
        "Remove the cache directory, it is fetched anew",
    ),
    Kind.TOO_MANY_COMMITS: ("ATL815", "{detail}", "Push in smaller steps"),
    Kind.KEYS_UNUSABLE: ("ATL813", "{detail}", None),
}
_WITH_CREDENTIALS: Mapping[Kind, str] = {
    Kind.NOT_PERMITTED: "Correct the Secret that spec.secretRef names",
    Kind.UNTRUSTED_HOST: "Put its key into known_hosts of the Secret, or its authority into ca.crt",
}
_NO_COMMIT = (
    "HEAD names no commit, as in a repository without any",
    "Commit something first, with git commit, or name a branch that has commits",
)


def error_of(
    failure: Failure, request: Request, *, repository: str, seconds: int, credentials: Credentials | None
) -> SourceError:
    code, reason, remedy = _SAYINGS[failure.kind]
    detail = failure.detail.rstrip(".")
    if credentials:
        detail = credentials.scrubbed(detail)
        remedy = _WITH_CREDENTIALS.get(failure.kind, remedy)
    subject = f"repository {repository}"
    match request:
        case Fetch(ref="HEAD") | Resolve(revision="HEAD") if failure.kind is Kind.REVISION_MISSING:
            reason, remedy = _NO_COMMIT
        case Verify(signers=signers) if failure.kind is Kind.KEYS_UNUSABLE:
            subject = signers.place
    words = {"detail": detail[:300], "what": _what(request, detail), "seconds": str(seconds)}
    return source_error(code, subject, reason.format_map(words), remedy)


def _what(request: Request, detail: str) -> str:
    match request:
        case Fetch():
            return f"ref {request.ref}"
        case Resolve():
            return f"revision {request.revision}"
        case Compare():
            return f"revision {detail}"
        case Blame():
            return f"commit {request.head}"
        case Read() | Verify():
            return f"commit {request.commit}"
