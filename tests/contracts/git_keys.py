"""Keys that sign commits in tests: real ones of GPG and SSH, made anew, and ones in memory alone."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol

from controller.signatures import Mode, Signers, signers_of

NEVER = "never"


class Keys(Protocol):
    mode: Mode

    def public(self, name: str) -> bytes:
        """Return the public key as it stands in a Secret; made when first asked for."""
        ...


class SigningKeys(Keys, Protocol):
    def settings(self, name: str) -> Sequence[str]:
        """Return what `git` is told so that `commit-tree -S` signs with this key."""
        ...

    @property
    def environment(self) -> Mapping[str, str]: ...


def allow(keys: Keys, *names: str) -> Signers:
    """Return signers that hold these keys and no others."""
    data = {f"{name}.pub": keys.public(name) for name in names}
    return signers_of(keys.mode, data, place="Secret atoll-system/keys")


class MemoryKeys:
    """Public SSH keys that nobody holds the private part of."""

    mode = Mode.SSH

    def public(self, name: str) -> bytes:
        kind = b"ssh-ed25519"
        point = hashlib.sha256(name.encode()).digest()
        blob = b"".join(len(part).to_bytes(4) + part for part in (kind, point))
        return b"%s %s %s@example.com\n" % (kind, base64.b64encode(blob), name.encode())


class SshKeys:
    mode = Mode.SSH
    environment: Mapping[str, str] = {}

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def public(self, name: str) -> bytes:
        return self._private(name).with_suffix(".pub").read_bytes()

    def _private(self, name: str) -> Path:
        path = self.folder / name
        if not path.exists():
            comment = f"{name}@example.com"
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)]
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        return path

    def settings(self, name: str) -> Sequence[str]:
        return ["-c", "gpg.format=ssh", "-c", f"user.signingKey={self._private(name)}"]


class GpgKeys:
    """A GPG home of its own. Its path is short: gpg-agent's socket lies in it."""

    mode = Mode.GPG

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="atoll-gpg-"))

    def __enter__(self) -> GpgKeys:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        subprocess.run(["gpgconf", "--kill", "all"], env=self.environment, check=True)
        shutil.rmtree(self.home)

    @property
    def environment(self) -> Mapping[str, str]:
        return {"GNUPGHOME": str(self.home), "PATH": os.environ["PATH"]}

    def gpg(self, *arguments: str, data: bytes = b"") -> bytes:
        command = ["gpg", "--batch", "--quiet", "--no-tty", "--pinentry-mode=loopback", "--passphrase", ""]
        done = subprocess.run(
            [*command, *arguments], input=data, env=self.environment, check=True, capture_output=True
        )
        return done.stdout

    def public(self, name: str) -> bytes:
        return self.gpg("--armor", "--export", self.fingerprint(name))

    def fingerprint(self, name: str) -> str:
        """Return a key's fingerprint; the key is made when first asked for."""
        user = f"{name} <{name}@example.com>"
        if not self._listed(user):
            self.gpg("--quick-generate-key", user, "ed25519", "sign", NEVER)
        return self._listed(user)[0]

    def _listed(self, user: str) -> list[str]:
        command = ["gpg", "--batch", "--with-colons", "--list-keys", f"={user}"]
        listed = subprocess.run(command, env=self.environment, check=False, capture_output=True).stdout
        records = [line.split(":") for line in listed.decode().splitlines()]
        return [fields[9] for fields in records if fields[0] == "fpr"]

    def settings(self, name: str) -> Sequence[str]:
        return ["-c", "gpg.format=openpgp", "-c", f"user.signingKey={self.fingerprint(name)}"]
