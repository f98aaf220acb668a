"""Which signatures a commit must carry, and what was found of them.

The tip always, and every commit that came in since the one applied last, carries a good signature of an
allowed key; one that does not refuses them all. Names and dates in a commit are claims of its author and
count for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from compiler.catalogue import found
from compiler.problem import Problem
from controller.git_ssh_keys import SshKeyError, ssh_keys
from controller.snapshot import Revision, SourceError, printable, source_error

MAX_COMMITS = 10_000
SHOWN = 10
"""How many offences are told; the others are counted."""


class Mode(StrEnum):
    GPG = "gpg"
    SSH = "ssh"


@dataclass(frozen=True, kw_only=True, slots=True)
class Signers:
    """The public keys whose signatures count, by their names in a Secret or ConfigMap. Nothing secret."""

    mode: Mode
    keys: Mapping[str, bytes]
    place: str
    """Where the keys stand, as `Secret atoll-system/keys`."""


def signers_of(mode: Mode, data: Mapping[str, bytes], *, place: str) -> Signers:
    """Read decoded data of a Secret or ConfigMap; raise SourceError where it holds no usable key.

    For gpg each value is a public key, armoured or binary: Git's child reads it. For ssh each value has
    lines in the form of allowed_signers (ssh-keygen(1)), or plain public keys.
    """
    keys = {name: value for name, value in sorted(data.items()) if value.strip()}
    if not keys:
        raise _refused(place, "it holds no key")
    for name, value in keys.items():
        if _is_private(value):
            raise _refused(place, f"{name} is a private key", "Give the public one, and replace this one")
    if mode is Mode.SSH:
        try:
            if not ssh_keys(keys):
                raise _refused(place, "it holds no key")
        except SshKeyError as error:
            raise _refused(place, str(error)) from None
    return Signers(mode=mode, keys=keys, place=place)


def _is_private(value: bytes) -> bool:
    # RFC 9580, 4.2: tag 5 is a secret key, in the old and in the new form of a packet's first octet.
    return b"PRIVATE KEY" in value or value[0] & 0xFC == 0x94 or value[0] == 0xC5


def _refused(place: str, reason: str, remedy: str | None = None) -> SourceError:
    return source_error("ATL813", place, reason, remedy)


class Fault(StrEnum):
    """Why a commit does not count as signed."""

    UNSIGNED = "unsigned"
    UNKNOWN_KEY = "unknown key"
    BAD_SIGNATURE = "bad signature"
    EXPIRED_SIGNATURE = "expired signature"
    EXPIRED_KEY = "expired key"
    REVOKED_KEY = "revoked key"
    NOT_FOR_GIT = "not for git"
    OUTSIDE_VALIDITY = "outside validity"
    UNCHECKED = "unchecked"


_SAYINGS: Mapping[Fault, tuple[str, str]] = {
    Fault.UNSIGNED: ("ATL810", "it is not signed"),
    Fault.UNKNOWN_KEY: ("ATL811", "it is signed by {key}, which is not among the allowed keys"),
    Fault.BAD_SIGNATURE: ("ATL812", "its signature does not match its content"),
    Fault.EXPIRED_SIGNATURE: ("ATL812", "its signature has expired"),
    Fault.EXPIRED_KEY: ("ATL812", "it is signed by {key}, which has expired"),
    Fault.REVOKED_KEY: ("ATL812", "it is signed by {key}, which is revoked"),
    Fault.NOT_FOR_GIT: ("ATL812", "it is signed by {key}, whose namespaces do not include git"),
    Fault.OUTSIDE_VALIDITY: ("ATL812", "it is signed by {key}, outside the time in which that is valid"),
    Fault.UNCHECKED: ("ATL812", "its signature cannot be checked"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Offence:
    """A commit that refuses what came in."""

    revision: Revision
    fault: Fault
    key: str
    """Fingerprint or key ID; "" where there is none."""
    author: str
    """Whom the commit claims as its author."""

    @property
    def problem(self) -> Problem:
        code, reason = _SAYINGS[self.fault]
        key = f"key {self.key}" if self.key else "a key without a name"
        author = f" of {self.author}" if self.author else ""
        subject = printable(f"commit {self.revision[:12]}{author}")
        return found(code, origin=None, subject=subject, reason=printable(reason.format(key=key)))


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedBy:
    """How many of the commits an allowed key has signed."""

    key: str
    name: str
    """User ID of a GPG key; principal or comment of an SSH key."""
    commits: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """What was found of the commits that came in with a revision."""

    revision: Revision
    commits: int
    """How many were looked at."""
    signers: tuple[SignedBy, ...] = ()
    refused: int = 0
    offences: tuple[Offence, ...] = field(default=())
    """The oldest of the refused, at most SHOWN."""

    @property
    def ok(self) -> bool:
        return self.commits > 0 and self.refused == 0

    @property
    def problems(self) -> tuple[Problem, ...]:
        return tuple(offence.problem for offence in self.offences)

    def __str__(self) -> str:
        """One sentence for a condition's message, without its full stop."""
        if self.offences:
            first = self.offences[0].problem
            others = f" (and {self.refused - 1} more)" if self.refused > 1 else ""
            return f"{first.subject}: {first.reason}{others}"
        names = printable(", ".join(f"{signer.name} ({signer.commits})" for signer in self.signers))
        count = "1 commit" if self.commits == 1 else f"{self.commits} commits"
        return f"{count} up to {self.revision[:12]} signed by {names}"
