"""What webhooks need of the cluster: Secrets read ahead, and an annotation that asks for a look."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import msgspec
import pytest

from controller.cluster.objects import REQUESTED_AT
from controller.cluster.source_spec import GitRef
from controller.cluster.webhooks import Webhooks, watched
from controller.log import MemoryLog
from controller.serving.webhook import Push, RefKind, WatchedRef
from kube.api import Json, ObjectRef
from kube.fake import FakeApi
from kube.kinds import NAMESPACES, NETWORK_SOURCES, SECRETS

NAMESPACE = "atoll-system"
SOURCE = ObjectRef(resource=NETWORK_SOURCES, name="networks", namespace=NAMESPACE)
SECRET = ObjectRef(resource=SECRETS, name="hook", namespace=NAMESPACE)
PUSH = Push(ref="refs/heads/main", commit="c" * 40)
WITH_HOOK: dict[str, object] = {
    "url": "https://git.example.com/a.git",
    "webhook": {"secretRef": {"name": "hook"}},
}


@pytest.fixture
def api() -> FakeApi:
    api = FakeApi()
    api.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
    return api


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def hooks(api: FakeApi, log: MemoryLog) -> Iterator[Webhooks]:
    webhooks = Webhooks(
        api=api,
        namespace=NAMESPACE,
        log=log,
        clock=lambda: datetime(2026, 1, 2, 12, 0, tzinfo=UTC),
        renewal=0.05,
    )
    webhooks.start()
    yield webhooks
    webhooks.stop()


def put_source(api: FakeApi, spec: Json) -> None:
    body = {
        "apiVersion": NETWORK_SOURCES.api_version,
        "kind": NETWORK_SOURCES.kind,
        "metadata": {"name": SOURCE.name, "namespace": NAMESPACE},
        "spec": spec,
    }
    api.apply(SOURCE, body, field_manager="platform", force=True)


def put_secret(api: FakeApi, **data: bytes) -> None:
    coded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET.name, "namespace": NAMESPACE},
        "data": coded,
    }
    api.apply(SECRET, body, field_manager="platform", force=True)


def until(true: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(1000):
        if true():
            return
        pause.wait(0.01)
    raise AssertionError("it did not come to that")


def secret(hooks: Webhooks) -> bytes | None:
    return hooks.secret_of(NAMESPACE, SOURCE.name)


def test_a_secret_is_read_ahead(api: FakeApi, hooks: Webhooks) -> None:
    put_secret(api, token=b"hush")
    put_source(api, WITH_HOOK)
    until(lambda: secret(hooks) == b"hush")
    assert hooks.watched_of(NAMESPACE, SOURCE.name) == WatchedRef(kind=RefKind.BRANCH, name="main")


def test_a_rotated_secret_replaces_the_one_before(api: FakeApi, hooks: Webhooks) -> None:
    put_secret(api, token=b"old")
    put_source(api, WITH_HOOK)
    until(lambda: secret(hooks) == b"old")
    put_secret(api, token=b"new")
    until(lambda: secret(hooks) == b"new")


def test_a_secret_that_is_gone_opens_nothing(api: FakeApi, hooks: Webhooks, log: MemoryLog) -> None:
    put_secret(api, token=b"hush")
    put_source(api, WITH_HOOK)
    until(lambda: secret(hooks) == b"hush")
    api.delete(SECRET)
    until(lambda: secret(hooks) is None)
    until(lambda: any(event == "webhook-secret-unreadable" for event, _ in log.events))


def test_a_webhook_that_is_taken_away_opens_nothing(api: FakeApi, hooks: Webhooks) -> None:
    put_secret(api, token=b"hush")
    put_source(api, WITH_HOOK)
    until(lambda: secret(hooks) == b"hush")
    put_source(api, {"url": WITH_HOOK["url"]})
    until(lambda: secret(hooks) is None)
    assert hooks.watched_of(NAMESPACE, SOURCE.name)


def test_a_deleted_source_opens_nothing(api: FakeApi, hooks: Webhooks) -> None:
    put_secret(api, token=b"hush")
    put_source(api, WITH_HOOK)
    until(lambda: secret(hooks) == b"hush")
    api.delete(SOURCE)
    until(lambda: secret(hooks) is None)
    assert hooks.watched_of(NAMESPACE, SOURCE.name) is None


def test_a_source_that_cannot_be_understood_any_more_keeps_what_it_said(
    api: FakeApi, hooks: Webhooks
) -> None:
    put_secret(api, token=b"hush")
    put_source(api, WITH_HOOK)
    until(lambda: secret(hooks) == b"hush")
    api.patch(SOURCE, {"spec": {"suspend": "perhaps"}})
    _rounds(api)
    assert secret(hooks) == b"hush"


def test_while_the_server_is_away_the_secret_stays(api: FakeApi, hooks: Webhooks) -> None:
    put_secret(api, token=b"hush")
    put_source(api, WITH_HOOK)
    until(lambda: secret(hooks) == b"hush")
    api.outage = True
    _rounds(api)
    assert secret(hooks) == b"hush"


@pytest.mark.parametrize("data", [{}, {"token": b""}, {"password": b"hush"}])
def test_a_secret_without_a_token_is_told_once(
    api: FakeApi, hooks: Webhooks, log: MemoryLog, data: dict[str, bytes]
) -> None:
    put_secret(api, **data)
    put_source(api, WITH_HOOK)
    until(lambda: bool(log.events))
    _rounds(api)
    assert [facts["error"] for _, facts in log.events] == ["Secret hook holds no token"]
    assert secret(hooks) is None


def test_statuses_cost_no_reading_of_secrets(api: FakeApi, log: MemoryLog) -> None:
    patient = Webhooks(api=api, namespace=NAMESPACE, log=log, renewal=600.0)
    put_secret(api, token=b"hush")
    put_source(api, WITH_HOOK)
    patient.start()
    until(lambda: secret(patient) == b"hush")
    for number in range(5):
        api.patch(SOURCE, {"status": {"generation": number}}, subresource="status")
    api.patch(SOURCE, {"spec": {"ref": {"branch": "next"}}})
    until(lambda: patient.watched_of(NAMESPACE, SOURCE.name) == WatchedRef(kind=RefKind.BRANCH, name="next"))
    patient.stop()
    assert sum("secrets" in request and request.startswith("GET") for request in api.requests) == 1


def test_a_push_asks_by_an_annotation(api: FakeApi, hooks: Webhooks) -> None:
    put_source(api, WITH_HOOK)
    hooks.pushed(NAMESPACE, SOURCE.name, PUSH)
    annotations = msgspec.json.decode(api.get(SOURCE))["metadata"]["annotations"]
    assert annotations == {REQUESTED_AT: "2026-01-02T12:00:00.000000+00:00"}


def test_a_push_that_cannot_be_passed_on_is_logged(api: FakeApi, hooks: Webhooks, log: MemoryLog) -> None:
    api.outage = True
    hooks.pushed(NAMESPACE, SOURCE.name, PUSH)
    assert [event for event, _ in log.events] == ["push-not-passed-on"]


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        (GitRef(branch="main"), WatchedRef(kind=RefKind.BRANCH, name="main")),
        (GitRef(), WatchedRef(kind=RefKind.BRANCH, name="main")),
        (GitRef(tag="v1"), WatchedRef(kind=RefKind.TAG, name="v1")),
        (GitRef(commit="c" * 40), WatchedRef(kind=RefKind.COMMIT, name="c" * 40)),
    ],
)
def test_what_a_source_watches(ref: GitRef, expected: WatchedRef) -> None:
    assert watched(ref) == expected


def _rounds(api: FakeApi) -> None:
    """Let the Secret be asked for a few times more."""
    before = sum("secrets" in request for request in api.requests)
    until(lambda: sum("secrets" in request for request in api.requests) > before + 3)
