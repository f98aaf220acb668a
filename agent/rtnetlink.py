"""One rtnetlink socket: dumps, and batches of requests with one pass over their answers.

A request without NLM_F_ACK is answered only when it fails, so only the last of a batch asks for an
answer (rtnetlink handles messages in order, RFC 3549). Messages are built and parsed by pyroute2;
its call-a-request interface is some 80 times slower, hence this socket.
"""

from __future__ import annotations

import errno
import itertools
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

NLM_F_REQUEST: Final = 0x1
NLM_F_ACK: Final = 0x4
NLM_F_DUMP: Final = 0x300
NLM_F_REPLACE: Final = 0x100
NLM_F_EXCL: Final = 0x200
NLM_F_CREATE: Final = 0x400
_NLM_F_DUMP_INTR: Final = 0x10
_NLM_F_CAPPED: Final = 0x100
_NLMSG_ERROR: Final = 2
_NLMSG_DONE: Final = 3
_NLMSGERR_ATTR_MSG: Final = 1

_SOL_NETLINK: Final = 270
_NETLINK_CAP_ACK: Final = 10
_NETLINK_EXT_ACK: Final = 11
_NETLINK_GET_STRICT_CHK: Final = 12
_SO_RCVBUFFORCE: Final = 33
_RECEIVE_BUFFER: Final = 8 * 1024 * 1024
_SEND_AT_ONCE: Final = 64 * 1024
"""Bytes: a few hundred requests, whose answers fit the receive buffer even if every one fails."""
_TIMEOUT_SECONDS: Final = 30.0

_HEADER: Final = struct.Struct("=IHHII")


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A message without its sequence number: type, flags beside NLM_F_REQUEST, and encoded body."""

    type: int
    flags: int
    body: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """The kernel's answer to one request of a batch."""

    index: int
    errno: int
    message: str
    """Extended acknowledgement; "" where the kernel gives none."""

    def __str__(self) -> str:
        text = os.strerror(self.errno)
        return f"{text} ({self.message})" if self.message else text


class DumpInterrupted(Exception):
    """The tables kept changing while they were read."""


class Rtnetlink:
    """A socket in the network namespace of the thread that makes it, wherever it is used."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.settimeout(_TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
        for option in (_NETLINK_CAP_ACK, _NETLINK_EXT_ACK, _NETLINK_GET_STRICT_CHK):
            self._socket.setsockopt(_SOL_NETLINK, option, 1)
        self._socket.bind((0, 0))
        self._sequence = itertools.count(1)

    def close(self) -> None:
        self._socket.close()

    def dump(self, type: int, body: bytes) -> list[bytes]:
        """Bodies and headers of all messages of a dump. Raises DumpInterrupted after five attempts."""
        for _ in range(5):
            messages, whole = self._dump_once(type, body)
            if whole:
                return messages
        raise DumpInterrupted(f"rtnetlink dump {type} was interrupted five times")

    def batch(self, requests: Sequence[Request]) -> list[Refusal]:
        """Send all requests in order; returns those that the kernel refused, by position."""
        refusals: list[Refusal] = []
        start = 0
        while start < len(requests):
            refusals += self._send(requests, start, end := _end_of_chunk(requests, start))
            start = end
        return refusals

    def _dump_once(self, type: int, body: bytes) -> tuple[list[bytes], bool]:
        sequence = next(self._sequence)
        self._socket.send(
            _HEADER.pack(_HEADER.size + len(body), type, NLM_F_REQUEST | NLM_F_DUMP, sequence, 0) + body
        )
        messages: list[bytes] = []
        whole = True
        while True:
            for kind, flags, answered, message in _messages(self._socket.recv(1 << 20)):
                if answered != sequence:
                    continue
                whole = whole and not flags & _NLM_F_DUMP_INTR
                if kind == _NLMSG_DONE:
                    return messages, whole
                if kind == _NLMSG_ERROR:
                    code = -struct.unpack_from("=i", message, _HEADER.size)[0]
                    raise OSError(code, f"rtnetlink dump {type}: {os.strerror(code)}")
                messages.append(message)

    def _send(self, requests: Sequence[Request], start: int, end: int) -> Iterator[Refusal]:
        first = next(self._sequence)
        last = first + end - start - 1
        self._sequence = itertools.count(last + 1)
        parts: list[bytes] = []
        for position, request in enumerate(requests[start:end]):
            ack = NLM_F_ACK if first + position == last else 0
            flags = NLM_F_REQUEST | request.flags | ack
            size = _HEADER.size + len(request.body)
            parts.append(_HEADER.pack(size, request.type, flags, first + position, 0))
            parts.append(request.body + bytes(-size % 4))
        self._socket.send(b"".join(parts))
        yield from self._answers(first, last, start)

    def _answers(self, first: int, last: int, start: int) -> Iterator[Refusal]:
        while True:
            for kind, flags, sequence, message in _messages(self._socket.recv(1 << 20)):
                if kind != _NLMSG_ERROR or not first <= sequence <= last:
                    continue
                code = -struct.unpack_from("=i", message, _HEADER.size)[0]
                if code:
                    text = _extended_text(message, flags)
                    yield Refusal(index=start + sequence - first, errno=code, message=text)
                if sequence == last:
                    return


def _end_of_chunk(requests: Sequence[Request], start: int) -> int:
    size = 0
    for position in range(start, len(requests)):
        size += _HEADER.size + len(requests[position].body) + 3
        if size > _SEND_AT_ONCE and position > start:
            return position
    return len(requests)


def _messages(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Type, flags, sequence number and whole bytes of each message of a datagram."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        size, kind, flags, sequence, _port = _HEADER.unpack_from(data, offset)
        if size < _HEADER.size:
            raise OSError(errno.EBADMSG, "rtnetlink: a message shorter than its header")
        yield kind, flags, sequence, data[offset : offset + size]
        offset += (size + 3) & ~3


def _extended_text(message: bytes, flags: int) -> str:
    """NLMSGERR_ATTR_MSG of an error message (linux/netlink.h); attributes follow the request's header."""
    offset = _HEADER.size + 4
    request_size = struct.unpack_from("=I", message, offset)[0]
    offset += _HEADER.size if flags & _NLM_F_CAPPED else (request_size + 3) & ~3
    while offset + 4 <= len(message):
        size, kind = struct.unpack_from("=HH", message, offset)
        if size < 4:
            break
        if kind == _NLMSGERR_ATTR_MSG:
            return message[offset + 4 : offset + size].rstrip(b"\0").decode(errors="replace")
        offset += (size + 3) & ~3
    return ""
