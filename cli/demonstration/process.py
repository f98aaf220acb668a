"""One process of the product: `atoll controller` or `atoll agent`, with its log in a file."""

from __future__ import annotations

import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Final

from cli.failure import Failure
from cli.lab.namespace import Namespace

PROGRAM: Final = "from cli.main import main; main()"
_SHOWN_LINES: Final = 12
_END_SECONDS: Final = 10.0


class Process:
    def __init__(
        self,
        name: str,
        arguments: list[str],
        *,
        folder: Path,
        place: Namespace | None,
        program: str = PROGRAM,
    ) -> None:
        """Starts it, in the network namespace `place` where one is given. `program` is Python."""
        self.name = name
        self.log = folder / f"{name}.log"
        # A session of its own: Ctrl-C is for the demo, which ends its processes in order.
        with self.log.open("wb") as log, place.entered() if place else nullcontext():
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-c", program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    def require_alive(self) -> None:
        """Raises Failure with the end of the log."""
        status = self._child.poll()
        if status is not None:
            raise Failure(f"{self.name} ended with status {status}; its log ends so:\n{self.last_lines()}")

    def last_lines(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-_SHOWN_LINES:]
        return "\n".join(f"  {self.name}: {line}" for line in lines) or f"  {self.name}: (nothing)"

    def line_with(self, text: str) -> str:
        """The last line of the log that contains a text; "" without one."""
        lines = self.log.read_text(errors="replace").splitlines()
        return next((line for line in reversed(lines) if text in line), "")

    def ask_to_end(self) -> None:
        if self._child.poll() is None:
            self._child.terminate()

    def kill(self) -> None:
        """At once, and without a word."""
        self._child.kill()
        self._child.wait()

    def end(self) -> None:
        self.ask_to_end()
        try:
            self._child.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
