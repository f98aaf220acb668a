"""Attaching a pod as a container runtime does: a CNI request to the agent of its node."""

from __future__ import annotations

import json
import socket
from ipaddress import ip_interface
from pathlib import Path
from typing import Final

from cli.failure import Failure
from cli.lab.lab import LabPod

_SECONDS: Final = 90.0


def attach(pod: LabPod, agent: Path, uid: str) -> None:
    """CNI ADD; the pod's addresses are then known. Raises Failure with the agent's answer."""
    answer = _ask(agent, _add_request(pod, uid))
    ips = answer.get("ips")
    if not isinstance(ips, list):
        raise Failure(f"pod {pod.name}: the agent of {pod.node.name} answered {json.dumps(answer)}")
    pod.addresses = tuple(ip_interface(ip["address"]).ip for ip in ips)


def _add_request(pod: LabPod, uid: str) -> dict[str, object]:
    namespace, _slash, name = pod.name.partition("/")
    return {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": pod.place.name,
        "CNI_NETNS": str(pod.place.path),
        "CNI_IFNAME": "eth0",
        "CNI_ARGS": f"K8S_POD_NAMESPACE={namespace};K8S_POD_NAME={name};K8S_POD_UID={uid}",
        "config": {"cniVersion": "1.1.0", "name": "pods", "type": "atoll"},
    }


def _ask(agent: Path, request: dict[str, object]) -> dict[str, object]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_SECONDS)
        try:
            connection.connect(str(agent))
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as lines:
                answer = json.loads(lines.readline() or b"{}")
        except OSError as error:
            raise Failure(f"{agent}: the agent does not answer: {error}") from None
    assert isinstance(answer, dict)
    return answer
