"""Which pod holds which address of this node's blocks: durable, one append-only file.

A lease is on the disk before its address is used, and its end at the latest when the address is
another's. Every change is one line; `flush` brings the lines of all who wait for it to the disk at once,
earlier ones with them. The file is rewritten whole, and replaced atomically, when it is opened, when it
has grown, and after a write that failed. A last line cut short by a crash never happened: nobody was
told of it.

Times of release are of CLOCK_BOOTTIME, which no correction of the wall clock moves, with the boot that they
belong to. Of another boot's releases nobody can say how long they are ago: they count as of now.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Container, Mapping
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from agent.files import replace_file
from agent.free_addresses import FreeAddresses
from agent.lease import Lease, LeaseKey, decode, encode, new_lease
from agent.own_blocks import OwnBlocks
from compiler.model import Address
from compiler.names import NetworkNumber, ObjectName

QUIET_SECONDS: Final = 30.0
_FORMAT: Final = "atoll-addresses/2"
_SLACK: Final = 1000
"""Lines beyond what a fresh file would have, before it is rewritten."""
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class Damaged(Exception):
    """The file does not read as one that this module wrote."""


class Unavailable(Exception):
    """An attachment cannot have an address now. The text names network and address."""


class Taken(Unavailable):
    """The address asked for is another pod's."""


class Elsewhere(Unavailable):
    """The address asked for is in no block of this node."""


class Exhausted(Unavailable):
    """No free address of one IP version is left in the node's blocks of a network."""

    def __init__(self, network: ObjectName, version: int, blocks: OwnBlocks, free_at: float | None) -> None:
        self.network = network
        self.version = version
        self.room = blocks.room(version)
        """Addresses of that version that the node has, all of them in use or resting."""
        self.free_at = free_at
        """When a resting one is free again, by the store's clock; None where none rests."""
        places = ", ".join(str(block) for block in blocks.shared if block.version == version) or "no block"
        rest = "; released ones rest for a while" if free_at is not None else ""
        super().__init__(
            f"network {network} has no free IPv{version} address on this node, in {places}{rest}"
        )


def boot_clock() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    """Of the running boot: a clock that starts with it means nothing in another."""
    return _BOOT_ID.read_text(encoding="ascii").strip()


