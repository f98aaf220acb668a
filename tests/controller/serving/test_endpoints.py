"""The controller's addresses over real HTTP: what is found where."""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager

import pytest

from controller.log import MemoryLog
from controller.serving.endpoints import Addresses, Ports, serving
from controller.serving.metrics import ControllerMetrics
from controller.serving.receiver import Hooks, Receiver
from controller.serving.webhook import RefKind, WatchedRef
from serving.server import Address
from tests.controller.serving.senders import SECRET, github, push

LOCAL = Address(host="127.0.0.1", port=0)
ALSO_LOCAL = Address(host="localhost", port=0)


@contextmanager
def _serving(addresses: Addresses) -> Iterator[Ports]:
    metrics = ControllerMetrics(version="1.2.3")
    hooks = Hooks(
        secret_of=lambda namespace, name: SECRET,
        watched_of=lambda namespace, name: WatchedRef(kind=RefKind.BRANCH, name="main"),
        on_push=lambda namespace, name, push: None,
    )
    with serving(
        addresses,
        metrics=metrics,
        alive={"turn": lambda: None},
        ready={"caches": lambda: "pods are not listed yet"},
        hooks=Receiver(hooks=hooks, metrics=metrics, log=MemoryLog()),
    ) as ports:
        yield ports


def _ask(
    port: int | None,
    path: str,
    method: str = "GET",
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> tuple[int, bytes]:
    assert port is not None
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    with closing(connection):
        connection.request(method, path, body=body or None, headers=dict(headers or {}))
        response = connection.getresponse()
        return response.status, response.read()


def test_metrics_and_health_on_one_address_webhooks_on_the_other() -> None:
    with _serving(Addresses(metrics=LOCAL, webhooks=ALSO_LOCAL)) as ports:
        assert ports.metrics != ports.webhooks
        status, text = _ask(ports.metrics, "/metrics")
        assert status == 200
        assert b'atoll_build_info{version="1.2.3"} 1.0' in text
        assert _ask(ports.metrics, "/healthz") == (200, b"[+]turn ok\nhealthz check passed\n")
        assert _ask(ports.metrics, "/readyz?verbose") == (
            503,
            b"[-]caches failed: pods are not listed yet\nreadyz check failed\n",
        )
        assert _ask(ports.metrics, "/hook/a/b", "POST", push(), github(push()))[0] == 404
        assert _ask(ports.webhooks, "/hook/a/b", "POST", push(), github(push()))[0] == 202
        assert _ask(ports.webhooks, "/metrics")[0] == 404


def test_everything_on_one_address() -> None:
    with _serving(Addresses(metrics=LOCAL, webhooks=LOCAL)) as ports:
        assert ports.metrics == ports.webhooks
        assert _ask(ports.metrics, "/healthz")[0] == 200
        assert _ask(ports.metrics, "/hook/a/b", "POST", push(), github(push()))[0] == 202


def test_no_address_is_no_listener() -> None:
    with _serving(Addresses(metrics=None, webhooks=None)) as ports:
        assert ports == Ports(metrics=None, webhooks=None)


def test_a_webhook_is_counted_where_prometheus_looks() -> None:
    with _serving(Addresses(metrics=LOCAL, webhooks=ALSO_LOCAL)) as ports:
        _ask(ports.webhooks, "/hook/a/b", "POST", push(), github(b"forged"))
        assert (
            b'atoll_webhook_requests_total{outcome="refused",provider="github"} 1.0'
            in _ask(ports.metrics, "/metrics")[1]
        )


@pytest.mark.parametrize("size", [4 << 20, (4 << 20) + 1])
def test_a_push_may_have_four_mebibytes(size: int) -> None:
    body = push() + b" " * (size - len(push()))
    headers = github(body)
    with _serving(Addresses(metrics=None, webhooks=LOCAL)) as ports:
        try:
            status = _ask(ports.webhooks, "/hook/a/b", "POST", body, headers)[0]
        except ConnectionError:
            status = 413  # refused and closed while the body was still being sent
        assert status == (202 if size == 4 << 20 else 413)
