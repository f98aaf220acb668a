"""The socket, for real; kernel and nftables simulated."""

from __future__ import annotations

import json
import os
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from agent.server import MAX_CONNECTIONS, MAX_REQUEST, Server
from tests.agent.node import FakeNode, plan_with_pods

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root may ask the agent: run the tests as root")
pytestmark = ROOT_ONLY


@pytest.fixture
def node(tmp_path: Path) -> FakeNode:
    node = FakeNode(tmp_path)
    node.apply(plan_with_pods())
    return node


@pytest.fixture
def server(node: FakeNode, tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "run" / "agent.sock"
    with Server(path, node.attachments) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield path
        server.shutdown()
        thread.join()


def _add(container: str) -> dict[str, object]:
    return {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": container,
        "CNI_NETNS": f"/run/netns/{container}",
        "CNI_IFNAME": "eth0",
        "CNI_ARGS": "K8S_POD_NAMESPACE=team-a;K8S_POD_NAME=web-0",
        "config": {"cniVersion": "1.0.0"},
    }


def _connect(path: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(20)
    client.connect(str(path))
    return client


def _ask(path: Path, *requests: object) -> list[dict[str, object]]:
    """Answers to several requests on one connection."""
    with _connect(path) as client, client.makefile("rwb") as stream:
        answers = []
        for request in requests:
            line = request if isinstance(request, bytes) else json.dumps(request).encode()
            stream.write(line + b"\n")
            stream.flush()
            answers.append(json.loads(stream.readline()))
        return answers


def test_a_pod_is_attached_by_one_line_and_answered_by_one(server: Path, node: FakeNode) -> None:
    (answer,) = _ask(server, _add("c1"))
    assert answer["ips"] == [
        {"address": "10.1.0.1/32", "gateway": "169.254.1.1", "interface": 1},
        {"address": "fd01::/128", "gateway": "fe80::1", "interface": 1},
    ]
    assert answer["cniVersion"] == "1.0.0"
    assert set(node.kernel.pods) == {("/run/netns/c1", "eth0")}


def test_several_requests_may_share_a_connection_and_one_bad_one_spoils_nothing(server: Path) -> None:
    answers = _ask(server, _add("c1"), b"elephant", {**_add("c1"), "CNI_COMMAND": "DEL"})
    assert answers[1]["code"] == 6
    assert answers[2] == {}


def test_requests_at_once_are_all_answered_with_addresses_of_their_own(server: Path) -> None:
    answers: list[dict[str, object]] = []
    threads = [
        threading.Thread(target=lambda n=n: answers.extend(_ask(server, _add(f"c{n}")))) for n in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len({json.dumps(answer["ips"]) for answer in answers}) == 12


def test_a_request_without_an_end_is_refused_and_not_kept(server: Path) -> None:
    with _connect(server) as client, client.makefile("rwb") as stream:
        stream.write(b"x" * (MAX_REQUEST + 1))
        stream.flush()
        answer = json.loads(stream.readline())
    assert answer == {"cniVersion": "1.1.0", "code": 6, "msg": "the request is longer than 4194304 bytes"}


def test_who_comes_when_all_connections_are_taken_always_hears_it(server: Path) -> None:
    status = json.dumps({"CNI_COMMAND": "STATUS", "config": {"cniVersion": "1.1.0"}}).encode() + b"\n"
    with ExitStack() as taken:
        for _ in range(MAX_CONNECTIONS):
            client = taken.enter_context(_connect(server))
            client.sendall(status)
            assert client.recv(100) == b"{}\n"
        answers = [_ask(server, _add(f"c{n}")) for n in range(20)]
    assert answers == [[{"cniVersion": "1.1.0", "code": 11, "msg": "too many requests at once"}]] * 20


def test_a_client_that_hangs_up_leaves_the_server_serving(server: Path) -> None:
    _connect(server).close()
    with _connect(server) as client:
        client.sendall(b'{"CNI_COMMAND":')
    assert _ask(server, {"CNI_COMMAND": "STATUS", "config": {"cniVersion": "1.1.0"}}) == [{}]


def test_only_root_reaches_the_socket(server: Path) -> None:
    assert stat.S_IMODE(server.stat().st_mode) == 0o600


def test_a_client_that_is_not_root_is_not_heard(server: Path) -> None:
    server.chmod(0o666)
    for folder in server.parents:
        if folder == Path("/tmp"):  # noqa: S108  # pytest's own folders are below, and root's alone
            break
        if folder.stat().st_uid == 0 and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    child = os.fork()
    if child == 0:
        os.setuid(65534)
        try:
            with _connect(server) as client:
                client.sendall(b"{}\n")
                os._exit(0 if client.recv(100) == b"" else 1)
        except (BrokenPipeError, ConnectionResetError):
            os._exit(0)
        except BaseException:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_the_socket_file_of_a_former_agent_is_replaced(node: FakeNode, tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    Server(path, node.attachments).server_close()
    assert path.exists()
    with Server(path, node.attachments):
        assert path.exists()
