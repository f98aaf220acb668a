"""Commits and their signatures, in Git's child: Git checks each one, this says whose count.

A signature is good when Git finds it so and its key's fingerprint is in the allowed set. The keyring holds
that set alone and lives as long as the operation; trust, names and dates decide nothing. Before that each
commit's content is held against its name, so that nobody's alias for a signed commit passes for it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from controller.git_content import NotGenuineError, check_content, foreign_in
from controller.git_messages import Answer, Failure, Kind, Verified, Verify
from controller.git_ssh_keys import SshKey, allowed_signers, ssh_keys
from controller.signatures import SHOWN, Fault, Mode, Offence, SignedBy, Verification
from controller.snapshot import Revision

_FORMAT = "--format=%H%x00%G?%x00%GF%x00%GK%x00%GS%x00%ae"
_BATCH = 50
"""Commits to one `git log`: each costs a gpg or two ssh-keygen, so that batches in parallel pay."""
_PROGRAMS = {Mode.GPG: ("gpg", "gnupg"), Mode.SSH: ("ssh-keygen", "openssh-client")}
_ABSENT = "false"
"""Stands for the programs of other kinds of signatures, which are not asked at all."""

_FAULTS: Mapping[str, Fault] = {
    "N": Fault.UNSIGNED,
    "B": Fault.BAD_SIGNATURE,
    "X": Fault.EXPIRED_SIGNATURE,
    "Y": Fault.EXPIRED_KEY,
    "R": Fault.REVOKED_KEY,
}
"""git-log(1), %G?: G is good, U good by a key without trust, E could not be checked."""


class VerifyError(Exception):
    def __init__(self, kind: Kind, detail: str) -> None:
        super().__init__(detail)
        self.failure = Failure(kind=kind, detail=detail)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Mark:
    """What Git says of one commit's signature."""

    revision: Revision
    state: str
    fingerprint: str
    key: str
    signer: str
    author: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ring:
    """The allowed keys, as Git's programs and the judgement need them."""

    allowed: Mapping[str, str]
    """Names by fingerprint, subkeys' included; "" where the signature itself tells the name."""
    faulty: Mapping[str, Fault]
    good: frozenset[str]
    """The states that count as good."""
    environment: Mapping[str, str]

    def fault(self, mark: _Mark) -> Fault | None:
        if mark.state in self.good and mark.fingerprint in self.allowed:
            return None
        if mark.fingerprint in self.faulty:
            return self.faulty[mark.fingerprint]
        if mark.state in _FAULTS:
            return _FAULTS[mark.state]
        if mark.state == "E" and (not mark.key or self._knows(mark.key)):
            return Fault.UNCHECKED
        return Fault.OUTSIDE_VALIDITY if mark.fingerprint in self.allowed else Fault.UNKNOWN_KEY

    def _knows(self, key: str) -> bool:
        return any(fingerprint.endswith(key) for fingerprint in self.allowed)


def verify(request: Verify) -> Answer:
    program, package = _PROGRAMS[request.signers.mode]
    if not shutil.which(program):
        detail = f"{program} of the package {package} is not installed"
        return Failure(kind=Kind.PROGRAM_MISSING, detail=detail)
    if foreign := foreign_in(Path(request.repository)):
        return Failure(kind=Kind.BROKEN_CACHE, detail=f"it has {foreign}, which no cache of ours has")
    try:
        with tempfile.TemporaryDirectory() as folder:
            names = _incoming(request)
            _check_names(request.repository, names)
            ring = _gpg_ring(request, Path(folder)) if program == "gpg" else _ssh_ring(request, Path(folder))
            return Verified(verification=_judged(request, ring, _marks(request.repository, names, ring)))
    except VerifyError as error:
        return error.failure
    except NotGenuineError as error:
        return Failure(kind=Kind.BROKEN_CACHE, detail=str(error))


def _judged(request: Verify, ring: _Ring, marks: Sequence[_Mark]) -> Verification:
    offences: list[Offence] = []
    good: Counter[tuple[str, str]] = Counter()
    for mark in marks:
        fault = ring.fault(mark)
        key = mark.fingerprint or mark.key
        if fault is None:
            good[key, ring.allowed[key] or mark.signer or key] += 1
        else:
            offences.append(Offence(revision=mark.revision, fault=fault, key=key, author=mark.author))
    return Verification(
        revision=Revision(request.commit),
        commits=len(marks),
        signers=tuple(SignedBy(key=key, name=name, commits=n) for (key, name), n in sorted(good.items())),
        refused=len(offences),
        offences=tuple(offences[:SHOWN]),
    )


def _incoming(request: Verify) -> list[str]:
    """Name what came in since `previous`, oldest first; the tip alone where nothing was applied before."""
    if request.previous is None:
        return [request.commit]
    since = [f"^{request.previous}"] if _has(request.repository, request.previous) else []
    bound = f"--max-count={request.limit + 1}"
    listed = _git(request.repository, "rev-list", "--topo-order", "--reverse", bound, request.commit, *since)
    names = listed.decode().split()
    if len(names) > request.limit:
        count = f"{request.limit:,}"
        lost = "" if since else f" (the commit applied last, {request.previous[:12]}, is not there any more)"
        raise VerifyError(Kind.TOO_MANY_COMMITS, f"more than {count} commits would have to be verified{lost}")
    return names or [request.commit]


