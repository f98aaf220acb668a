from __future__ import annotations

import json

import pytest

from agent import cni
from agent.cni import CniError, Command, Pod, parse
from agent.lease import LeaseKey
from compiler.names import ObjectName

ADD: dict[str, object] = {
    "CNI_COMMAND": "ADD",
    "CNI_CONTAINERID": "c0ffee",
    "CNI_NETNS": "/var/run/netns/cni-1",
    "CNI_IFNAME": "eth0",
    "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAMESPACE=team-a;K8S_POD_NAME=web-0;K8S_POD_UID=8a1f-22",
    "CNI_PATH": "/opt/cni/bin",
    "config": {"cniVersion": "1.1.0", "name": "cluster", "type": "atoll"},
}


def collection(*attachments: object) -> dict[str, object]:
    return {"cniVersion": "1.1.0", "cni.dev/valid-attachments": attachments}


def _parsed(**changes: object) -> cni.Request:
    return parse(json.dumps({**ADD, **changes}).encode())


def _refused(**changes: object) -> str:
    with pytest.raises(CniError) as caught:
        _parsed(**changes)
    return f"{caught.value.code}: {caught.value.message}"


def test_a_request_to_add_a_pod() -> None:
    assert _parsed() == cni.Request(
        command=Command.ADD,
        version="1.1.0",
        key=LeaseKey(container="c0ffee", interface="eth0"),
        netns="/var/run/netns/cni-1",
        pod=Pod(name=ObjectName(namespace="team-a", name="web-0"), uid="8a1f-22"),
        valid=(),
    )


@pytest.mark.parametrize(
    ("arguments", "namespace"),
    [
        ("IgnoreUnknown=1;K8S_POD_NAME=web-0", "shop"),
        ("IgnoreUnknown=1;K8S_POD_NAMESPACE=team-a;K8S_POD_NAME=web-0", "team-a"),
    ],
)
def test_the_configuration_names_the_namespace_where_the_runtime_does_not(
    arguments: str, namespace: str
) -> None:
    request = _parsed(CNI_ARGS=arguments, config={"cniVersion": "1.0.0", "podNamespace": "shop"})
    assert request.pod == Pod(name=ObjectName(namespace=namespace, name="web-0"), uid="")


@pytest.mark.parametrize("name", ["_net.1", "a@b", "...", "fifteen-letters"])
def test_an_interface_may_have_any_name_that_cni_allows(name: str) -> None:
    assert _parsed(CNI_IFNAME=name).key == LeaseKey(container="c0ffee", interface=name)


@pytest.mark.parametrize("arguments", ["", "IgnoreUnknown=1;TENANT=a=b"])
def test_a_container_whose_runtime_names_no_pod_is_none(arguments: str) -> None:
    assert _parsed(CNI_ARGS=arguments).pod is None


@pytest.mark.parametrize("netns", ["", None, "gone", "/run/netns/a b"])
def test_a_request_to_delete_may_come_without_a_namespace_and_a_pod(netns: str | None) -> None:
    request = _parsed(CNI_COMMAND="DEL", CNI_NETNS=netns, CNI_ARGS="")
    assert (request.command, request.netns, request.pod) == (Command.DEL, "", None)


def test_a_request_to_collect_names_what_still_exists() -> None:
    config = collection({"containerID": "c0ffee", "ifname": "eth0"})
    request = parse(json.dumps({"CNI_COMMAND": "GC", "config": config}).encode())
    assert request.valid == (LeaseKey(container="c0ffee", interface="eth0"),)


