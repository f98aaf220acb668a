"""Real packets between namespaces, as values: what was tried and what came of it.

One event loop in one thread carries everything, so that hundreds of probes run at once and a slow,
emulated processor starts no process for any of them. A listener answers with its own name and the
client's address as it saw it, then returns what it was sent.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import socket
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final, TypeVar

from cli.lab.namespace import Namespace

Address = IPv4Address | IPv6Address
T = TypeVar("T")

_IP_RECVERR: Final = 11
_IPV6_RECVERR: Final = 25
_IP_TRANSPARENT: Final = 19
_IPV6_TRANSPARENT: Final = 75
_ICMP_ECHO: Final = 8
_ICMPV6_ECHO: Final = 128
_PARALLEL: Final = 48
"""Probes in flight: more would only queue inside an emulated processor and look like silence."""


class Verdict(StrEnum):
    REACHED = "reached"
    REFUSED = "refused"
    """A TCP reset, or an ICMP port unreachable."""
    REJECTED = "rejected"
    """An ICMP error, or no route at the source."""
    SILENCE = "silence"


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """One exchange from inside a namespace. `source` may be an address that is not the sender's own."""

    start: Namespace
    address: Address
    protocol: str = "TCP"
    """"TCP", "UDP" or "ICMP"."""
    port: int = 0
    source: Address | None = None
    source_port: int = 0
    size: int = 8
    """Bytes sent, and expected back."""
    patience: float = 3.0
    """Seconds until silence is silence."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    verdict: Verdict
    by: str = ""
    """Who answered. Empty for ICMP, which says no names."""
    seen: Address | None = None
    """The client's address, as the listener saw it."""
    detail: str = ""
    elapsed: float = field(default=0.0, compare=False)

    def __str__(self) -> str:
        return f"{self.verdict} {self.by}".rstrip()


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """One UDP datagram at a listener."""

    listener: str
    source: Address
    payload: bytes


