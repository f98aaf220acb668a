"""Problems as compilers print them: place, what is wrong, the source line with a caret, the remedy.

networks/red.yaml:7:5: error ATL401: VirtualNetwork team-a/red: 10.1.0/24 is not a range
   7 |   - 10.1.0/24
     |     ^
     = Write it as CIDR
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from compiler.problem import Problem, Severity

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_LINE_END = re.compile(r"\r\n|\r|\n")
_WIDTH = 100
"""Characters of a source line that are shown."""
_COLOURS = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow"}


class Sources:
    """Source lines by file, each file split once."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files
        self._lines: dict[str, list[str]] = {}

    def line(self, path: str, number: int) -> str | None:
        if path not in self._files:
            return None
        if path not in self._lines:
            text = self._files[path].decode(errors="replace").removeprefix("\ufeff")
            self._lines[path] = _LINE_END.split(text)
        lines = self._lines[path]
        return lines[number - 1] if 0 < number <= len(lines) else None


def problem_text(problem: Problem, sources: Sources) -> Text:
    """Return the lines of one problem, without a line end after the last."""
    from rich.text import Text

    text = Text()
    if problem.origin:
        text.append(f"{safe(str(problem.origin))}: ", style="bold")
    text.append(f"{problem.severity} {problem.code}", style=_COLOURS[problem.severity])
    text.append(f": {safe(problem.subject)}: {safe(problem.reason)}")
    margin = 4
    origin = problem.origin
    line = sources.line(origin.path, origin.line) if origin else None
    if origin and line is not None:
        shown, caret = _excerpt(line, origin.column)
        margin = max(margin, len(str(origin.line)))
        text.append(f"\n{origin.line:>{margin}} | ", style="dim")
        text.append(shown)
        text.append(f"\n{'':>{margin}} | ", style="dim")
        text.append(f"{'':>{caret}}^", style=_COLOURS[problem.severity])
    text.append(f"\n{'':>{margin}} = ", style="dim")
    text.append(safe(problem.remedy))
    return text


def summary_text(problems: Iterable[Problem]) -> Text:
    """Return the closing line: how many errors and warnings."""
    from rich.text import Text

    severities = [problem.severity for problem in problems]
    errors, warnings = severities.count(Severity.ERROR), severities.count(Severity.WARNING)
    text = Text()
    text.append(counted(errors, "error"), style="bold red" if errors else "bold green")
    text.append(", ")
    text.append(counted(warnings, "warning"), style="bold yellow" if warnings else "")
    return text


def counted(number: int, noun: str) -> str:
    """Return `1 error`, `2 errors`, `1,000 errors`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def safe(text: str) -> str:
    """Return text that cannot move a terminal's cursor: repository content is hostile."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )


def _excerpt(line: str, column: int) -> tuple[str, int]:
    """Return the part of a line around a column, and how many cells stand left of the caret."""
    from rich.cells import cell_len

    line = safe(line.replace("\t", " "))
    position = min(max(column - 1, 0), len(line))
    start = 0 if position < _WIDTH else position - _WIDTH // 2
    shown = line[start : start + _WIDTH]
    before, after = "... " if start else "", " ..." if len(line) > start + _WIDTH else ""
    return f"{before}{shown}{after}", cell_len(before + shown[: position - start])


def print_problems(out: Console, problems: Iterable[Problem], files: Mapping[str, bytes]) -> None:
    """Print each problem with its source line, an empty line after it."""
    sources = Sources(files)
    for problem in problems:
        out.print(problem_text(problem, sources))
        out.print()