def test_a_request_for_the_status_needs_nothing_else() -> None:
    request = parse(b'{"CNI_COMMAND": "STATUS", "config": {"cniVersion": "1.1.0"}}')
    assert (request.command, request.key) == (Command.STATUS, None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"CNI_COMMAND": "ERASE"}, "4: CNI_COMMAND: 'ERASE' is not one of ADD, DEL, CHECK, GC, STATUS"),
        ({"CNI_COMMAND": ["ADD"]}, "4: CNI_COMMAND: \"['ADD']\" is not one of ADD, DEL, CHECK, GC, STATUS"),
        ({"CNI_CONTAINERID": None}, "4: CNI_CONTAINERID: missing"),
        ({"CNI_CONTAINERID": "../x"}, "4: CNI_CONTAINERID: '../x' is not valid"),
        ({"CNI_CONTAINERID": 7}, "4: CNI_CONTAINERID: '7' is not valid"),
        ({"CNI_IFNAME": "averylonginterface"}, "4: CNI_IFNAME: 'averylonginterface' is not valid"),
        ({"CNI_IFNAME": "eth0\n"}, "4: CNI_IFNAME: 'eth0\\n' is not valid"),
        ({"CNI_IFNAME": "eth/0"}, "4: CNI_IFNAME: 'eth/0' is not valid"),
        ({"CNI_IFNAME": "eth0:1"}, "4: CNI_IFNAME: 'eth0:1' is not valid"),
        ({"CNI_IFNAME": "eth%d"}, "4: CNI_IFNAME: 'eth%d' is not valid"),
        ({"CNI_IFNAME": ".."}, "4: CNI_IFNAME: '..' is not valid"),
        ({"CNI_NETNS": ""}, "4: CNI_NETNS: '' is not valid"),
        ({"CNI_NETNS": "run/netns/x"}, "4: CNI_NETNS: 'run/netns/x' is not valid"),
        ({"CNI_NETNS": "/run/../etc"}, "4: CNI_NETNS: '/run/../etc' is not valid"),
        ({"CNI_ARGS": None}, "4: CNI_ARGS: missing; the kubelet's runtime names the pod there"),
        ({"CNI_ARGS": "K8S_POD_NAME=web-0"}, "4: K8S_POD_NAMESPACE: missing"),
        (
            {"CNI_ARGS": "K8S_POD_NAMESPACE=team-a;K8S_POD_NAME=Web_0"},
            "4: K8S_POD_NAME: 'Web_0' is not valid",
        ),
        (
            {
                "CNI_ARGS": "K8S_POD_NAME=web-0",
                "config": {"cniVersion": "1.1.0", "podNamespace": "team_a"},
            },
            "4: podNamespace: 'team_a' is not valid",
        ),
        ({"config": None}, "7: config: it must be the network configuration, an object"),
        ({"config": {"cniVersion": "0.2.0"}}, "1: cniVersion '0.2.0': supported are 1.0.0, 1.1.0"),
        ({"config": {"cniVersion": ["1.1.0"]}}, "1: cniVersion ['1.1.0']: supported are 1.0.0, 1.1.0"),
        (
            {"CNI_COMMAND": "GC"},
            "7: cni.dev/valid-attachments: it must be a list of attachments",
        ),
        (
            {"CNI_COMMAND": "GC", "config": collection({"containerID": "c1"})},
            "7: cni.dev/valid-attachments: ifname: missing",
        ),
    ],
)
def test_a_request_that_is_not_valid_is_refused_by_the_name_of_its_part(
    changes: dict[str, object], message: str
) -> None:
    assert _refused(**changes) == message


@pytest.mark.parametrize("content", [b"", b"\xff", b"elephant", b"[" * 100_000])
def test_what_is_not_json_is_refused(content: bytes) -> None:
    with pytest.raises(CniError, match="the request is not JSON") as caught:
        parse(content)
    assert caught.value.code == 6


def test_json_that_is_not_an_object_is_refused() -> None:
    with pytest.raises(CniError, match="the request is not a JSON object"):
        parse(b"[]")


def test_an_error_carries_the_version_of_the_request_and_its_details() -> None:
    assert cni.failure("1.0.0", CniError(11, "come again", "later")) == {
        "cniVersion": "1.0.0",
        "code": 11,
        "msg": "come again",
        "details": "later",
    }


def test_the_plugins_reason_to_refuse_comes_with_an_add() -> None:
    asked = parse(
        json.dumps({**ADD, "refusal": {"code": 2, "msg": "hostPort", "details": "Use a Service"}}).encode()
    )
    assert asked.refusal is not None
    assert (asked.refusal.code, asked.refusal.message, asked.refusal.details) == (
        2,
        "hostPort",
        "Use a Service",
    )
    assert parse(json.dumps(ADD).encode()).refusal is None


@pytest.mark.parametrize(
    "refusal", ["no", {}, {"code": "2", "msg": "x"}, {"code": 2, "msg": 3}, {"code": True, "msg": "x"}]
)
def test_a_reason_to_refuse_that_is_none_is_an_error(refusal: object) -> None:
    with pytest.raises(CniError, match="refusal: it must be an error of CNI's form"):
        parse(json.dumps({**ADD, "refusal": refusal}).encode())
