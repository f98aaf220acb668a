"""The address that Git servers call: `POST /hook/<namespace>/<name of the NetworkSource>`.

It answers before anything is looked at. A flood costs its signatures' checks, one look and one
line of log a second; what judges is `controller.serving.webhook`.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import msgspec

from controller.log import Log
from controller.serving.coalescing import Coalescing, Later, in_a_thread
from controller.serving.metrics import ControllerMetrics
from controller.serving.webhook import NOTHING_WATCHED, Accepted, Ignored, Push, Refused, WatchedRef, judge
from serving.message import JSON, Request, Response, only, text
from serving.server import Limits

PREFIX: Final = "/hook/"
LOOK_SECONDS: Final = 1.0
"""Between two looks that pushes to one source ask for."""
REFUSAL_SECONDS: Final = 1.0
"""Between two lines of log about refusals."""
LIMITS: Final = Limits(body=4 << 20, connections=16, threads=2, seconds=15.0)
"""Sixteen bodies at once are the most that strangers can make the process hold: 64 MiB. GitHub
sends up to 25 MB, but 4 MiB hold the names of 30,000 changed files; a push above that is found
by the next look. GitHub itself gives up after 10 seconds."""

_PATH: Final = re.compile(r"/hook/([a-z0-9][a-z0-9-]{0,62})/([a-z0-9][a-z0-9.-]{0,252})")


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    status: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hooks:
    """What the receiver asks of the controller. The first two answer from memory, in any thread."""

    secret_of: Callable[[str, str], bytes | None]
    """By namespace and name of a NetworkSource; None where there is none, or none that takes webhooks."""
    watched_of: Callable[[str, str], WatchedRef | None]
    """None, too, where there is no such NetworkSource (any more)."""
    on_push: Callable[[str, str, Push], None]
    """Makes the controller look at Git now. Called at most once a second for one source, in a thread of
    its own: it may take its time, and no answer waits for it."""


@dataclass(kw_only=True, slots=True)
class Receiver:
    hooks: Hooks
    metrics: ControllerMetrics
    log: Log
    clock: Callable[[], float] = time.monotonic
    later: Later = in_a_thread
    _pushes: Coalescing[tuple[str, str], Push] = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _untold: int = field(default=0, init=False)
    _tell_from: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._pushes = Coalescing(self._forward, interval=LOOK_SECONDS, clock=self.clock, later=self.later)

    def handle(self, request: Request) -> Response:
        return only("POST", self._take)(request)

    def _take(self, request: Request) -> Response:
        place = _PATH.fullmatch(request.path)
        if place is None:
            return text(HTTPStatus.NOT_FOUND, f"call {PREFIX}<namespace>/<name of the NetworkSource>")
        namespace, name = place.groups()
        secret = self.hooks.secret_of(namespace, name)
        watched = self.hooks.watched_of(namespace, name)
        if watched is None:
            secret, watched = None, NOTHING_WATCHED
        verdict = judge(request.headers, request.body, secret, watched)
        match verdict:
            case Accepted():
                self.metrics.webhook_request(verdict.provider, "accepted")
                self._pushes((namespace, name), verdict.push)
                return _answer(HTTPStatus.ACCEPTED, "accepted")
            case Ignored():
                self.metrics.webhook_request(verdict.provider, "ignored")
                return _answer(HTTPStatus.OK, "ignored", verdict.reason)
            case Refused():
                self.metrics.webhook_request(verdict.provider, "refused")
                self._tell(f"{namespace}/{name}", verdict, known=bool(secret))
                return _answer(verdict.status, "refused", verdict.reason)

    def _forward(self, source: tuple[str, str], push: Push) -> None:
        namespace, name = source
        self.log("push", source=f"{namespace}/{name}", ref=push.ref, commit=push.commit)
        self.hooks.on_push(namespace, name, push)

    def _tell(self, source: str, refusal: Refused, *, known: bool) -> None:
        """One line for the refusals of a while: their senders decide how many there are."""
        with self._lock:
            self._untold += 1
            now = self.clock()
            if now < self._tell_from:
                return
            refusals, self._untold = self._untold, 0
            self._tell_from = now + REFUSAL_SECONDS
        self.log(
            "push-refused",
            source=source,
            has_secret=known,
            provider=refusal.provider.value,
            reason=refusal.reason,
            refusals=refusals,
        )


def _answer(status: HTTPStatus, word: str, reason: str = "") -> Response:
    body = msgspec.json.encode(Answer(status=word, reason=reason)) + b"\n"
    return Response(status=status, body=body, content_type=JSON)
