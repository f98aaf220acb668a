"""SSH keys that may sign, as allowed_signers lines (ssh-keygen(1)) or plain public keys.

ssh-keygen judges a key's validity at the time that it is told, and Git tells it the commit's own date,
which the author chose. So validity is also judged here, at the present, and ssh-keygen gets to see only
the keys that hold now. It also gets its own lines, made of parsed values, under names of our own.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase

NAMESPACE = "git"
_TYPES = (
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)
_TOKEN = re.compile(r'(?:"[^"]*"|[^\s"])+')
_OPTION = re.compile(r'([A-Za-z-]+)(?:=(?:"([^"]*)"|([^",\s]+)))?(?:,|$)')
_TIMES = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}


class SshKeyError(Exception):
    """A line that is no key; the text names it and says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SshKey:
    """A public key with the limits within which its signatures count."""

    name: str
    kind: str
    blob: bytes
    namespaces: str = ""
    """Patterns as in OpenSSH; "" for all."""
    valid_after: datetime | None = None
    valid_before: datetime | None = None

    @property
    def fingerprint(self) -> str:
        """As OpenSSH and Git print it."""
        digest = base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")
        return f"SHA256:{digest}"

    @property
    def is_for_git(self) -> bool:
        """OpenSSH's match_pattern_list: a match counts, and one with `!` in front forbids."""
        if not self.namespaces:
            return True
        patterns = self.namespaces.split(",")
        if any(p.startswith("!") and _matches(p[1:]) for p in patterns):
            return False
        return any(_matches(p) for p in patterns if not p.startswith("!"))

    def is_valid(self, now: datetime) -> bool:
        return (self.valid_after is None or self.valid_after <= now) and (
            self.valid_before is None or now < self.valid_before
        )


def _matches(pattern: str) -> bool:
    return fnmatchcase(NAMESPACE, pattern.replace("[", "[[]"))  # OpenSSH knows `*` and `?` alone


def ssh_keys(keys: Mapping[str, bytes]) -> tuple[SshKey, ...]:
    """Read all lines of all values; raise SshKeyError for the first that is no key."""
    return tuple(key for name, value in sorted(keys.items()) for key in _keys_of(name, value))


def _keys_of(name: str, value: bytes) -> Iterable[SshKey]:
    for number, raw in enumerate(value.splitlines(), start=1):
        try:
            line = raw.decode().strip()
            if line and not line.startswith("#"):
                yield _key_of(line, fallback=name)
        except (UnicodeDecodeError, SshKeyError) as error:
            reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
            raise SshKeyError(f"line {number} of {name}: {reason}") from None


def _key_of(line: str, *, fallback: str) -> SshKey:
    tokens = _TOKEN.findall(line)
    at = next((index for index, token in enumerate(tokens[:3]) if token in _TYPES), None)
    if at is None or at + 1 >= len(tokens):
        raise SshKeyError("it is neither an allowed_signers line nor a public key that can sign")
    kind, blob = tokens[at], _blob(tokens[at + 1])
    if not blob.startswith(len(kind).to_bytes(4) + kind.encode()):
        raise SshKeyError(f"its key is not of the type {kind}")
    if at and "=" in tokens[0]:
        raise SshKeyError("its options stand where the principals should")
    name = tokens[0].strip('"') if at else " ".join(tokens[2:])
    options = _options(tokens[1]) if at == 2 else {}
    return SshKey(
        name=name or fallback,
        kind=kind,
        blob=blob,
        namespaces=options.get("namespaces", ""),
        valid_after=_time(options.get("valid-after")),
        valid_before=_time(options.get("valid-before")),
    )


def _blob(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise SshKeyError("its key is not base64") from None


def _options(text: str) -> dict[str, str]:
    options: dict[str, str] = {}
    end = 0
    while end < len(text):
        found = _OPTION.match(text, end)
        if not found:
            raise SshKeyError(f"its options cannot be read: {text}")
        name = found[1].lower()
        if name == "cert-authority":
            raise SshKeyError("certificate authorities are not supported, only keys")
        if name not in ("namespaces", "valid-after", "valid-before") or name in options:
            raise SshKeyError(f"the option {name} is unknown or repeated")
        options[name] = found[2] or found[3] or ""
        if not options[name]:
            raise SshKeyError(f"the option {name} has no value")
        end = found.end()
    return options


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    digits = text.removesuffix("Z")
    try:
        return datetime.strptime(digits, _TIMES[len(digits)]).replace(tzinfo=UTC)
    except (KeyError, ValueError):
        raise SshKeyError(f"{text} is no time as YYYYMMDD or YYYYMMDDHHMM[SS]") from None


def allowed_signers(keys: Iterable[SshKey]) -> str:
    """Return the text of an allowed_signers file, to be read with TZ=UTC."""
    return "".join(_line(number, key) for number, key in enumerate(keys))


def _line(number: int, key: SshKey) -> str:
    options = [f'namespaces="{NAMESPACE}"']
    for name, time in (("valid-after", key.valid_after), ("valid-before", key.valid_before)):
        if time:
            options.append(f'{name}="{time:%Y%m%d%H%M%S}"')
    return f"key-{number} {','.join(options)} {key.kind} {base64.b64encode(key.blob).decode()}\n"
