"""What the demo says: one line a step as it begins, with the seconds since the start, details below it.

Nothing is ever overwritten, so that a terminal, a file and a log of CI show the same.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from textwrap import wrap
from typing import Final, TextIO

from rich.text import Text

from cli.console import console

_ASCII: Final = str.maketrans({"✓": "Y", "–": "-", "·": ".", "│": "|", "─": "-", "≠": "#", "→": ">"})
"""For terminals that have nothing better."""
_INDENT: Final = " " * 10


class Narrator:
    def __init__(self, stream: TextIO, *, width: int, elapsed: float = 0.0) -> None:
        """`elapsed`: seconds that the story is old already."""
        self._console = console(stream)
        self._width = width
        self._started = time.monotonic() - elapsed
        self._ascii = "utf" not in (stream.encoding or "").lower()

    def step(self, text: str) -> None:
        elapsed = f"[{time.monotonic() - self._started:5.1f} s] "
        self._print(Text.assemble("", (elapsed, "dim"), (text, "bold")))

    def detail(self, *lines: str, style: str = "") -> None:
        """Indented; what is longer than the line goes on below, indented further."""
        for line in lines:
            text = line.lstrip()
            indent = _INDENT + " " * (len(line) - len(text))
            for piece in self._wrapped(text, indent) or [""]:
                self._print(Text(piece, style=style))

    def _wrapped(self, text: str, indent: str) -> list[str]:
        return wrap(
            text,
            self._width,
            initial_indent=indent,
            subsequent_indent=f"{indent}    ",
            break_long_words=False,
            break_on_hyphens=False,
            replace_whitespace=False,
        )

    def passage(self, lines: Iterable[Text | str]) -> None:
        """Lines at the margin, an empty one before and after."""
        for line in ("", *lines, ""):
            self._print(Text(line) if isinstance(line, str) else line)

    def command(self, line: str, output: str) -> None:
        """What was typed and what came back, as it came: a table's lines stay whole."""
        self.passage([Text(f"$ {line}", style="bold"), *output.rstrip().splitlines()])

    def complain(self, *lines: str) -> None:
        self.detail(*(f"WRONG: {line}" for line in lines), style="bold red")

    def verdict(self, checks: int, wrong: int) -> None:
        """The last line."""
        self._print(
            Text(f"demo: {checks} checks, {wrong} wrong", style="bold red" if wrong else "bold green")
        )

    def _print(self, line: Text) -> None:
        if self._ascii:
            line = Text(line.plain.translate(_ASCII))
        self._console.print(line)
        self._console.file.flush()