def _has(repository: str, name: str) -> bool:
    command = _command(repository, "cat-file", "-e", f"{name}^{{commit}}")
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _check_names(repository: str, names: Sequence[str]) -> None:
    output = _git(repository, "cat-file", "--batch", data="".join(f"{name}\n" for name in names))
    at = 0
    for name in names:
        end = output.index(b"\n", at)
        kind, size = output[at:end].split()[1:] if output[at:end].count(b" ") == 2 else (b"missing", b"0")
        at = end + 1 + int(size)
        if kind != b"commit":
            raise VerifyError(Kind.REVISION_MISSING, f"{name} is {kind.decode()}")
        check_content(name, "commit", output[end + 1 : at])
        at += 1


def _marks(repository: str, names: Sequence[str], ring: _Ring) -> list[_Mark]:
    batches = [names[at : at + _BATCH] for at in range(0, len(names), _BATCH)]
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        found = pool.map(lambda batch: tuple(_batch_marks(repository, batch, ring)), batches)
        return [mark for marks in found for mark in marks]


def _batch_marks(repository: str, names: Sequence[str], ring: _Ring) -> Iterator[_Mark]:
    listing = "".join(f"{name}\n" for name in names)
    output = _git(
        repository,
        "log",
        "--no-walk=unsorted",
        "--stdin",
        _FORMAT,
        data=listing,
        environment=ring.environment,
    )
    lines = output.decode(errors="backslashreplace").removesuffix("\n").split("\n")
    for name, line in zip(names, lines, strict=True):
        revision, state, fingerprint, key, signer, author = line.split("\0")
        if revision != name:
            raise VerifyError(Kind.UNREACHABLE, f"git told of {revision} where {name} was asked")
        yield _Mark(
            revision=Revision(revision),
            state=state,
            fingerprint=fingerprint,
            key=key,
            signer=signer,
            author=author,
        )


def _gpg_ring(request: Verify, folder: Path) -> _Ring:
    """A keyring of the allowed keys alone. gpg never asks a network, an agent or the user's keyring."""
    # Which keys count is decided by fingerprint; to compute a web of trust would only cost time.
    (folder / "gpg.conf").write_text("trust-model always\n")
    environment = os.environ | {"GNUPGHOME": str(folder)}
    gpg = ["gpg", "--batch", "--no-tty", "--no-autostart", "--status-fd=1", "--with-colons"]
    for name, key in request.signers.keys.items():
        done = subprocess.run(
            [*gpg, "--import"], input=key, capture_output=True, env=environment, check=False
        )
        if b"IMPORT_OK" not in done.stdout:
            raise VerifyError(Kind.KEYS_UNUSABLE, f"{name} holds no public GPG key")
    return _Ring(
        allowed=dict.fromkeys(_fingerprints(gpg, environment), ""),
        faulty={},
        good=frozenset("GU"),
        environment=environment | _configuration({"gpg.program": "gpg", "gpg.ssh.program": _ABSENT}),
    )


def _fingerprints(gpg: Sequence[str], environment: Mapping[str, str]) -> frozenset[str]:
    command = [*gpg, "--with-subkey-fingerprint", "--list-keys"]
    listed = subprocess.run(command, capture_output=True, env=environment, check=False).stdout
    records = (line.split(":") for line in listed.decode(errors="replace").splitlines())
    return frozenset(fields[9] for fields in records if fields[0] == "fpr")


def _ssh_ring(request: Verify, folder: Path) -> _Ring:
    keys = ssh_keys(request.signers.keys)
    now = datetime.now(UTC)
    valid = [key for key in keys if key.is_for_git and key.is_valid(now)]
    allowed = {key.fingerprint: key.name for key in reversed(valid)}
    path = folder / "allowed_signers"
    path.write_text(allowed_signers(valid))
    programs = {
        "gpg.ssh.program": str(_patient(folder / "ssh-keygen")),
        "gpg.program": _ABSENT,
        "gpg.ssh.allowedSignersFile": str(path),
    }
    return _Ring(
        allowed=allowed,
        faulty={key.fingerprint: _fault(key, now) for key in keys if key.fingerprint not in allowed},
        good=frozenset("G"),
        environment=os.environ | _configuration(programs),
    )


def _patient(path: Path) -> Path:
    """Write an ssh-keygen that reads to the end what git writes to it.

    It may refuse a signature before it has read the commit; git, which ignores SIGPIPE for gpg alone
    (2.39, gpg-interface.c), would die of that instead of telling of the signature.
    """
    path.write_text('#!/bin/sh\nssh-keygen "$@"\nstatus=$?\ncat >/dev/null\nexit $status\n')
    path.chmod(0o700)
    return path


def _fault(key: SshKey, now: datetime) -> Fault:
    if not key.is_for_git:
        return Fault.NOT_FOR_GIT
    expired = key.valid_before is not None and key.valid_before <= now
    return Fault.EXPIRED_KEY if expired else Fault.OUTSIDE_VALIDITY


def _configuration(settings: Mapping[str, str]) -> dict[str, str]:
    """Settings above every file's, the repository's own included (git-config(1), GIT_CONFIG_COUNT)."""
    settings = {
        **settings,
        "gpg.x509.program": _ABSENT,
        "gpg.ssh.revocationFile": "",
        "log.showSignature": "false",
    }
    environment = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings.items()):
        environment |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return environment


def _command(repository: str, *arguments: str) -> list[str]:
    return ["git", f"--git-dir={repository}", *arguments]


def _git(
    repository: str, *arguments: str, data: str = "", environment: Mapping[str, str] | None = None
) -> bytes:
    done = subprocess.run(
        _command(repository, *arguments),
        input=data.encode(),
        capture_output=True,
        env=environment,
        check=False,
    )
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2].removeprefix("fatal: ")
        said = said or f"git ended with {done.returncode}"
        raise VerifyError(Kind.REVISION_MISSING if "bad object" in said else Kind.UNREACHABLE, said)
    return done.stdout
