"""Health as a list of named checks, answered in plain text as Kubernetes' own `?verbose` does.

A check looks at what the process already knows and never waits for anything: a probe that hangs
would make the kubelet restart a healthy process. What a failing check says is for everybody.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from serving.message import Handler, Request, Response, only, text

Check = Callable[[], str | None]
"""Returns what is wrong, or None."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    subject: str
    """The endpoint: healthz or readyz."""
    findings: Mapping[str, str | None]
    """What is wrong by check; None where nothing is."""

    @property
    def passed(self) -> bool:
        return not any(self.findings.values())

    def __str__(self) -> str:
        lines = [
            f"[-]{name} failed: {wrong}" if wrong else f"[+]{name} ok"
            for name, wrong in self.findings.items()
        ]
        return "\n".join([*lines, f"{self.subject} check {'passed' if self.passed else 'failed'}"])


def examine(subject: str, checks: Mapping[str, Check]) -> Health:
    """Run the checks in their order. One that raises has failed: its kind is told, its text may be secret."""
    findings: dict[str, str | None] = {}
    for name, check in checks.items():
        try:
            findings[name] = check()
        except Exception as error:
            findings[name] = f"the check itself failed with {type(error).__name__}"
    return Health(subject=subject, findings=findings)


def handler_of(subject: str, checks: Mapping[str, Check]) -> Handler:
    def answer(request: Request) -> Response:
        health = examine(subject, checks)
        return text(HTTPStatus.OK if health.passed else HTTPStatus.SERVICE_UNAVAILABLE, str(health))

    return only("GET", answer)


class Pulse:
    """Whether a loop still turns: it beats once a turn, and the check fails when the last beat is too old."""

    def __init__(self, *, bound: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`bound` in seconds of `clock`, which is monotonic; longer than the longest honest turn."""
        self._bound = bound
        self._clock = clock
        self._lock = threading.Lock()
        self._last = clock()

    def beat(self) -> None:
        with self._lock:
            self._last = self._clock()

    def check(self) -> str | None:
        with self._lock:
            age = self._clock() - self._last
        if age <= self._bound:
            return None
        return f"the last turn was {age:.0f} s ago; more than {self._bound:g} s are not to be expected"
