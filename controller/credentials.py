"""What the controller shows a repository's host to be let in: from a Secret, and seen by nobody else.

A secret is never in a command line, an environment, a message or a repr. It goes to Git in files of the
operation's own folder (`controller.git_environment`); what Git says is scrubbed before anyone reads it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from urllib.parse import quote, urlsplit

from controller.location import Location
from controller.snapshot import SourceError, source_error

USERNAME, PASSWORD, BEARER_TOKEN = "username", "password", "bearerToken"
IDENTITY, KNOWN_HOSTS, CA_CERTIFICATE = "identity", "known_hosts", "ca.crt"

_OPENSSH_KEY = re.compile(
    rb"-----BEGIN OPENSSH PRIVATE KEY-----\s+([A-Za-z0-9+/=\s]+)-----END OPENSSH PRIVATE KEY-----"
)
_PRIVATE_KEY = re.compile(rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----")
_ENCRYPTED = (b"BEGIN ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED")
_NO_CIPHER = b"openssh-key-v1\0" + (4).to_bytes(4) + b"none"
"""How the body of an OpenSSH key without a passphrase starts (PROTOCOL.key of OpenSSH)."""
_MASK = "***"


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Credentials:
    """For https a user's password or a token, and an authority; for ssh a key and the host's keys."""

    username: str = ""
    password: str = ""
    bearer_token: str = ""
    certificates: bytes = b""
    """PEM; the only authorities that may vouch for the host, where there are any."""
    identity: bytes = b""
    known_hosts: bytes = b""

    def __repr__(self) -> str:
        given = ", ".join(field.name for field in fields(self) if getattr(self, field.name))
        return f"Credentials({given})"

    def scrubbed(self, text: str) -> str:
        """Return text without the secrets, in any of the forms in which Git handles them."""
        for secret in sorted(self._secrets(), key=len, reverse=True):
            text = text.replace(secret, _MASK)
        return text

    def _secrets(self) -> set[str]:
        basic = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        passwords = {self.password, quote(self.password, safe=""), basic} if self.password else set()
        lines = self.identity.decode("ascii", errors="replace").splitlines()
        key = {line for line in lines if line and not line.startswith("-----")}
        token = {self.bearer_token} if self.bearer_token else set()
        return passwords | key | token


def credentials_of(data: Mapping[str, bytes], location: Location, *, place: str = "Secret") -> Credentials:
    """Read a Secret's decoded data for a location; raise SourceError at `place` where it does not fit."""
    match location.protocol:
        case "https":
            return _for_https(data, location, place)
        case "ssh":
            return _for_ssh(data, place)
    raise _refused(place, "a local repository takes no credentials", "Remove secretRef")


def _for_https(data: Mapping[str, bytes], location: Location, place: str) -> Credentials:
    username, password, token = (_text(data, key, place) for key in (USERNAME, PASSWORD, BEARER_TOKEN))
    certificates = data.get(CA_CERTIFICATE, b"")
    if token and (username or password):
        raise _refused(place, f"it holds {BEARER_TOKEN} beside {USERNAME} or {PASSWORD}", "Keep one of them")
    if bool(username) != bool(password):
        missing = PASSWORD if username else USERNAME
        raise _refused(place, f"it holds no {missing}", f"Give both {USERNAME} and {PASSWORD}")
    if certificates and b"-----BEGIN CERTIFICATE-----" not in certificates:
        raise _refused(place, f"{CA_CERTIFICATE} holds no certificate", "Give it in PEM form")
    if not (username or token or certificates):
        wanted = f"{USERNAME} and {PASSWORD}, {BEARER_TOKEN} or {CA_CERTIFICATE}"
        raise _refused(place, "it holds nothing that https could use", f"Give {wanted}")
    named = urlsplit(location.url).username
    if username and named and named != username:
        raise _refused(place, f"its {USERNAME} is not the one in the URL", "Remove the user from the URL")
    return Credentials(username=username, password=password, bearer_token=token, certificates=certificates)


def _for_ssh(data: Mapping[str, bytes], place: str) -> Credentials:
    identity, known_hosts = (_lines(data.get(key, b"")) for key in (IDENTITY, KNOWN_HOSTS))
    if not identity:
        raise _refused(place, f"it holds no {IDENTITY}", f"Give the private key as {IDENTITY}")
    if not _PRIVATE_KEY.search(identity):
        raise _refused(
            place, f"{IDENTITY} is no private key", "Give the file that ssh-keygen made, without .pub"
        )
    if PASSWORD in data or _is_encrypted(identity):
        remedy = f"Make a key of its own with ssh-keygen -N '', and give no {PASSWORD}"
        raise _refused(place, "a private key with a passphrase is not supported", remedy)
    if not any(line.strip() and not line.startswith(b"#") for line in known_hosts.splitlines()):
        reason = f"it holds no {KNOWN_HOSTS}, so that the host could not prove who it is"
        raise _refused(
            place, reason, f"Give what ssh-keyscan prints for the host as {KNOWN_HOSTS}, once checked"
        )
    return Credentials(identity=identity, known_hosts=known_hosts)


def _text(data: Mapping[str, bytes], key: str, place: str) -> str:
    """Return a value as text, without the line end that `echo` and editors leave behind it."""
    try:
        text = data.get(key, b"").decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise _refused(place, f"{key} is not UTF-8", None) from None
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
        raise _refused(place, f"{key} holds a control character", "Give it as one line")
    return text


def _lines(data: bytes) -> bytes:
    """Return a file as ssh reads it: Unix line ends, the last one included."""
    text = data.replace(b"\r\n", b"\n").strip(b"\n")
    return text + b"\n" if text else b""


def _is_encrypted(identity: bytes) -> bool:
    if any(sign in identity for sign in _ENCRYPTED):
        return True
    found = _OPENSSH_KEY.search(identity)
    if not found:
        return False
    try:
        return not base64.b64decode(b"".join(found[1].split())).startswith(_NO_CIPHER)
    except binascii.Error:
        return False


def _refused(place: str, reason: str, remedy: str | None) -> SourceError:
    return source_error("ATL814", place, reason, remedy)