class Conversation:
    """One open TCP connection that keeps talking until somebody ends it.

    It sends whether or not it is answered, so that it notices a cut in either direction.
    """

    def __init__(self, traffic: Traffic, sock: socket.socket, *, by: str) -> None:
        self._traffic = traffic
        self._socket = sock
        self.by = by
        self.exchanged = 0
        """Messages that came back."""
        self.end = ""
        """Why it ended; "" while it goes on."""
        self._progress = asyncio.Condition()
        self._tasks = [asyncio.ensure_future(work()) for work in (self._send, self._receive)]

    async def _send(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while not self.end:
                await loop.sock_sendall(self._socket, struct.pack("!I", 0))
                await asyncio.sleep(0.02)  # the pace of the traffic, not a wait for an event
        except OSError as error:
            await self._note(end=_reason(error))

    async def _receive(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while not self.end:
                (length,) = struct.unpack("!I", await _read(loop, self._socket, 4))
                await _read(loop, self._socket, length)
                await self._note()
        except OSError as error:
            await self._note(end=_reason(error))
        except EOFError:
            await self._note(end="closed")

    async def _note(self, *, end: str = "") -> None:
        self.exchanged += not end
        self.end = self.end or end
        async with self._progress:
            self._progress.notify_all()

    def exchanges_again(self, *, within: float = 5.0) -> bool:
        """Whether a message sent from now on comes back."""
        target = self.exchanged + 3  # some may be on their way already
        return self._traffic.run(self._awaited(lambda: self.exchanged >= target, within)) and not self.end

    def is_cut(self, *, within: float = 5.0) -> bool:
        """Whether the connection ends, by somebody else's doing."""
        return self._traffic.run(self._awaited(lambda: bool(self.end), within))

    async def _awaited(self, reached: Callable[[], bool], within: float) -> bool:
        try:
            async with asyncio.timeout(within), self._progress:
                await self._progress.wait_for(lambda: reached() or bool(self.end))
        except TimeoutError:
            return False
        return reached()

    def close(self) -> None:
        async def stop() -> None:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._socket.close()

        self._traffic.run(stop())


class Traffic:
    """The event loop and everything it listens on."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="traffic", daemon=True)
        self._thread.start()
        self._listeners: list[asyncio.AbstractServer | asyncio.DatagramTransport] = []
        self._tokens = itertools.count()
        self.arrivals: list[Arrival] = []
        self._news = asyncio.Event()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine on the traffic's own thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def listen(
        self,
        place: Namespace,
        name: str,
        ports: Iterable[tuple[str, int]],
        addresses: Sequence[Address] = (IPv6Address("::"),),
    ) -> None:
        """Answers with `name`, on every address of the namespace where none is given.

        Where a namespace has several, UDP answers would come from another one than was asked.
        """
        self.run(self._listen(place, name, list(itertools.product(ports, addresses))))

    async def _listen(self, place: Namespace, name: str, ends: list[tuple[tuple[str, int], Address]]) -> None:
        for (protocol, port), address in ends:
            sock = _listening(place, protocol, port, address)
            if protocol == "TCP":
                self._listeners.append(await asyncio.start_server(_Answering(name), sock=sock))
            else:
                transport, _ = await self._loop.create_datagram_endpoint(
                    lambda: _Datagrams(name, self._note), sock=sock
                )
                self._listeners.append(transport)

    def _note(self, arrival: Arrival) -> None:
        self.arrivals.append(arrival)
        self._news.set()

    def probe(self, probe: Probe) -> Outcome:
        return self.probe_all([probe])[0]

    def probe_all(self, probes: Sequence[Probe]) -> list[Outcome]:
        """What came of each, in order; they run at the same time."""
        return self.run(self._probe_all(probes))

    async def _probe_all(self, probes: Sequence[Probe]) -> list[Outcome]:
        places = asyncio.Semaphore(_PARALLEL)

        async def one(probe: Probe) -> Outcome:
            async with places:
                return await _outcome(probe)

        return await asyncio.gather(*(one(probe) for probe in probes))

    def converse(self, probe: Probe) -> Conversation:
        """An open connection that keeps talking; OSError or TimeoutError when it cannot be opened."""
        return self.run(self._converse(probe))

    async def _converse(self, probe: Probe) -> Conversation:
        sock = _open(probe, socket.SOCK_STREAM)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(probe.patience):
            await loop.sock_connect(sock, (str(probe.address), probe.port))
            by, _seen, _payload = await _exchange(loop, sock, b"hello")
        return Conversation(self, sock, by=by)

    def is_delivered(self, probe: Probe) -> bool:
        """Whether a datagram with a forged `source` gets to a listener.

        An honest one follows it on the same way: once that is answered, the forged one has been, too.
        Where not even that is answered, the forged one had its time as well.
        """
        token = f"forged {next(self._tokens)}".encode()
        self.run(_send_forged(probe, token))
        honest = Probe(start=probe.start, address=probe.address, port=probe.port, protocol="UDP")
        self.probe(honest)
        return self.has_arrived(token)

    def has_arrived(self, payload: bytes) -> bool:
        """Whether some listener has had this datagram by now."""
        return any(arrival.payload == payload for arrival in self.arrivals)

    def arrives(self, payload: bytes, *, within: float = 5.0) -> bool:
        """Whether some listener has had this datagram, or gets it in time."""

        async def arrival() -> None:
            while not self.has_arrived(payload):
                self._news.clear()
                await self._news.wait()

        try:
            self.run(asyncio.wait_for(arrival(), within))
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        async def stop() -> None:
            for listener in self._listeners:
                listener.close()
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        self.run(stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class _Answering:
    """Answers each message of a TCP connection."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = _plain(writer.get_extra_info("peername")[0])
        try:
            while True:
                (length,) = struct.unpack("!I", await reader.readexactly(4))
                payload = await reader.readexactly(length)
                answer = f"{self._name} {client}\n".encode() + payload
                writer.write(struct.pack("!I", len(answer)) + answer)
                await writer.drain()
        except (EOFError, OSError, asyncio.CancelledError):
            pass  # the last when the lab closes, and asyncio's server would log it as a defect
        finally:
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, name: str, note: Callable[[Arrival], None]) -> None:
        self._name = name
        self._note = note
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        client = _plain(addr[0])
        self._note(Arrival(listener=self._name, source=client, payload=data))
        if self._transport is not None:
            self._transport.sendto(f"{self._name} {client}\n".encode() + data, addr)


async def _outcome(probe: Probe) -> Outcome:
    started = time.monotonic()
    methods: dict[str, Callable[[Probe], Awaitable[tuple[str, Address | None]]]]
    methods = {"TCP": _probe_tcp, "UDP": _probe_udp, "ICMP": _probe_icmp}
    verdict, by, seen, detail = Verdict.REACHED, "", None, ""
    try:
        async with asyncio.timeout(probe.patience):
            by, seen = await methods[probe.protocol](probe)
    except (TimeoutError, BlockingIOError):
        verdict = Verdict.SILENCE
    except EOFError:
        verdict, detail = Verdict.REFUSED, "closed"
    except OSError as error:
        resets = (errno.ECONNREFUSED, errno.ECONNRESET)
        verdict = Verdict.REFUSED if error.errno in resets else Verdict.REJECTED
        detail = _reason(error)
    return Outcome(verdict=verdict, by=by, seen=seen, detail=detail, elapsed=time.monotonic() - started)


def _reason(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, str(error))


async def _probe_tcp(probe: Probe) -> tuple[str, Address | None]:
    loop = asyncio.get_running_loop()
    with _open(probe, socket.SOCK_STREAM) as sock:
        await loop.sock_connect(sock, (str(probe.address), probe.port))
        payload = bytes(probe.size)
        by, seen, returned = await _exchange(loop, sock, payload)
        return by if returned == payload else f"{by}, garbled", seen


async def _probe_udp(probe: Probe) -> tuple[str, Address | None]:
    loop = asyncio.get_running_loop()
    with _open(probe, socket.SOCK_DGRAM) as sock:
        await loop.sock_connect(sock, (str(probe.address), probe.port))
        payload = bytes(probe.size)
        await loop.sock_sendall(sock, payload)
        by, seen, returned = _parted(await loop.sock_recv(sock, 65536))
        return by if returned == payload else f"{by}, garbled", seen


async def _probe_icmp(probe: Probe) -> tuple[str, Address | None]:
    loop = asyncio.get_running_loop()
    v4 = probe.address.version == 4
    protocol = socket.IPPROTO_ICMP if v4 else socket.IPPROTO_ICMPV6
    with _open(probe, socket.SOCK_DGRAM, protocol) as sock:
        sock.connect((str(probe.address), 0))  # at once; the loop's own would look the protocol up
        echo = struct.pack("!BBHHH", _ICMP_ECHO if v4 else _ICMPV6_ECHO, 0, 0, 0, 1)
        await loop.sock_sendall(sock, echo + bytes(probe.size))
        await loop.sock_recv(sock, 65536)
        return "", None


async def _exchange(
    loop: asyncio.AbstractEventLoop, sock: socket.socket, payload: bytes
) -> tuple[str, Address, bytes]:
    await loop.sock_sendall(sock, struct.pack("!I", len(payload)) + payload)
    (length,) = struct.unpack("!I", await _read(loop, sock, 4))
    return _parted(await _read(loop, sock, length))


async def _read(loop: asyncio.AbstractEventLoop, sock: socket.socket, length: int) -> bytes:
    parts = bytearray()
    while len(parts) < length:
        part = await loop.sock_recv(sock, length - len(parts))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)


