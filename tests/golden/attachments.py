"""Attachments of a case: what CNI requests would have made of its pods."""

from __future__ import annotations

from functools import cache
from ipaddress import ip_address

import msgspec

from compiler.device_names import pod_mac, port_name
from compiler.layout import Attachment
from compiler.names import NetworkNumber, NodeName
from tests.golden.case import ATTACHMENTS, folder


class _Attached(msgspec.Struct, forbid_unknown_fields=True):
    """One entry of `attachments.json`. The agent derives the port's name and the MAC from the container."""

    node: str
    container: str
    pod: str
    network: int
    addresses: list[str]


@cache
def attachments_of(name: str, node: NodeName) -> tuple[Attachment, ...]:
    file = folder(name) / ATTACHMENTS
    if not file.exists():
        return ()
    entries = msgspec.json.decode(file.read_bytes(), type=list[_Attached])
    return tuple(_attachment(entry) for entry in entries if entry.node == node)


def _attachment(entry: _Attached) -> Attachment:
    return Attachment(
        container=entry.container,
        interface="eth0",
        pod=entry.pod,
        network=NetworkNumber(entry.network),
        addresses=tuple(ip_address(text) for text in entry.addresses),
        port=port_name(entry.container, "eth0"),
        mac=pod_mac(entry.container, "eth0"),
    )
