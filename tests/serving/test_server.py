"""The listener on real sockets, against clients that mean well and clients that do not."""

from __future__ import annotations

import http.client
import logging
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

import pytest

from serving.message import Request, Response, application_of, text
from serving.server import Address, CannotListen, HttpServer, Limits, parse_address

LIMITS = Limits(body=1000, connections=8, threads=2, seconds=30.0)
LOCAL = Address(host="127.0.0.1", port=0)
PATIENCE = 20.0


def _echo(request: Request) -> Response:
    return text(HTTPStatus.OK, f"{request.method} {request.path} {len(request.body)}")


@contextmanager
def _server(limits: Limits = LIMITS, address: Address = LOCAL) -> Iterator[int]:
    with HttpServer(address, application_of(_echo), limits) as server:
        yield server.port


@contextmanager
def _client(port: int, host: str = "127.0.0.1") -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
    try:
        yield connection
    finally:
        connection.close()


def _ask(
    port: int, method: str = "GET", body: bytes | None = None, host: str = "127.0.0.1"
) -> tuple[int, bytes]:
    with _client(port, host) as connection:
        connection.request(method, "/a", body=body)
        response = connection.getresponse()
        return response.status, response.read()


def _to_the_end(connection: socket.socket) -> bytes:
    content = b""
    while chunk := connection.recv(65536):
        content += chunk
    return content


def test_it_answers_on_a_port_of_the_kernels_choice() -> None:
    with _server() as port:
        assert _ask(port) == (200, b"GET /a 0\n")


def test_without_a_host_it_answers_ipv4_and_ipv6() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6: enable it to test listening on both families")
    with _server(address=Address(host="", port=0)) as port:
        assert _ask(port, host="127.0.0.1")[0] == 200
        assert _ask(port, host="::1")[0] == 200


def test_with_an_ipv6_address_it_answers_there() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6: enable it to test listening on ::1")
    with _server(address=Address(host="::1", port=0)) as port:
        assert _ask(port, host="::1")[0] == 200


def test_a_body_of_the_limit_is_read() -> None:
    with _server() as port:
        assert _ask(port, "POST", b"x" * 1000) == (200, b"POST /a 1000\n")


def test_a_body_announced_as_larger_is_refused_without_being_read() -> None:
    with _server() as port, socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        client.sendall(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n")
        assert _to_the_end(client).startswith(b"HTTP/1.1 413 ")


def test_a_body_in_chunks_is_refused_when_it_grows_larger() -> None:
    with _server() as port, socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        client.sendall(b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.sendall(b"3e9\r\n" + b"x" * 1001)
        assert _to_the_end(client).startswith(b"HTTP/1.1 413 ")


def test_headers_without_end_are_refused() -> None:
    with _server() as port, socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        client.sendall(b"GET /a HTTP/1.1\r\nX: ".ljust(16 << 10, b"x"))
        assert _to_the_end(client).startswith(b"HTTP/1.0 431 ")


@pytest.mark.parametrize("request_line", [b"GET /a HTTP/1.1", b"GET /a HTTP/1.0\r\nConnection: keep-alive"])
def test_a_connection_serves_one_request(request_line: bytes) -> None:
    with _server() as port, socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        client.sendall(request_line + b"\r\nHost: a\r\n\r\n")
        answer = _to_the_end(client)
        assert answer.endswith(b"GET /a 0\n")
        assert b"Connection: close" in answer


def test_it_does_not_say_what_it_is() -> None:
    with _server() as port, _client(port) as connection:
        connection.request("GET", "/a")
        assert connection.getresponse().getheader("Server") is None


def test_a_client_that_trickles_is_cut_off() -> None:
    limits = Limits(body=1000, connections=8, threads=2, seconds=0.5)
    with _server(limits) as port, socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        client.sendall(b"GET /a HTTP/1.1\r\nX: ")
        try:
            for _ in range(int(PATIENCE / 0.05)):
                client.sendall(b"x")
                if select.select([client], [], [], 0.05)[0] and client.recv(1) == b"":
                    return
        except ConnectionError:
            return
    pytest.fail(f"one byte every 50 ms kept the connection open for {PATIENCE} s")


def test_a_client_that_says_nothing_is_cut_off() -> None:
    limits = Limits(body=1000, connections=8, threads=2, seconds=0.5)
    with _server(limits) as port, socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        assert client.recv(1) == b""


def test_connections_above_the_limit_wait_for_one_to_end() -> None:
    limits = Limits(body=1000, connections=2, threads=2, seconds=PATIENCE)
    with _server(limits) as port:
        silent = [socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) for _ in range(2)]
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as third:
            third.sendall(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
            assert select.select([third], [], [], 0.3)[0] == []
            silent[0].close()
            assert _to_the_end(third).startswith(b"HTTP/1.1 200 ")
        silent[1].close()


def test_stopping_lets_a_request_under_way_be_answered() -> None:
    entered, leave = threading.Event(), threading.Event()

    def slow(request: Request) -> Response:
        entered.set()
        leave.wait(PATIENCE)
        return _echo(request)

    server = HttpServer(LOCAL, application_of(slow), LIMITS)
    server.start()
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as client:
        client.sendall(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
        assert entered.wait(PATIENCE)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        leave.set()
        assert _to_the_end(client).endswith(b"GET /a 0\n")
        stopping.join(PATIENCE)
        assert not stopping.is_alive()


def test_after_stopping_nobody_listens_and_no_thread_is_left() -> None:
    before = set(threading.enumerate())
    with _server() as port:
        _ask(port)
    assert set(threading.enumerate()) <= before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)


def test_a_listener_that_never_started_can_be_stopped() -> None:
    server = HttpServer(LOCAL, application_of(_echo), LIMITS)
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)


def test_an_address_in_use_is_named_with_the_remedy() -> None:
    with _server() as port, pytest.raises(CannotListen) as caught:
        HttpServer(Address(host="127.0.0.1", port=port), application_of(_echo), LIMITS)
    assert str(caught.value) == (
        f"cannot listen on 127.0.0.1:{port}: Address already in use."
        " End the program that listens there, or choose another address."
    )


def test_an_address_of_another_machine_is_named() -> None:
    with pytest.raises(
        CannotListen, match=r"cannot listen on 192\.0\.2\.1:1: Cannot assign requested address"
    ):
        HttpServer(Address(host="192.0.2.1", port=1), application_of(_echo), LIMITS)


def test_a_defect_is_answered_without_telling_what_it_was(caplog: pytest.LogCaptureFixture) -> None:
    def defect(request: Request) -> Response:
        raise ValueError("the secret is 1234")

    with (
        HttpServer(LOCAL, application_of(defect), LIMITS) as server,
        caplog.at_level(logging.CRITICAL, "waitress"),
    ):
        status, body = _ask(server.port)
    assert status == 500
    assert b"1234" not in body


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":8080", Address(host="", port=8080)),
        ("127.0.0.1:0", Address(host="127.0.0.1", port=0)),
        ("[::1]:8080", Address(host="::1", port=8080)),
        ("localhost:8080", Address(host="localhost", port=8080)),
    ],
)
def test_addresses_read_as_they_print(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize("text", ["", "8080", "::1:8080", "host:", ":99999", "a@b:1", "a:1/b", "http://a:1"])
def test_what_is_no_address_is_refused_with_the_remedy(text: str) -> None:
    with pytest.raises(
        ValueError, match=r"is not an address to listen on. Write it as :8080 or \[::1\]:8080."
    ):
        parse_address(text)
