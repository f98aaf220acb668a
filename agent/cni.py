"""Requests of the CNI plugin and their answers, after the CNI specification 1.1.0.

A request is the plugin's environment and its standard input, untrusted until it has passed here:
one JSON object with the CNI_ variables as strings and the network configuration under "config".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from agent.lease import Lease, LeaseKey
from compiler.device_names import POD_GATEWAY_V4, POD_GATEWAY_V6, PORT_MAC
from compiler.names import ObjectName

VERSIONS: Final = ("1.0.0", "1.1.0")
DELEGATE: Final[Mapping[str, object]] = {"delegate": True}
"""Not ours: the plugin hands the request to the cluster's ordinary CNI plugin."""

INCOMPATIBLE_VERSION: Final = 1
UNKNOWN_CONTAINER: Final = 3
INVALID_ENVIRONMENT: Final = 4
INPUT_OUTPUT: Final = 5
UNDECODABLE: Final = 6
INVALID_CONFIGURATION: Final = 7
TRY_AGAIN_LATER: Final = 11
NOT_AVAILABLE: Final = 50
KERNEL_REFUSED: Final = 100
EXHAUSTED: Final = 101
NOT_AS_ADDED: Final = 102

_CONTAINER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,254}")
_INTERFACE: Final = re.compile(r"(?!\.{1,2}$)[!-$&-.0-9;-~]{1,15}")
"""What CNI allows, in ASCII; but by a percent sign the kernel would choose a name itself (dev_alloc_name)."""
_PATH: Final = re.compile(r"/[\x21-\x7e]{1,4000}")
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SUBDOMAIN: Final = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_UID: Final = re.compile(r"[A-Za-z0-9-]{0,128}")


class Command(StrEnum):
    ADD = "ADD"
    DEL = "DEL"
    CHECK = "CHECK"
    GC = "GC"
    STATUS = "STATUS"


class CniError(Exception):
    """An answer that is an error: a code of the specification, or one of ours from 100."""

    def __init__(self, code: int, message: str, details: str = "") -> None:
        self.code = code
        self.message = message
        self.details = details
        super().__init__(message)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pod:
    name: ObjectName
    uid: str
    """"" where the runtime does not say."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    command: Command
    version: str
    key: LeaseKey | None
    """None for GC and STATUS."""
    netns: str
    """ADD and CHECK only; the others do not need it."""
    pod: Pod | None
    """ADD only; None for a container that is no pod of Kubernetes."""
    valid: tuple[LeaseKey, ...]
    """GC only: the attachments that still exist."""
    refusal: CniError | None = None
    """ADD only: why the pod cannot be served, as the plugin knows it, if it is a network's."""


def parse(content: bytes) -> Request:
    """A checked request. Raises CniError, naming the variable or field."""
    try:
        raw = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise CniError(UNDECODABLE, "the request is not JSON", str(error)) from error
    if not isinstance(raw, dict):
        raise CniError(UNDECODABLE, "the request is not a JSON object")
    config = raw.get("config")
    if not isinstance(config, dict):
        raise CniError(INVALID_CONFIGURATION, "config: it must be the network configuration, an object")
    version = config.get("cniVersion")
    if version not in VERSIONS:
        supported = ", ".join(VERSIONS)
        raise CniError(INCOMPATIBLE_VERSION, f"cniVersion {version!r}: supported are {supported}")
    command = _command(raw)
    single = command in (Command.ADD, Command.DEL, Command.CHECK)
    return Request(
        command=command,
        version=version,
        key=_key(raw) if single else None,
        netns=_netns(raw) if command in (Command.ADD, Command.CHECK) else "",
        pod=_pod(raw, config) if command is Command.ADD else None,
        valid=_valid(config) if command is Command.GC else (),
        refusal=_refusal(raw) if command is Command.ADD else None,
    )


