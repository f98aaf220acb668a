"""Who asks the network and counts: what is declared beside what is seen, said aloud where they differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import unified_diff
from itertools import islice
from typing import Final, TypeVar

from cli.demonstration.checks import Answer, Question, Tally, ask
from cli.demonstration.narrator import Narrator
from cli.demonstration.survey import Survey
from cli.demonstration.table import LEGEND, Row, table_lines
from cli.lab.traffic import Traffic

_SHOWN_COMPLAINTS: Final = 20
_SHOWN_DIFFERENCE: Final = 20

N = TypeVar("N", bound=str)


class Witness:
    def __init__(self, narrator: Narrator, *, width: int) -> None:
        self._say = narrator
        self._width = width
        self.tally = Tally()

    def ask(self, traffic: Traffic, questions: Iterable[Question]) -> list[Answer]:
        answers = ask(traffic, questions)
        complaints = self.tally.count(answers)
        self._say.complain(*complaints[:_SHOWN_COMPLAINTS])
        if len(complaints) > _SHOWN_COMPLAINTS:
            self._say.complain(f"and {len(complaints) - _SHOWN_COMPLAINTS} more, marked in the table")
        return answers

    def table(self, survey: Survey, rows: Sequence[Row]) -> None:
        self._say.passage([*table_lines(survey.groups, rows, width=self._width), *LEGEND])

    def hold(self, otherwise: str, holds: bool) -> None:
        """One fact that must hold; what is said otherwise."""
        self._say.complain(*self.tally.hold(otherwise, holds))

    def hold_equal(self, otherwise: str, before: Mapping[N, str], after: Mapping[N, str]) -> None:
        """One check a node."""
        for node in before:
            difference = unified_diff(before[node].splitlines(), after[node].splitlines(), lineterm="", n=0)
            shown = "".join(f"\n{' ' * 10}    {line}" for line in islice(difference, 2, _SHOWN_DIFFERENCE))
            self.hold(f"{node}: {otherwise}{shown}", before[node] == after[node])
