"""A server that never outlives the process that started it.

Its log is a file; whoever awaits it hears of its death at once, with the log's last lines. The kernel
kills it with its parent (PR_SET_PDEATHSIG, set by setpriv(8) of util-linux). That signal comes when
the parent's *thread* ends, so one thread, which lives as long as the program, starts every child.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Final

from cli.lab.namespace import Namespace

_LINES: Final = 15
_starter: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="children")


class ServerFailed(RuntimeError):
    """A server did not start, died, or did not get ready in time."""


class Child:
    """One server: `start` and `stop`, any number of times."""

    def __init__(
        self, name: str, command: Sequence[str], *, folder: Path, place: Namespace | None = None
    ) -> None:
        """`place`: the network namespace that it runs in, where that is another one than this process's."""
        self.name = name
        self._place = place
        self.command = tuple(command)
        self.log = folder / f"{name}.log"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        if self._process is not None:
            raise ServerFailed(f"{self.name} runs already; stop it first")
        if shutil.which("setpriv") is None:
            raise ServerFailed(f"{self.name} needs setpriv(8): install util-linux")
        self._process = _starter.submit(self._spawned).result()

    def _spawned(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log, self._place.entered() if self._place else nullcontext():
            return subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *self.command],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,  # a terminal's Ctrl-C is the parent's to handle
            )

    @property
    def pid(self) -> int:
        """0 while it does not run."""
        return self._process.pid if self._process is not None else 0

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        """Returns when it is gone. One that does not run is left alone."""
        if self._process is None:
            return
        self._process.send_signal(how)
        self._process.wait()
        self._process = None

    def await_ready(self, is_ready: Callable[[], bool], *, within: float) -> None:
        """Asks until the answer is yes; ServerFailed when the child dies before, or in `within` seconds.

        A server of another make says no other way that it is ready than by answering.
        """
        deadline = time.monotonic() + within
        pause = 0.01
        while not is_ready():
            if self._process is None or self._process.poll() is not None:
                status = self._process.returncode if self._process is not None else "none"
                raise ServerFailed(f"{self.name} ended with status {status}:\n{self.last_lines()}")
            if time.monotonic() > deadline:
                raise ServerFailed(f"{self.name} is not ready after {within:g} s:\n{self.last_lines()}")
            time.sleep(pause)
            pause = min(pause * 1.5, 0.1)

    def last_lines(self) -> str:
        """The end of its log, and where all of it is."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join([*lines[-_LINES:], f"({self.log})"])
