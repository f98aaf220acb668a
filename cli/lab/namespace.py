"""One network namespace, named as `ip netns` names them.

A socket belongs for life to the namespace it was opened in, and a network namespace is a thread's,
not a process's. So one process can hold traffic between any number of namespaces: it enters one,
opens the socket, and leaves. Python has setns and unshare from 3.12 on only; the C library always.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

FOLDER: Final = Path("/run/netns")
_CLONE_NEWNET: Final = 0x40000000
_MS_BIND: Final = 0x1000
_MNT_DETACH: Final = 2
_OWN: Final = "/proc/thread-self/ns/net"
_libc: Final = ctypes.CDLL(None, use_errno=True)


class CommandFailed(RuntimeError):
    """A command that builds the lab was refused by the kernel."""


class Namespace:
    """Exists from its making until `close`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = FOLDER / name
        FOLDER.mkdir(parents=True, exist_ok=True)
        self.path.touch(exist_ok=False)
        home = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _checked(_libc.unshare(_CLONE_NEWNET), f"unshare for namespace {name}")
            _checked(
                _libc.mount(_OWN.encode(), str(self.path).encode(), None, _MS_BIND, None),
                f"mount {self.path}",
            )
            self._descriptor = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        finally:
            _checked(_libc.setns(home, _CLONE_NEWNET), "setns back")
            os.close(home)
        self.ip("link set lo up")

    @contextmanager
    def entered(self) -> Iterator[None]:
        """The calling thread is inside. Nothing may be awaited meanwhile: the thread is the event loop's."""
        home = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _checked(_libc.setns(self._descriptor, _CLONE_NEWNET), f"setns {self.name}")
            yield
        finally:
            _checked(_libc.setns(home, _CLONE_NEWNET), "setns back")
            os.close(home)

    def ip(self, commands: str) -> None:
        """Runs lines of ip(8), without the word `ip`, in one process."""
        self.run("ip", "-batch", "-", text=commands + "\n")

    def nft(self, commands: str) -> None:
        """Runs nft(8) text in one transaction."""
        self.run("nft", "-f", "-", text=commands)

    def run(self, *command: str, text: str = "") -> str:
        """What the command prints; CommandFailed with its complaint and its input when it fails."""
        with self.entered():
            process = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        if process.returncode != 0:
            raise CommandFailed(f"{self.name}: {' '.join(command)}: {process.stderr.strip()}\n{text}")
        return process.stdout

    def sysctl(self, **values: int) -> None:
        """Sets keys written with `__` for the slash: net__ipv4__ip_forward=1."""
        with self.entered():
            for key, value in values.items():
                Path("/proc/sys", *key.split("__")).write_text(str(value))

    def close(self) -> None:
        """Takes the name away; the kernel frees the namespace when its last socket and process are gone."""
        os.close(self._descriptor)
        detach(self.path)
        self.path.unlink(missing_ok=True)


def detach(mounted: Path) -> None:
    """Unmounts at once; who uses it still has it to the end."""
    _libc.umount2(str(mounted).encode(), _MNT_DETACH)


def detach_below(folder: Path) -> None:
    """Unmounts everything inside of a folder."""
    for mount in reversed(mounts()):
        if mount.is_relative_to(folder):
            detach(mount)


def mounts() -> list[Path]:
    """Where something is mounted, in the order of mounting."""
    return [Path(line.split()[1]) for line in Path("/proc/self/mounts").read_text().splitlines()]


def _checked(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")