def _text(raw: Mapping[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    value = raw.get(name)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        shown = "missing" if value is None else f"{str(value)[:80]!r} is not valid"
        raise CniError(INVALID_ENVIRONMENT, f"{name}: {shown}")
    return value


def _command(raw: Mapping[str, Any]) -> Command:
    value = raw.get("CNI_COMMAND")
    if value not in tuple(Command):
        raise CniError(
            INVALID_ENVIRONMENT, f"CNI_COMMAND: {str(value)[:80]!r} is not one of {', '.join(Command)}"
        )
    return Command(value)


def _key(raw: Mapping[str, Any]) -> LeaseKey:
    return LeaseKey(
        container=_text(raw, "CNI_CONTAINERID", _CONTAINER), interface=_text(raw, "CNI_IFNAME", _INTERFACE)
    )


def _netns(raw: Mapping[str, Any]) -> str:
    path = _text(raw, "CNI_NETNS", _PATH)
    if ".." in path.split("/"):
        raise CniError(INVALID_ENVIRONMENT, f"CNI_NETNS: {path[:80]!r} is not valid")
    return path


def _pod(raw: Mapping[str, Any], config: Mapping[str, Any]) -> Pod | None:
    text = raw.get("CNI_ARGS")
    if not isinstance(text, str):
        raise CniError(INVALID_ENVIRONMENT, "CNI_ARGS: missing; the kubelet's runtime names the pod there")
    arguments = dict(part.partition("=")[::2] for part in text.split(";"))
    if not arguments.keys() & {"K8S_POD_NAMESPACE", "K8S_POD_NAME", "K8S_POD_UID"}:
        return None
    return Pod(
        name=ObjectName(
            namespace=_namespace(arguments, config),
            name=_text(arguments, "K8S_POD_NAME", _SUBDOMAIN),
        ),
        uid=_text({"K8S_POD_UID": arguments.get("K8S_POD_UID", "")}, "K8S_POD_UID", _UID),
    )


def _namespace(arguments: Mapping[str, str], config: Mapping[str, Any]) -> str:
    """The runtime's word. podman 4 names a container and no namespace: its configuration has to."""
    if "K8S_POD_NAMESPACE" not in arguments and "podNamespace" in config:
        return _text(config, "podNamespace", _LABEL)
    return _text(arguments, "K8S_POD_NAMESPACE", _LABEL)


def _refusal(raw: Mapping[str, Any]) -> CniError | None:
    given = raw.get("refusal")
    if given is None:
        return None
    if not isinstance(given, dict):
        raise CniError(UNDECODABLE, "refusal: it must be an error of CNI's form")
    code, message, details = given.get("code"), given.get("msg"), given.get("details", "")
    if type(code) is not int or not isinstance(message, str) or not isinstance(details, str):
        raise CniError(UNDECODABLE, "refusal: it must be an error of CNI's form")
    return CniError(code, message, details)


def _valid(config: Mapping[str, Any]) -> tuple[LeaseKey, ...]:
    field = "cni.dev/valid-attachments"
    entries = config.get(field)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise CniError(INVALID_CONFIGURATION, f"{field}: it must be a list of attachments")
    try:
        return tuple(
            LeaseKey(
                container=_text(entry, "containerID", _CONTAINER),
                interface=_text(entry, "ifname", _INTERFACE),
            )
            for entry in entries
        )
    except CniError as error:
        raise CniError(INVALID_CONFIGURATION, f"{field}: {error}") from error


def success(version: str, lease: Lease, mtu: int) -> dict[str, object]:
    """The result of ADD. `mtu` of the pod's interface, in bytes; CNI 1.1.0 has a field for it."""
    attachment = lease.attachment
    inside: dict[str, object] = {
        "name": attachment.interface,
        "mac": attachment.mac,
        "sandbox": lease.netns,
    }
    if version != "1.0.0":
        inside["mtu"] = mtu
    gateways = {4: ("0.0.0.0/0", str(POD_GATEWAY_V4)), 6: ("::/0", str(POD_GATEWAY_V6))}
    addresses = attachment.addresses
    return {
        "cniVersion": version,
        "interfaces": [{"name": attachment.port, "mac": PORT_MAC}, inside],
        "ips": [
            {"address": f"{a}/{a.max_prefixlen}", "gateway": gateways[a.version][1], "interface": 1}
            for a in addresses
        ],
        "routes": [
            {"dst": gateways[version][0], "gw": gateways[version][1]}
            for version in sorted({a.version for a in addresses})
        ],
        "dns": {},
    }


def failure(version: str, error: CniError) -> dict[str, object]:
    answer: dict[str, object] = {"cniVersion": version, "code": error.code, "msg": error.message}
    return {**answer, "details": error.details} if error.details else answer


def missing(expected: Sequence[str]) -> str:
    """The first of what is missing, and how many more."""
    more = f" and {len(expected) - 1} more" if len(expected) > 1 else ""
    return f"{expected[0]}{more}"
