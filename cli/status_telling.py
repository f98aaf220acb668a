"""How a report is printed: for people or machines, all of it or one story, once or again and again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from cli.console import console
from cli.status_account import report
from cli.status_board import Facts
from cli.status_overview import overview
from cli.status_report import Report
from cli.status_story import story


@dataclass(frozen=True, kw_only=True, slots=True)
class Telling:
    name: str = ""
    """Of a network or node; "" for the whole cluster."""
    everything: bool = False
    as_json: bool = False
    out: Console = field(default_factory=console)

    def report(self, facts: Facts) -> Report:
        """Raises NoSuchName."""
        return report(facts, self.name)

    def once(self, told: Report) -> None:
        if self.as_json:
            self.out.print(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())
            return
        for line in self._lines(told):
            self.out.print(line)

    def again(self, told: Report) -> None:
        """To a pipe: a document a line, or the page with a line above it that says when."""
        if self.as_json:
            self.out.print(msgspec.json.encode(told).decode())
            return
        self.out.print(Text(f"--- {told.at}", style="dim"))
        self.once(told)
        self.out.print()

    def screen(self) -> Live | None:
        """A page that is drawn over, where there is a terminal to draw on."""
        if self.as_json or not self.out.is_terminal:
            return None
        # Unlike what is printed once, a page must be folded at the terminal's width.
        page = Console(file=self.out.file, markup=False, highlight=False, emoji=False)
        return Live(console=page, screen=True, auto_refresh=False)

    def redraw(self, live: Live, told: Report) -> None:
        live.update(Group(*self._lines(told)), refresh=True)

    def _lines(self, told: Report) -> Iterator[Text]:
        return story(told) if self.name else overview(told, everything=self.everything)
