"""Entering another network namespace, in a thread of its own that ends there.

The thread that owns the agent's sockets never leaves the agent's namespace, whatever goes wrong.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

CLONE_NEWNET: Final = 0x40000000
_NS_GET_NSTYPE: Final = 0xB703
"""ioctl of linux/nsfs.h: which kind of namespace a descriptor is."""

_Result = TypeVar("_Result")
_libc = ctypes.CDLL(None, use_errno=True)


class NotANamespace(Exception):
    """A path that a request names does not lead to a pod's network namespace."""


@contextmanager
def open_netns(path: str) -> Iterator[int]:
    """A descriptor of a network namespace that is not the caller's own. Raises NotANamespace."""
    try:
        # O_NONBLOCK: the path is the caller's, and opening a FIFO would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise NotANamespace(f"network namespace {path}: {error.strerror}") from error
    try:
        if not _is_netns(descriptor):
            raise NotANamespace(f"network namespace {path}: it is not a network namespace")
        if os.path.samestat(os.fstat(descriptor), os.stat("/proc/thread-self/ns/net")):
            raise NotANamespace(f"network namespace {path}: it is the node's own")
        yield descriptor
    finally:
        os.close(descriptor)


def _is_netns(descriptor: int) -> bool:
    try:
        return fcntl.ioctl(descriptor, _NS_GET_NSTYPE) == CLONE_NEWNET
    except OSError:
        return False


def inside(netns: int, work: Callable[[], _Result]) -> _Result:
    """What `work` returns or raises, run inside the namespace behind a descriptor."""
    return _in_thread(lambda: _enter(_libc.setns, netns, CLONE_NEWNET), work)


def inside_new(work: Callable[[], _Result]) -> _Result:
    """The same inside a namespace that nothing else has, gone afterwards."""
    return _in_thread(lambda: _enter(_libc.unshare, CLONE_NEWNET), work)


def _enter(call: Callable[..., int], *arguments: int) -> None:
    if call(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"entering a network namespace: {os.strerror(code)}")


def _in_thread(enter: Callable[[], None], work: Callable[[], _Result]) -> _Result:
    results: list[_Result] = []
    errors: list[BaseException] = []

    def visit() -> None:
        try:
            enter()
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=visit, name="visitor")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