class AddressStore:
    """Not thread-safe, but for `flush`; one process at a time."""

    def __init__(
        self,
        path: Path,
        *,
        quiet: float = QUIET_SECONDS,
        clock: Callable[[], float] = boot_clock,
        boot: str | None = None,
    ) -> None:
        """`quiet` in seconds of `clock`, which starts with the boot. Raises Damaged, naming the line."""
        self._path = path
        self.clock = clock
        self._boot = boot_id() if boot is None else boot
        self._leases: dict[LeaseKey, Lease] = {}
        self._holders: dict[Address, LeaseKey] = {}
        self._free = FreeAddresses(quiet=quiet)
        self._torn = False
        """A write failed: what the file holds behind the last good line is not known."""
        self._flushing = threading.Lock()
        self._recorded = self._flushed = 0
        """Lines ever written, and how many of them are on the disk."""
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
        blocks: OwnBlocks,
        asked: tuple[Address, ...] = (),
        reserved: Container[Address] = frozenset(),
    ) -> Lease:
        """The lease of an attachment: the one it has, or a new one with an address of each IP version.

        It gets the addresses `asked` for, whenever they were released; others only after their quiet period,
        and none of those `reserved`. The lease counts once `flush` has returned.

        Raises Unavailable, and OSError where the lease cannot be written.
        """
        held = self._leases.get(key)
        if held is not None and held.is_of(network, network_name):
            if self._torn:
                self._rewrite()
            if held.netns == netns:
                return held
            lease = replace(held, netns=netns)
        else:
            lease = new_lease(
                key,
                pod=pod,
                network=network,
                network_name=network_name,
                netns=netns,
                addresses=self._choose(key, network, network_name, blocks, asked, reserved),
            )
        self._record({"hold": encode(lease)})
        self._hold(lease)
        return lease

    def release(self, key: LeaseKey) -> None:
        """End a lease, if there is one; its addresses rest from now on."""
        if key in self._leases:
            now = self.clock()
            self._record({"free": [key.container, key.interface, now]})
            self._release(key, now)

    def flush(self) -> None:
        """Return when all that was recorded before is on the disk. For any thread; raises OSError.

        One that waits while another flushes is served by the next flush together with all that wait.
        """
        wanted = self._recorded
        with self._flushing:
            if self._flushed >= wanted:
                return
            recorded = self._recorded
            try:
                if self._torn:
                    raise OSError(f"{self._path}: an earlier write failed")
                with self._path.open("rb") as file:
                    os.fsync(file.fileno())
            except OSError:
                self._torn = True  # the kernel tells of a lost page once (fsync(2)): no later success counts
                raise
            self._flushed = recorded

    def _choose(
        self,
        key: LeaseKey,
        network: NetworkNumber,
        name: ObjectName,
        blocks: OwnBlocks,
        asked: tuple[Address, ...],
        reserved: Container[Address],
    ) -> tuple[Address, ...]:
        chosen: list[Address] = []
        unwanted = _Either(blocks.ends, reserved)
        now = self.clock()
        for version in blocks.versions:
            wanted = next((address for address in asked if address.version == version), None)
            if wanted is not None:
                self._demand(key, wanted, name, blocks)
                chosen.append(wanted)
                continue
            shared = [block for block in blocks.shared if block.version == version]
            choice = self._free.choose(network, shared, unwanted, now)
            if choice.address is None:
                raise Exhausted(name, version, blocks, choice.free_at)
            chosen.append(choice.address)
        return tuple(chosen)

    def _demand(self, key: LeaseKey, address: Address, network: ObjectName, blocks: OwnBlocks) -> None:
        holder = self._holders.get(address)
        if holder is not None and holder != key:
            pod = self._leases[holder].attachment.pod
            raise Taken(f"address {address} of network {network}, that it asks for, is held by pod {pod}")
        if not blocks.holds(address):
            raise Elsewhere(
                f"address {address} of network {network}, that it asks for, is in no block of this node yet"
            )

    def _hold(self, lease: Lease) -> None:
        if lease.key in self._leases:
            self._release(lease.key, self.clock())
        self._leases[lease.key] = lease
        for address in lease.attachment.addresses:
            self._holders[address] = lease.key
            self._free.hold(lease.attachment.network, address)

    def _release(self, key: LeaseKey, at: float) -> None:
        attachment = self._leases.pop(key).attachment
        for address in attachment.addresses:
            self._holders.pop(address, None)
            self._free.release(attachment.network, address, at)

    def _record(self, change: Mapping[str, object]) -> None:
        if self._torn or self._lines > len(self._leases) + _SLACK:
            self._rewrite()
        line = _line(change)
        try:
            with self._path.open("ab", buffering=0) as file:
                written = file.write(line)
            if written != len(line):
                raise OSError(f"{self._path}: {written} of {len(line)} bytes could be written")
        except OSError:
            self._torn = True  # half a line must not stay before the next one
            raise
        self._lines += 1
        self._recorded += 1

    def _rewrite(self) -> None:
        released = [
            [network, str(address), at]
            for network, addresses in self._free.released.items()
            for address, at in addresses.items()
        ]
        changes: list[Mapping[str, object]] = [
            {"format": _FORMAT, "boot": self._boot, "released": released},
            *({"hold": encode(lease)} for lease in self._leases.values()),
        ]
        with self._flushing:
            replace_file(self._path, b"".join(_line(change) for change in changes))
            self._flushed = self._recorded
            self._torn = False
        self._lines = len(self._leases)

    def _load(self, content: bytes) -> None:
        lines = content.split(b"\n")
        whole = lines[:-1]
        if not whole:  # the first line came with an atomic replacement: a crash cannot have cut it
            raise Damaged(f"{self._path}:1: not a file of addresses. {self._remedy}")
        head = self._read(1, whole[0], self._replay_head)
        for number, line in enumerate(whole[1:], start=2):
            self._read(number, line, lambda change: self._replay(change, same_boot=head))

    def _read(self, number: int, line: bytes, replay: Callable[[Any], bool]) -> bool:
        try:
            return replay(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            place = f"{self._path}:{number}"
            raise Damaged(f"{place}: not a line of this file ({error}). {self._remedy}") from error

    @property
    def _remedy(self) -> str:
        return "Restore the file, or drain the node and remove it"

    def _replay_head(self, head: Any) -> bool:
        """Says whether the file is of this boot."""
        if head["format"] != _FORMAT:
            raise ValueError(f"format {head['format']!r}")
        same_boot = bool(head["boot"] == self._boot)
        for network, address, at in head["released"]:
            when = float(at) if same_boot else self.clock()
            self._free.release(NetworkNumber(network), ip_address(address), when)
        return same_boot

    def _replay(self, change: Any, *, same_boot: bool) -> bool:
        if "hold" in change:
            self._hold(decode(change["hold"]))
        else:
            container, interface, at = change["free"]
            key = LeaseKey(container=container, interface=interface)
            self._release(key, float(at) if same_boot else self.clock())
        return same_boot


class _Either:
    """Membership of two containers, without a copy of either."""

    __slots__ = ("_first", "_second")

    def __init__(self, first: Container[Address], second: Container[Address]) -> None:
        self._first = first
        self._second = second

    def __contains__(self, address: object) -> bool:
        return address in self._first or address in self._second


def _line(change: Mapping[str, object]) -> bytes:
    return json.dumps(change, separators=(",", ":")).encode() + b"\n"
