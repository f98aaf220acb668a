"""Who sent a webhook, and whether its signature holds: a table of what Git servers send.

The first header of the table that is present decides; a bad one is not rescued by another. Every
comparison takes the same time whatever the difference. Signatures of SHA-1 count as none.

Sources: GitHub, "Validating webhook deliveries"; Gitea and Forgejo, "Webhooks"; GitLab, "Webhooks"
and merge request 230944 (signing tokens, after the specification Standard Webhooks); Flux, Receiver
of type generic-hmac.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

Headers = Mapping[str, str]
"""By lower-case name, each value's characters being its bytes (latin-1), as WSGI has it."""

_SIGNING_TOKEN: Final = b"whsec_"
_MOST_SIGNATURES: Final = 16
"""In one header: while a key is exchanged, there are two."""


class Provider(StrEnum):
    FORGEJO = "forgejo"
    GITEA = "gitea"
    GITHUB = "github"
    GITLAB = "gitlab"
    GENERIC = "generic"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class Scheme:
    provider: Provider
    header: str
    holds: Callable[[str, Headers, bytes, bytes], bool]
    """Of the header's value, all headers, the body and the secret."""


def scheme_of(headers: Headers) -> Scheme | None:
    """Return how a request is signed; None where it is not, or only by SHA-1."""
    for scheme in SCHEMES:
        if not headers.get(scheme.header, "sha1=").startswith("sha1="):
            return scheme
    return None


def _is_hex(value: str, headers: Headers, body: bytes, secret: bytes) -> bool:
    return _same(value.lower().encode("latin-1", "replace"), _hex(body, secret, "sha256"))


def _is_named(value: str, headers: Headers, body: bytes, secret: bytes) -> bool:
    name, _, digest = value.partition("=")
    if name not in ("sha256", "sha512"):
        return False
    return _same(digest.lower().encode("latin-1", "replace"), _hex(body, secret, name))


def _is_token(value: str, headers: Headers, body: bytes, secret: bytes) -> bool:
    if secret.startswith(_SIGNING_TOKEN):
        return False  # a signing token never travels; a request that holds it is not GitLab's
    return _same(value.encode("latin-1", "replace"), secret)


def _is_standard(value: str, headers: Headers, body: bytes, secret: bytes) -> bool:
    """Standard Webhooks 1.0. The time is not looked at: a replay costs one look, as any push does."""
    if not secret.startswith(_SIGNING_TOKEN):
        token = headers.get("x-gitlab-token", "")
        return _is_token(token, headers, body, secret)
    try:
        key = base64.b64decode(secret[len(_SIGNING_TOKEN) :], validate=True)
    except binascii.Error:
        return False
    head = f"{headers.get('webhook-id', '')}.{headers.get('webhook-timestamp', '')}."
    signed = head.encode("latin-1", "replace") + body
    expected = b"v1," + base64.b64encode(hmac.digest(key, signed, "sha256"))
    given = value.encode("latin-1", "replace").split(b" ", _MOST_SIGNATURES)
    return any(_same(one, expected) for one in given)


def _hex(body: bytes, secret: bytes, digest: str) -> bytes:
    return hmac.new(secret, body, digest).hexdigest().encode()


def _same(given: bytes, expected: bytes) -> bool:
    """Compare digests of both, so that not even the expected length shows."""
    return hmac.compare_digest(hashlib.sha256(given).digest(), hashlib.sha256(expected).digest())


SCHEMES: Final = (
    # Forgejo and Gitea send GitHub's headers too, GitLab both of its own where both are set up.
    Scheme(provider=Provider.FORGEJO, header="x-forgejo-signature", holds=_is_hex),
    Scheme(provider=Provider.GITEA, header="x-gitea-signature", holds=_is_hex),
    Scheme(provider=Provider.GITHUB, header="x-hub-signature-256", holds=_is_named),
    Scheme(provider=Provider.GITLAB, header="webhook-signature", holds=_is_standard),
    Scheme(provider=Provider.GITLAB, header="x-gitlab-token", holds=_is_token),
    Scheme(provider=Provider.GENERIC, header="x-signature", holds=_is_named),
    # Bitbucket's: the header of GitHub's old SHA-1 signatures with a SHA-256 in it.
    Scheme(provider=Provider.GENERIC, header="x-hub-signature", holds=_is_named),
)