def _parted(answer: bytes) -> tuple[str, Address, bytes]:
    head, _newline, payload = answer.partition(b"\n")
    name, _space, client = head.decode().rpartition(" ")
    return name, ip_address(client), payload


def _plain(address: str) -> Address:
    """Without the v4-mapped prefix that a socket of both families shows."""
    parsed = ip_address(address)
    return (isinstance(parsed, IPv6Address) and parsed.ipv4_mapped) or parsed


def _open(probe: Probe, kind: int, protocol: int = 0) -> socket.socket:
    v4 = probe.address.version == 4
    with probe.start.entered():
        sock = socket.socket(socket.AF_INET if v4 else socket.AF_INET6, kind, protocol)
    sock.setblocking(False)
    if kind == socket.SOCK_DGRAM:
        level, option = (socket.IPPROTO_IP, _IP_RECVERR) if v4 else (socket.IPPROTO_IPV6, _IPV6_RECVERR)
        sock.setsockopt(level, option, 1)
    else:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if probe.source is not None or probe.source_port:
        if probe.source is not None:
            level, option = (
                (socket.IPPROTO_IP, _IP_TRANSPARENT) if v4 else (socket.IPPROTO_IPV6, _IPV6_TRANSPARENT)
            )
            sock.setsockopt(level, option, 1)
        anywhere = "0.0.0.0" if v4 else "::"
        sock.bind((str(probe.source or anywhere), probe.source_port))
    return sock


def _listening(place: Namespace, protocol: str, port: int, address: Address) -> socket.socket:
    with place.entered():
        kind = socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM
        sock = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, kind)
    sock.setblocking(False)
    if address.version == 6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((str(address), port))
    return sock


async def _send_forged(probe: Probe, token: bytes) -> None:
    with _open(probe, socket.SOCK_DGRAM) as sock:
        sock.sendto(token, (str(probe.address), probe.port))
