"""What the controller asks of its Git child, and what the child answers: msgpack either way."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from controller.signatures import Signers, Verification
from controller.snapshot import ReadLimits, Refusal


class Fetch(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Bring `ref` of `url` into the bare repository `cache`, made on first use."""

    url: str
    ref: str
    cache: str
    previous: str | None
    """A commit that should be an ancestor of the new one."""


class Resolve(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Name the commit that `revision` is in the local `repository`."""

    repository: str
    revision: str


class Read(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Read candidate files below `folder` of a commit, from the object database."""

    repository: str
    commit: str
    folder: str
    limits: ReadLimits


class Verify(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Check the signatures of `commit` and of all that came in since `previous`."""

    repository: str
    commit: str
    previous: str | None
    signers: Signers
    limit: int
    """How many commits are checked at most."""


class Compare(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Tell how two revisions of the local `repository` are related, and read the files of both."""

    repository: str
    base: str
    head: str
    from_merge_base: bool
    """Read the files of the common ancestor in place of those of `base`."""
    folder: str
    limits: ReadLimits


class Blame(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Find the commits that brought lines of `head`, and those since `base` that took lines of it away."""

    repository: str
    base: str
    head: str
    brought: dict[str, list[int]]
    """Lines of `head` by path."""
    removed: dict[str, list[int]]
    """Lines of `base` by path; of a `base` that is no ancestor of `head` nobody removed any."""


class Commit(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    name: str
    rewritten: bool = False
    """`previous` is not an ancestor."""


class Files(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    files: dict[str, bytes]
    refused: list[tuple[str, Refusal]]


class Verified(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    verification: Verification


class Related(msgspec.Struct, frozen=True, kw_only=True):
    base: str
    head: str
    head_time: str
    """Of the commit, as RFC 3339 has it, in UTC."""
    merge_base: str
    """Their newest common ancestor; "" where they have none."""
    shallow: bool
    """The history is cut short, as in a shallow clone."""


class Compared(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    related: Related
    before: Files | None
    """None where that commit has no such folder; one of the two has it."""
    after: Files | None


class Writer(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Of a line: the commit, and its author's name as it stands there."""

    commit: str
    author: str


class Blamed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What could be found out; lines may be missing."""

    brought: dict[str, dict[int, Writer]]
    removed: dict[str, dict[int, Writer]]


class Kind(StrEnum):
    """Kinds of failure, by what the operator can do about them."""

    GIT_MISSING = "git missing"
    PROGRAM_MISSING = "program missing"
    NO_USER = "no user"
    UNREACHABLE = "unreachable"
    MOVED = "moved"
    NOT_A_REPOSITORY = "not a repository"
    SHALLOW = "shallow"
    NOT_PERMITTED = "not permitted"
    UNTRUSTED_HOST = "untrusted host"
    REVISION_MISSING = "revision missing"
    FOLDER_MISSING = "folder missing"
    TOO_LARGE = "too large"
    TOO_SLOW = "too slow"
    TOO_MANY_COMMITS = "too many commits"
    KEYS_UNUSABLE = "keys unusable"
    BROKEN_CACHE = "broken cache"


class Failure(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    kind: Kind
    detail: str
    """What Git said, one line."""


Request = Fetch | Resolve | Compare | Blame | Verify | Read
Answer = Commit | Compared | Blamed | Verified | Files | Failure
_REQUESTS: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_ANSWERS: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def encode(message: Request | Answer) -> bytes:
    return msgspec.msgpack.encode(message)


def decode_request(data: bytes) -> Request:
    return _REQUESTS.decode(data)


def decode_answer(data: bytes) -> Answer:
    """Raise msgspec.DecodeError (or ValidationError, its subclass) for anything but one answer."""
    return _ANSWERS.decode(data)
