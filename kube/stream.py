"""An open watch as lines: cut at line ends and nothing else, ended by the server or by `close`."""

from __future__ import annotations

import contextlib
import threading
from types import TracebackType
from typing import NoReturn, Self

import urllib3
from urllib3.exceptions import HTTPError, ReadTimeoutError

from kube.api import Silent, Unreachable

_READ = 1 << 16


class HttpWatch:
    def __init__(self, response: urllib3.BaseHTTPResponse, *, request: str, silence: float) -> None:
        self._response = response
        self._request = request
        self._silence = silence
        """The connection's read time-out, for the message."""
        self._rest = b""
        self._lines: list[bytes] = []
        """Whole lines not yet handed out, the last first."""
        self._closed = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._response.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        while not self._lines:
            data = self._read()
            if not data:
                self._end()
            *lines, rest = (self._rest + data).split(b"\n")
            self._rest = rest
            self._lines = [line for line in reversed(lines) if line.strip()]
        return self._lines.pop()

    def _end(self) -> NoReturn:
        if self._rest.strip() and not self._closed.is_set():
            raise Unreachable("the stream ended in the middle of an event", request=self._request)
        raise StopIteration

    def close(self) -> None:
        self._closed.set()
        # Waking the reader is all that another thread may do; the reader closes the connection.
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            self._response.shutdown()

    def _read(self) -> bytes:
        if self._closed.is_set():
            return b""
        try:
            return self._response.read1(_READ)
        except (HTTPError, OSError, ValueError, AttributeError) as error:
            # ValueError and AttributeError: a TLS connection shut down under the reader.
            if self._closed.is_set():
                return b""
            if isinstance(error, ReadTimeoutError):
                raise Silent(f"no byte for {self._silence:g} s", request=self._request) from None
            raise Unreachable(f"the stream broke: {words_of(error)}", request=self._request) from None


def words_of(error: BaseException) -> str:
    """The operating system's or TLS library's own words: the wrappers repeat addresses of proxies."""
    while True:
        inner = getattr(error, "reason", None) or error.__cause__ or error.__context__
        if not isinstance(inner, BaseException):
            break
        error = inner
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
