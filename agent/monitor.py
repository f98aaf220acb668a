"""Noticing at once that another hand has changed what is ours: events of rtnetlink and nf_tables.

Events of our own changes arrive too, and some carry no sender. So events count only when this
process has changed nothing since the last look; the rare change by another hand that falls into the
same instant is left to the regular look at everything.
"""

from __future__ import annotations

import errno
import re
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from compiler.device_names import ROUTE_PROTOCOL
from compiler.ruleset import TABLE

_NETLINK_ROUTE: Final = 0
_NETLINK_NETFILTER: Final = 12
_SOL_NETLINK: Final = 270
_NETLINK_ADD_MEMBERSHIP: Final = 1
_LINK_GROUP: Final = 1
_ROUTE_GROUPS: Final = (7, 8, 11, 19)
"""IPv4 and IPv6 routes and rules (linux/rtnetlink.h)."""
_NFTABLES_GROUP: Final = 7
_NEWLINK: Final = 16
_DELLINK: Final = 17
_IFF_UP: Final = 1
_ROUTE_TYPES: Final = (24, 25)
_RULE_TYPES: Final = (32, 33)
_IFLA_IFNAME: Final = 3
_NFTA_TABLE: Final = 1
"""The table's name is the first attribute of every nf_tables message but that of a generation."""
_NFT_MSG_NEWGEN: Final = 15
_NFPROTO_INET: Final = 1

_HEADER: Final = struct.Struct("=IHHII")
_ATTRIBUTE: Final = struct.Struct("=HH")
_OUR_LINK: Final = re.compile(rb"(vn|vx|ah|hh)[1-9][0-9]{0,4}|at[0-9a-f]{12}")
_OUR_TABLE: Final = TABLE.split()[1].encode()


class Events(Protocol):
    @property
    def descriptors(self) -> tuple[int, ...]:
        """Readable when there are events."""

    def close(self) -> None: ...

    def links_touched(self) -> bool:
        """Whether the events that wait tell of a change to a link, route or rule like ours."""

    def table_touched(self) -> bool:
        """The same of our table."""


class Monitor:
    """In the network namespace of the thread that makes it."""

    def __init__(self) -> None:
        self.links = _subscribed(_NETLINK_ROUTE, (_LINK_GROUP, *_ROUTE_GROUPS))
        self.tables = _subscribed(_NETLINK_NETFILTER, (_NFTABLES_GROUP,))

    @property
    def descriptors(self) -> tuple[int, ...]:
        return (self.links.fileno(), self.tables.fileno())

    def close(self) -> None:
        self.links.close()
        self.tables.close()

    def links_touched(self) -> bool:
        return _any(self.links, _is_our_route_event)

    def table_touched(self) -> bool:
        return _any(self.tables, _is_our_table_event)


def _subscribed(protocol: int, groups: tuple[int, ...]) -> socket.socket:
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    monitor = socket.socket(socket.AF_NETLINK, kind, protocol)
    monitor.bind((0, 0))
    for group in groups:
        monitor.setsockopt(_SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, group)
    return monitor


def _any(monitor: socket.socket, matches: Callable[[int, bytes], bool]) -> bool:
    """Reads all that waits. Events that were lost may have been about anything."""
    found = False
    while True:
        try:
            data = monitor.recv(1 << 18)
        except BlockingIOError:
            return found
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            found = True
            continue
        found = found or any(matches(kind, body) for kind, body in _messages(data))


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + _HEADER.size <= len(data):
        size, kind, _, _, _ = _HEADER.unpack_from(data, offset)
        if size < _HEADER.size:
            return
        yield kind, data[offset + _HEADER.size : offset + size]
        offset += (size + 3) & ~3


def _attribute(body: bytes, offset: int, wanted: int) -> bytes:
    while offset + _ATTRIBUTE.size <= len(body):
        size, kind = _ATTRIBUTE.unpack_from(body, offset)
        if size < _ATTRIBUTE.size:
            break
        if kind == wanted:
            return body[offset + _ATTRIBUTE.size : offset + size].rstrip(b"\0")
        offset += (size + 3) & ~3
    return b""


def _is_our_route_event(kind: int, body: bytes) -> bool:
    if kind == _NEWLINK and struct.unpack_from("=I", body, 8)[0] & _IFF_UP:
        return False  # carrier and counters change by themselves; the regular look finds the rest
    if kind in (_NEWLINK, _DELLINK):
        return _OUR_LINK.fullmatch(_attribute(body, 16, _IFLA_IFNAME)) is not None
    if kind in _ROUTE_TYPES:
        return len(body) > 5 and body[5] == ROUTE_PROTOCOL  # struct rtmsg, rtm_protocol
    return kind in _RULE_TYPES


def _is_our_table_event(kind: int, body: bytes) -> bool:
    if kind & 0xFF == _NFT_MSG_NEWGEN or not body or body[0] != _NFPROTO_INET:
        return False
    return _attribute(body, 4, _NFTA_TABLE) == _OUR_TABLE
