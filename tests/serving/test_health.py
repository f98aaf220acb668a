"""Health's text and verdict, on checks that the tests make."""

from __future__ import annotations

from http import HTTPStatus

from serving.health import Pulse, examine, handler_of
from serving.message import Request

GET = Request(method="GET", path="/readyz", headers={})


def test_every_check_has_a_line() -> None:
    health = examine("readyz", {"api": lambda: None, "caches": lambda: "pods are not listed yet"})
    assert not health.passed
    assert str(health) == "[+]api ok\n[-]caches failed: pods are not listed yet\nreadyz check failed"


def test_ready_answers_200() -> None:
    response = handler_of("readyz", {"api": lambda: None})(GET)
    assert (response.status, response.body) == (HTTPStatus.OK, b"[+]api ok\nreadyz check passed\n")


def test_not_ready_answers_503() -> None:
    response = handler_of("readyz", {"api": lambda: "unreachable"})(GET)
    assert response.status is HTTPStatus.SERVICE_UNAVAILABLE


def test_a_check_that_raises_has_failed_and_keeps_its_secrets() -> None:
    def leaky() -> str | None:
        raise ConnectionError("https://user:password@api")

    assert str(examine("healthz", {"api": leaky, "turn": lambda: None})) == (
        "[-]api failed: the check itself failed with ConnectionError\n[+]turn ok\nhealthz check failed"
    )


def test_only_get_is_answered() -> None:
    response = handler_of("readyz", {})(Request(method="POST", path="/readyz", headers={}))
    assert (response.status, response.headers) == (HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET"})


def test_a_pulse_fails_when_the_last_beat_is_too_old() -> None:
    now = 0.0
    pulse = Pulse(bound=30.0, clock=lambda: now)
    now = 30.0
    assert pulse.check() is None
    now = 42.0
    assert pulse.check() == "the last turn was 42 s ago; more than 30 s are not to be expected"
    pulse.beat()
    assert pulse.check() is None
