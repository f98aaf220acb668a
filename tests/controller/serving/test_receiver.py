"""The receiver between HTTP and the controller, without a socket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus

import pytest

from controller.log import MemoryLog
from controller.serving.metrics import ControllerMetrics
from controller.serving.receiver import Hooks, Receiver
from controller.serving.webhook import Push, RefKind, WatchedRef
from serving.message import Request
from tests.controller.serving.senders import COMMIT, SECRET, generic, github, post, push

MAIN = WatchedRef(kind=RefKind.BRANCH, name="main")


@dataclass
class Bench:
    now: float = 100.0
    watched: WatchedRef | None = MAIN
    pushes: list[tuple[str, str, Push]] = field(default_factory=list)
    log: MemoryLog = field(default_factory=MemoryLog)
    metrics: ControllerMetrics = field(default_factory=lambda: ControllerMetrics(version="1"))
    alarms: list[Callable[[], None]] = field(default_factory=list)

    def receiver(self) -> Receiver:
        secrets = {("atoll-system", "networks"): SECRET}
        hooks = Hooks(
            secret_of=lambda namespace, name: secrets.get((namespace, name)),
            watched_of=lambda namespace, name: self.watched,
            on_push=lambda namespace, name, push: self.pushes.append((namespace, name, push)),
        )
        return Receiver(
            hooks=hooks,
            metrics=self.metrics,
            log=self.log,
            clock=lambda: self.now,
            later=self._later,
        )

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        if seconds:
            self.alarms.append(call)
        else:
            call()

    def counted(self, provider: str, outcome: str) -> float | None:
        return self.metrics.registry.get_sample_value(
            "atoll_webhook_requests_total", {"provider": provider, "outcome": outcome}
        )


def test_a_push_is_accepted_and_handed_on() -> None:
    bench = Bench()
    response = bench.receiver().handle(post(github(push()), push()))
    assert (response.status, response.body) == (HTTPStatus.ACCEPTED, b'{"status":"accepted"}\n')
    assert bench.pushes == [("atoll-system", "networks", Push(ref="main", commit=COMMIT))]
    assert bench.counted("github", "accepted") == 1
    assert bench.log.events == [
        ("push", {"source": "atoll-system/networks", "ref": "main", "commit": COMMIT})
    ]


def test_a_push_elsewhere_is_answered_and_not_handed_on() -> None:
    bench = Bench()
    body = push("refs/heads/other")
    response = bench.receiver().handle(post(github(body), body))
    assert response.status is HTTPStatus.OK
    assert response.body == (
        b'{"status":"ignored","reason":"the push is to another branch or tag than the one watched"}\n'
    )
    assert bench.pushes == []
    assert bench.counted("github", "ignored") == 1


def test_a_thousand_pushes_in_one_second_are_two_looks() -> None:
    bench = Bench()
    receiver = bench.receiver()
    answers = {receiver.handle(post(generic(b"now"), b"now")).status for _ in range(1000)}
    for call in bench.alarms:
        call()
    assert answers == {HTTPStatus.ACCEPTED}
    assert len(bench.pushes) == 2
    assert bench.counted("generic", "accepted") == 1000


def test_a_wrong_signature_and_an_unknown_source_are_answered_alike() -> None:
    receiver = Bench().receiver()
    wrong = receiver.handle(post(github(b"other"), push()))
    unknown = receiver.handle(post(github(push()), push(), "/hook/atoll-system/nobody"))
    assert wrong == unknown
    assert wrong.status is HTTPStatus.FORBIDDEN


def test_a_source_that_has_just_gone_is_refused_as_if_it_had_never_been() -> None:
    receiver = Bench(watched=None).receiver()
    assert receiver.handle(post(github(push()), push())).status is HTTPStatus.FORBIDDEN


def test_a_flood_of_refusals_is_one_line_of_log_a_second() -> None:
    bench = Bench()
    receiver = bench.receiver()
    for _ in range(500):
        receiver.handle(post(generic(b"guess"), push()))
    bench.now += 1.0
    receiver.handle(post(generic(b"guess"), push(), "/hook/atoll-system/nobody"))
    assert [facts["refusals"] for _, facts in bench.log.events] == [1, 500]
    assert bench.log.events[1] == (
        "push-refused",
        {
            "source": "atoll-system/nobody",
            "has_secret": False,
            "provider": "generic",
            "reason": "no such source, or the signature is not made with its secret",
            "refusals": 500,
        },
    )
    assert bench.counted("generic", "refused") == 501


def test_secrets_are_in_no_line_of_log_and_in_no_answer() -> None:
    bench = Bench()
    receiver = bench.receiver()
    requests = [
        post({"x-gitlab-token": SECRET.decode(), "x-gitlab-event": "Push Hook"}, push()),
        post({"x-gitlab-token": "a" + SECRET.decode(), "x-gitlab-event": "Push Hook"}, push()),
        post({"x-gitlab-token": SECRET.decode(), "x-gitlab-event": "Push Hook"}, b"{}"),
    ]
    for request in requests:
        assert SECRET not in receiver.handle(request).body
    assert SECRET.decode() not in str(bench.log.events)


@pytest.mark.parametrize(
    "path",
    ["/hook/", "/hook/a", "/hook/a/", "/hook/a/b/c", "/hook/A/b", "/hook/a/../b", "/hook//b", "/hook/a/b\n"],
)
def test_a_path_that_names_no_source_is_not_found(path: str) -> None:
    assert Bench().receiver().handle(post(github(push()), push(), path)).status is HTTPStatus.NOT_FOUND


def test_only_post_is_taken() -> None:
    request = Request(method="GET", path="/hook/atoll-system/networks", headers={})
    assert Bench().receiver().handle(request).status is HTTPStatus.METHOD_NOT_ALLOWED
