"""Which pod holds which address of this node's blocks: durable, one append-only file.

A lease is on disk before its address is used, and its end is on disk before the address is free.
Every change is one line, flushed to the disk; the file is rewritten whole, and replaced atomically,
when it is opened and when it has grown. A last line cut short by a crash never happened: nobody was
told of it. The least recently released address is taken last of all, so a stale connection or
neighbour entry of its former holder does not meet a new one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from agent.files import replace_file
from compiler.device_names import pod_mac, port_name
from compiler.layout import Attachment
from compiler.model import Address, Prefix
from compiler.names import NetworkNumber, ObjectName

_FORMAT: Final = "atoll-addresses/1"
_REMEMBERED: Final = 65536
"""Released addresses whose order is kept: more than the blocks of any node."""
_SLACK: Final = 1000
"""Lines beyond what a fresh file would have, before it is rewritten."""


class Exhausted(Exception):
    """No free address is left in the node's blocks of a network."""


class Damaged(Exception):
    """The file does not read as one that this module wrote."""


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


class AddressStore:
    """Not thread-safe; one process at a time."""

    def __init__(self, path: Path) -> None:
        """Raises Damaged, naming the line."""
        self._path = path
        self._leases: dict[LeaseKey, Lease] = {}
        self._released: dict[Address, None] = {}
        """Least recently released first."""
        if path.exists():
            self._load(path.read_bytes())
        self._rewrite()

    @property
    def leases(self) -> Mapping[LeaseKey, Lease]:
        return self._leases

    def hold(
        self,
        key: LeaseKey,
        *,
        pod: ObjectName,
        network: NetworkNumber,
        network_name: ObjectName,
        netns: str,
        blocks: Sequence[Prefix],
        subnets: Sequence[Prefix],
    ) -> Lease:
        """The lease of an attachment: the one it has, or a new one with an address of each IP version.

        The first and the last address of an IPv4 subnet stay free, as `compiler.allocate` counts.

        Raises Exhausted, and OSError where the lease cannot be written.
        """
        held = self._leases.get(key)
        if held is not None and (held.attachment.network, held.network_name) == (network, network_name):
            return held
        lease = Lease(
            attachment=Attachment(
                container=key.container,
                interface=key.interface,
                pod=str(pod),
                network=network,
                addresses=self._choose(blocks, subnets, network_name),
                port=port_name(key.container, key.interface),
                mac=pod_mac(key.container, key.interface),
            ),
            network_name=network_name,
            netns=netns,
        )
        self._record({"hold": _encode(lease)})
        self._hold(lease)
        return lease

    def release(self, key: LeaseKey) -> None:
        """End a lease, if there is one."""
        if key in self._leases:
            self._record({"free": [key.container, key.interface]})
            self._free(key)

    def _choose(
        self, blocks: Sequence[Prefix], subnets: Sequence[Prefix], network: ObjectName
    ) -> tuple[Address, ...]:
        used = {address for lease in self._leases.values() for address in lease.attachment.addresses}
        used.update(end for subnet in subnets if subnet.version == 4 for end in (subnet[0], subnet[-1]))
        chosen: list[Address] = []
        for version in sorted({subnet.version for subnet in subnets}):
            family = [block for block in blocks if block.version == version]
            address = next(self._candidates(family, used), None)
            if address is None:
                places = ", ".join(str(block) for block in family) or "no block"
                raise Exhausted(
                    f"network {network} has no free IPv{version} address on this node, in {places}"
                )
            chosen.append(address)
        return tuple(chosen)

    def _candidates(self, blocks: Sequence[Prefix], used: set[Address]) -> Iterator[Address]:
        """Never used ones by position, then the least recently released."""
        for block in blocks:
            for address in block:
                if address not in used and address not in self._released:
                    yield address
        yield from (a for a in self._released if a not in used and any(a in block for block in blocks))

    def _hold(self, lease: Lease) -> None:
        if lease.key in self._leases:
            self._free(lease.key)
        self._leases[lease.key] = lease
        for address in lease.attachment.addresses:
            self._released.pop(address, None)

    def _free(self, key: LeaseKey) -> None:
        for address in self._leases.pop(key).attachment.addresses:
            self._released[address] = None
        while len(self._released) > _REMEMBERED:
            del self._released[next(iter(self._released))]

    def _record(self, change: Mapping[str, object]) -> None:
        if self._lines > len(self._leases) + _SLACK:
            self._rewrite()
        line = _line(change)
        with self._path.open("ab") as file:
            size = file.tell()
            try:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                os.truncate(self._path, size)  # half a line must not stay before the next one
                raise
        self._lines += 1

    def _rewrite(self) -> None:
        released = [str(address) for address in self._released]
        changes: Iterable[Mapping[str, object]] = [
            {"format": _FORMAT, "released": released},
            *({"hold": _encode(lease)} for lease in self._leases.values()),
        ]
        replace_file(self._path, b"".join(_line(change) for change in changes))
        self._lines = len(self._leases)

    def _load(self, content: bytes) -> None:
        lines = content.split(b"\n")
        whole = lines[:-1]
        if not whole:  # the first line came with an atomic replacement: a crash cannot have cut it
            raise Damaged(f"{self._path}:1: not a file of addresses. {self._remedy}")
        for number, line in enumerate(whole, start=1):
            try:
                self._replay(json.loads(line), first=number == 1)
            except (ValueError, KeyError, TypeError) as error:
                place = f"{self._path}:{number}"
                raise Damaged(f"{place}: not a line of this file ({error}). {self._remedy}") from error

    @property
    def _remedy(self) -> str:
        return "Restore the file, or drain the node and remove it"

    def _replay(self, change: Any, *, first: bool) -> None:
        if first:
            if change["format"] != _FORMAT:
                raise ValueError(f"format {change['format']!r}")
            self._released = {ip_address(text): None for text in change["released"]}
        elif "hold" in change:
            self._hold(_decode(change["hold"]))
        else:
            container, interface = change["free"]
            self._free(LeaseKey(container=container, interface=interface))


def _line(change: Mapping[str, object]) -> bytes:
    return json.dumps(change, separators=(",", ":")).encode() + b"\n"


def _encode(lease: Lease) -> dict[str, object]:
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


def _decode(record: Mapping[str, Any]) -> Lease:
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
