"""Judging a webhook: values in, a verdict out.

The law: a webhook only makes the controller look at Git now. Its signature is checked before a
byte of it is read, and what it says is at most a reason not to look; what comes into force is what
Git itself names. So a replayed or invented push costs one look, and there is nothing else to win.

A source that does not exist, one without a secret and a wrong signature are one and the same refusal,
reached by the same work: nobody learns from it which sources there are.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs

import msgspec

from controller.serving.signature import Headers, Provider, scheme_of


class RefKind(StrEnum):
    BRANCH = "branch"
    TAG = "tag"
    COMMIT = "commit"


@dataclass(frozen=True, kw_only=True, slots=True)
class WatchedRef:
    """What of its repository a NetworkSource follows."""

    kind: RefKind
    name: str

    def names(self) -> tuple[str, ...]:
        """Return what a push may call it; nothing for a commit."""
        if self.kind is RefKind.COMMIT:
            return ()
        folder = "heads" if self.kind is RefKind.BRANCH else "tags"
        return (f"refs/{folder}/{self.name}", self.name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Push:
    """Said by a sender who knows the secret, and still only said: for the log, never for a decision."""

    ref: str
    """The watched one; "" where the sender names none."""
    commit: str
    """"" where the sender names none, or the ref is gone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    provider: Provider
    push: Push


@dataclass(frozen=True, kw_only=True, slots=True)
class Ignored:
    """Genuine, and no reason to look."""

    provider: Provider
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    provider: Provider
    status: HTTPStatus
    reason: str


Verdict = Accepted | Ignored | Refused

UNSIGNED: Final = "no signature that counts: send one of HMAC-SHA256, or GitLab's token; SHA-1 is refused"
NOT_GENUINE: Final = "no such source, or the signature is not made with its secret"
UNREADABLE: Final = "the body is not a push in JSON: choose the content type application/json"
OTHER_EVENT: Final = "this event is not a push"
OTHER_REF: Final = "the push is to another branch or tag than the one watched"

_NOBODY: Final = secrets.token_bytes(32)
"""Stands in for the secret of a source that has none, so that refusing takes as long."""
NOTHING_WATCHED: Final = WatchedRef(kind=RefKind.COMMIT, name="")
"""Stands in for the ref of such a source."""

_EVENTS: Final = {
    Provider.FORGEJO: ("x-forgejo-event", frozenset({"push"})),
    Provider.GITEA: ("x-gitea-event", frozenset({"push"})),
    Provider.GITHUB: ("x-github-event", frozenset({"push"})),
    Provider.GITLAB: ("x-gitlab-event", frozenset({"Push Hook", "Tag Push Hook", "System Hook"})),
}
_PUSHES: Final = frozenset({"", "push", "tag_push"})
"""What GitLab calls them in the body; a system hook says it only there."""
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_FORM: Final = b"payload="
"""How the other content type of GitHub and Gitea begins, and no JSON does. Headers say less: what
curl sends calls itself a form whatever it is."""


class _Payload(msgspec.Struct, frozen=True, kw_only=True):
    ref: str = ""
    after: str = ""
    event_name: str = ""


_payloads = msgspec.json.Decoder(_Payload)


def judge(headers: Headers, body: bytes, secret: bytes | None, watched: WatchedRef) -> Verdict:
    """Return what a request to a source's address is worth.

    `secret` is None where there is no such source or it has none. White space at its end does not
    count: `echo` and editors leave it in Secrets.
    """
    scheme = scheme_of(headers)
    if scheme is None:
        return Refused(provider=Provider.UNKNOWN, status=HTTPStatus.FORBIDDEN, reason=UNSIGNED)
    key = (secret or b"").rstrip()
    genuine = scheme.holds(headers[scheme.header], headers, body, key or _NOBODY)
    if not (genuine and key):
        return Refused(provider=scheme.provider, status=HTTPStatus.FORBIDDEN, reason=NOT_GENUINE)
    return _judge_genuine(scheme.provider, headers, body, watched)


def _judge_genuine(provider: Provider, headers: Headers, body: bytes, watched: WatchedRef) -> Verdict:
    name, pushes = _EVENTS.get(provider, ("", frozenset({""})))
    if headers.get(name, "") not in pushes:
        return Ignored(provider=provider, reason=OTHER_EVENT)
    payload = _payload(body)
    if provider is Provider.GENERIC:
        return _judge_push(provider, payload or _Payload(), watched)  # signing "look now" says enough
    if payload is None:
        return Refused(provider=provider, status=HTTPStatus.BAD_REQUEST, reason=UNREADABLE)
    if provider is Provider.GITLAB and payload.event_name not in _PUSHES:
        return Ignored(provider=provider, reason=OTHER_EVENT)
    if not payload.ref:
        return Refused(provider=provider, status=HTTPStatus.BAD_REQUEST, reason=UNREADABLE)
    return _judge_push(provider, payload, watched)


def _judge_push(provider: Provider, payload: _Payload, watched: WatchedRef) -> Verdict:
    commit = payload.after if _COMMIT.fullmatch(payload.after) and payload.after.strip("0") else ""
    if not payload.ref:
        return Accepted(provider=provider, push=Push(ref="", commit=commit))
    if payload.ref in watched.names() or (watched.kind is RefKind.COMMIT and commit == watched.name):
        return Accepted(provider=provider, push=Push(ref=watched.name, commit=commit))
    return Ignored(provider=provider, reason=OTHER_REF)


def _payload(body: bytes) -> _Payload | None:
    try:
        if body.startswith(_FORM):
            body = parse_qs(body.decode(), max_num_fields=8)["payload"][0].encode()
        return _payloads.decode(body)
    except (ValueError, KeyError, RecursionError):
        return None
