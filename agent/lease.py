"""An attachment as it must outlive the agent's process: as a value, and as a line of a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from compiler.device_names import pod_mac, port_name
from compiler.layout import Attachment
from compiler.model import Address
from compiler.names import NetworkNumber, ObjectName


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class LeaseKey:
    """What CNI identifies an attachment by."""

    container: str
    interface: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Lease:
    """An attachment, and what else must outlive the agent's process."""

    attachment: Attachment
    network_name: ObjectName
    """With the number, proof that it is still the same network: numbers are used again."""
    netns: str

    @property
    def key(self) -> LeaseKey:
        return LeaseKey(container=self.attachment.container, interface=self.attachment.interface)

    def is_of(self, number: NetworkNumber, name: ObjectName) -> bool:
        return (self.attachment.network, self.network_name) == (number, name)


def new_lease(
    key: LeaseKey,
    *,
    pod: ObjectName,
    network: NetworkNumber,
    network_name: ObjectName,
    netns: str,
    addresses: tuple[Address, ...],
) -> Lease:
    attachment = Attachment(
        container=key.container,
        interface=key.interface,
        pod=str(pod),
        network=network,
        addresses=addresses,
        port=port_name(key.container, key.interface),
        mac=pod_mac(key.container, key.interface),
    )
    return Lease(attachment=attachment, network_name=network_name, netns=netns)


def encode(lease: Lease) -> Mapping[str, object]:
    attachment = lease.attachment
    return {
        "container": attachment.container,
        "interface": attachment.interface,
        "pod": attachment.pod,
        "network": attachment.network,
        "networkNamespace": lease.network_name.namespace,
        "networkName": lease.network_name.name,
        "addresses": [str(address) for address in attachment.addresses],
        "port": attachment.port,
        "mac": attachment.mac,
        "netns": lease.netns,
    }


def decode(record: Mapping[str, Any]) -> Lease:
    """Raises KeyError, TypeError or ValueError."""
    return Lease(
        attachment=Attachment(
            container=record["container"],
            interface=record["interface"],
            pod=record["pod"],
            network=NetworkNumber(record["network"]),
            addresses=tuple(ip_address(text) for text in record["addresses"]),
            port=record["port"],
            mac=record["mac"],
        ),
        network_name=ObjectName(namespace=record["networkNamespace"], name=record["networkName"]),
        netns=record["netns"],
    )
