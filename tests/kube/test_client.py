"""The client against servers and networks that misbehave; tests/contracts has those that do not."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kube.api import (
    ApiError,
    Conflict,
    Forbidden,
    NotFound,
    ObjectRef,
    Silent,
    TooManyRequests,
    Unauthorized,
    Unreachable,
)
from kube.client import USER_AGENT, ClusterApi, Patience
from kube.connection import connect, from_kubeconfig, with_token
from kube.kinds import NODES, PODS, VIRTUAL_NETWORKS
from tests.kube.scripted_server import HANG_UP, Reply, ScriptedServer, chunked, reply

TOKEN = "very-secret-token"  # noqa: S105  nobody's
NODE = ObjectRef(resource=NODES, name="worker-1")
NETWORK = ObjectRef(resource=VIRTUAL_NETWORKS, name="web", namespace="shop")
HASTY = Patience(connect=2, read=0.3, total=1)


def kubeconfig(folder: Path, server: str, user: str = f"token: {TOKEN}") -> Path:
    path = folder / "kubeconfig"
    path.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
        f"clusters: [{{name: c, cluster: {{server: '{server}'}}}}]\n"
        f"users: [{{name: u, user: {{{user}}}}}]\n"
        "contexts: [{name: c, context: {cluster: c, user: u}}]\n"
    )
    return path


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def api(server: ScriptedServer, tmp_path: Path) -> ClusterApi:
    return ClusterApi.of(connect(kubeconfig(tmp_path, server.url)), HASTY)


def test_a_request_says_who_sends_it(server: ScriptedServer, api: ClusterApi) -> None:
    server.replies.append(reply("200 OK", b"{}"))
    assert api.get(NODE) == b"{}"
    request = server.requests[0]
    assert request.line == "GET /api/v1/nodes/worker-1 HTTP/1.1"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["user-agent"] == USER_AGENT
    assert request.headers["accept"] == "application/json"


def test_each_verb_is_its_request(server: ScriptedServer, api: ClusterApi) -> None:
    server.replies.extend([reply("200 OK", b"{}")] * 8)
    api.list(PODS, namespace="shop", field_selector="spec.nodeName=a", label_selector="a in (b,c)", limit=7)
    api.create(PODS, {"a": 1}, namespace="shop")
    api.create(PODS, {"a": 1}, namespace="shop", name="web-1", subresource="binding")
    api.replace(NETWORK, {"a": 1}, subresource="status")
    api.patch(NETWORK, {"a": None})
    api.apply(NETWORK, {"a": 1}, field_manager="git", force=True, dry_run=True)
    api.delete(NODE)
    api.delete(NODE, uid="u", resource_version="7")
    base = "/apis/atoll.dev/v1alpha1/namespaces/shop/virtualnetworks/web"
    told = [(request.line.removesuffix(" HTTP/1.1"), request.body) for request in server.requests]
    assert told == [
        (
            "GET /api/v1/namespaces/shop/pods?limit=7&fieldSelector=spec.nodeName%3Da"
            "&labelSelector=a+in+%28b%2Cc%29",
            b"",
        ),
        ("POST /api/v1/namespaces/shop/pods", b'{"a":1}'),
        ("POST /api/v1/namespaces/shop/pods/web-1/binding", b'{"a":1}'),
        (f"PUT {base}/status", b'{"a":1}'),
        (f"PATCH {base}", b'{"a":null}'),
        (f"PATCH {base}?fieldManager=git&force=true&dryRun=All", b'{"a":1}'),
        ("DELETE /api/v1/nodes/worker-1", b""),
        ("DELETE /api/v1/nodes/worker-1", b'{"preconditions":{"resourceVersion":"7","uid":"u"}}'),
    ]
    types = [request.headers.get("content-type") for request in server.requests]
    merge, apply = "application/merge-patch+json", "application/apply-patch+yaml"
    plain = "application/json"
    assert types == [None, plain, plain, plain, merge, apply, None, plain]


def test_connections_are_kept(server: ScriptedServer, api: ClusterApi) -> None:
    server.replies.extend([reply("200 OK", b"{}"), reply("404 Not Found", b"{}"), reply("200 OK", b"{}")])
    api.get(NODE)
    with pytest.raises(NotFound):
        api.get(NODE)
    api.get(NODE)
    assert server.connections == 1


def test_a_refusal_names_request_reason_and_message(server: ScriptedServer, api: ClusterApi) -> None:
    server.replies.append(reply("403 Forbidden", b'{"reason":"Forbidden","message":"nodes is forbidden"}'))
    with pytest.raises(Forbidden) as caught:
        api.delete(NODE)
    assert str(caught.value) == "DELETE /api/v1/nodes/worker-1: 403 Forbidden: nodes is forbidden"


def test_the_time_to_wait_is_in_the_error(server: ScriptedServer, api: ClusterApi) -> None:
    server.replies.append(reply("429 Too Many Requests", b"{}", Retry_After="7"))
    with pytest.raises(TooManyRequests) as caught:
        api.get(NODE)
    assert caught.value.retry_after == 7


def test_a_read_is_repeated_once_where_the_connection_was_closed(
    server: ScriptedServer, api: ClusterApi
) -> None:
    server.replies.extend([HANG_UP, reply("200 OK", b'{"a":1}')])
    assert api.get(NODE) == b'{"a":1}'
    server.replies.extend([HANG_UP, HANG_UP])
    with pytest.raises(Unreachable):
        api.get(NODE)
    assert len(server.requests) == 4


WRITES: list[Callable[[ClusterApi], object]] = [
    lambda api: api.create(NODES, {}),
    lambda api: api.replace(NODE, {}),
    lambda api: api.patch(NODE, {}),
    lambda api: api.apply(NODE, {}, field_manager="m", force=False),
    lambda api: api.delete(NODE),
]


@pytest.mark.parametrize("write", WRITES, ids=("create", "replace", "patch", "apply", "delete"))
def test_a_write_is_never_repeated(
    server: ScriptedServer, api: ClusterApi, write: Callable[[ClusterApi], object]
) -> None:
    server.replies.extend([HANG_UP, reply("200 OK", b"{}")])
    with pytest.raises(Unreachable):
        write(api)
    assert len(server.requests) == 1


def test_a_server_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    api = ClusterApi.of(connect(kubeconfig(tmp_path, f"http://127.0.0.1:{port}")), HASTY)
    with pytest.raises(Unreachable) as caught:
        api.get(NODE)
    assert str(caught.value) == "GET /api/v1/nodes/worker-1: Connection refused"
    assert caught.value.status == 0


def test_a_server_that_says_nothing_is_given_up(server: ScriptedServer, api: ClusterApi) -> None:
    server.replies.append(Reply(pieces=(b"",), pause=60))
    began = time.monotonic()
    with pytest.raises(Unreachable, match="timed out"):
        api.replace(NODE, {})
    assert time.monotonic() - began < 10


def test_an_answer_that_trickles_is_given_up(server: ScriptedServer, api: ClusterApi) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    server.replies.append(Reply(pieces=(head, *[b"x"] * 1000), pause=0.1))
    began = time.monotonic()
    with pytest.raises(Unreachable, match="took too long"):
        api.get(NODE)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    "truncated",
    [
        Reply(pieces=(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"a":1}',), then_close=True),
        chunked(b'{"items":[', whole=False),
    ],
)
def test_half_an_answer_is_none(server: ScriptedServer, api: ClusterApi, truncated: Reply) -> None:
    server.replies.append(truncated)
    with pytest.raises(Unreachable):
        api.get(NODE)


def test_what_is_not_http_is_unreachable(server: ScriptedServer, api: ClusterApi) -> None:
    server.replies.extend([Reply(pieces=(b"SSH-2.0-OpenSSH\r\n",), then_close=True)] * 2)
    with pytest.raises(Unreachable):
        api.get(NODE)


def test_a_redirect_is_not_followed(server: ScriptedServer, api: ClusterApi) -> None:
    server.replies.append(reply("302 Found", b"", Location="http://203.0.113.1/"))
    with pytest.raises(ApiError) as caught:
        api.get(NODE)
    assert caught.value.status == 302


def test_no_error_shows_the_token(server: ScriptedServer, api: ClusterApi) -> None:
    answers = [
        reply("403 Forbidden", b'{"message":"no"}'),
        reply("500 Internal Server Error", b"oops"),
        HANG_UP,
        HANG_UP,
        Reply(pieces=(b"",), pause=60),
    ]
    server.replies.extend(answers)
    for _ in range(4):
        with pytest.raises(ApiError) as caught:
            api.get(NODE)
        shown: BaseException | None = caught.value
        while shown:
            assert TOKEN not in f"{shown} {shown!r}"
            shown = shown.__cause__


# Watches


def test_lines_are_cut_wherever_the_chunks_are(server: ScriptedServer, api: ClusterApi) -> None:
    server.replies.append(chunked(b'{"a":1}\n{"b"', b":2}", b'\n\n{"c":3}\n', pause=0.01))
    with api.watch(PODS, resource_version="5") as watch:
        assert list(watch) == [b'{"a":1}', b'{"b":2}', b'{"c":3}']
    query = "watch=true&allowWatchBookmarks=true&resourceVersion=5&timeoutSeconds=300"
    assert server.requests[0].line == f"GET /api/v1/pods?{query} HTTP/1.1"


def test_an_event_arrives_before_the_next_is_there(server: ScriptedServer, api: ClusterApi) -> None:
    server.replies.append(chunked(b"{}\n", b"{}\n", pause=60))
    server.replies[0] = Reply(pieces=server.replies[0].pieces[:2], pause=0.01)
    with api.watch(PODS, resource_version="5") as watch:
        assert next(watch) == b"{}"


def test_a_line_of_megabytes_is_one_line(server: ScriptedServer, api: ClusterApi) -> None:
    line = b'{"a":"' + b"x" * 3_000_000 + b'"}'
    server.replies.append(chunked(line + b"\n"))
    with api.watch(PODS, resource_version="5") as watch:
        assert list(watch) == [line]


def test_a_stream_that_ends_in_mid_event_is_broken(server: ScriptedServer, api: ClusterApi) -> None:
    server.replies.append(chunked(b'{"a":1}\n{"b"'))
    with api.watch(PODS, resource_version="5") as watch:
        assert next(watch) == b'{"a":1}'
        with pytest.raises(Unreachable, match="in the middle of an event"):
            next(watch)


def test_a_stream_that_breaks_off_is_broken(server: ScriptedServer, api: ClusterApi) -> None:
    server.replies.append(chunked(b'{"a":1}\n', whole=False))
    with api.watch(PODS, resource_version="5") as watch:
        assert next(watch) == b'{"a":1}'
        with pytest.raises(Unreachable, match="the stream broke"):
            next(watch)


def test_a_silent_stream_is_told_from_a_broken_one(server: ScriptedServer, api: ClusterApi) -> None:
    server.replies.append(Reply(pieces=(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",), pause=60))
    with (
        api.watch(PODS, resource_version="5", silence_seconds=0.2) as watch,
        pytest.raises(Silent, match=r"^WATCH /api/v1/pods: no byte for 0\.2 s$"),
    ):
        next(watch)


def test_a_refused_watch_is_an_error_before_it_begins(server: ScriptedServer, api: ClusterApi) -> None:
    server.replies.append(reply("410 Gone", b'{"reason":"Expired","message":"too old"}'))
    with pytest.raises(ApiError) as caught:
        api.watch(PODS, resource_version="5")
    assert (caught.value.status, caught.value.reason) == (410, "Expired")


def test_a_closed_watch_ends_though_nothing_arrives(server: ScriptedServer, api: ClusterApi) -> None:
    server.replies.append(Reply(pieces=(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",), pause=60))
    with api.watch(PODS, resource_version="5", silence_seconds=60) as watch:
        threading.Timer(0.1, watch.close).start()
        assert list(watch) == []
    watch.close()


# Identity


def test_a_token_that_has_been_exchanged_is_used_as_it_is_now(server: ScriptedServer, tmp_path: Path) -> None:
    tokens = iter(("first", "second"))
    connection = with_token(connect(kubeconfig(tmp_path, server.url)), lambda: next(tokens))
    api = ClusterApi.of(connection, HASTY)
    server.replies.extend([reply("200 OK", b"{}")] * 2)
    api.get(NODE)
    api.get(NODE)
    given = [request.headers["authorization"] for request in server.requests]
    assert given == ["Bearer first", "Bearer second"]


def test_an_unknown_bearer_reads_the_configuration_again(server: ScriptedServer, tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, server.url)
    connection = from_kubeconfig(str(path))
    kubeconfig(tmp_path, server.url, "token: renewed")
    api = ClusterApi.of(connection, HASTY)
    api.connection.between_reloads = 0
    server.replies.extend([reply("401 Unauthorized", b"{}"), reply("200 OK", b"{}"), reply("200 OK", b"{}")])
    api.patch(NODE, {})
    api.get(NODE)
    given = [request.headers["authorization"] for request in server.requests]
    assert given == [f"Bearer {TOKEN}", "Bearer renewed", "Bearer renewed"]


def test_the_configuration_is_not_read_in_a_frenzy(server: ScriptedServer, api: ClusterApi) -> None:
    server.replies.extend([reply("401 Unauthorized", b"{}")] * 3)
    for _ in range(3):
        with pytest.raises(Unauthorized):
            api.get(NODE)
    assert len(server.requests) == 3


def test_several_threads_share_a_client(server: ScriptedServer, api: ClusterApi) -> None:
    server.replies.extend([reply("200 OK", b"{}")] * 200)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(10):
                api.get(NODE)
        except ApiError as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(server.requests) == 200


def test_a_conflict_of_managers_names_the_fields(server: ScriptedServer, api: ClusterApi) -> None:
    cause = b'{"reason":"FieldManagerConflict","field":".spec.a","message":"conflict with \\"kubectl\\""}'
    body = b'{"reason":"Conflict","message":"m","details":{"causes":[' + cause + b"]}}"
    server.replies.append(reply("409 Conflict", body))
    with pytest.raises(Conflict) as caught:
        api.apply(NETWORK, {}, field_manager="git", force=False)
    assert [cause.field for cause in caught.value.causes] == [".spec.a"]
