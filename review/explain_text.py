"""An answer as lines for people: yes or no first, then why, then the way. Marked, for colours."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from itertools import groupby
from typing import NamedTuple

from review.explain_answer import Answer, Family, Step, Way


class Mark(StrEnum):
    YES = "yes"
    NO = "no"
    TITLE = "title"
    PLAIN = "plain"
    DIM = "dim"


class TextLine(NamedTuple):
    mark: Mark
    text: str


def answer_lines(answer: Answer, *, everything: bool = False) -> Iterator[TextLine]:
    """Without line ends; "" for an empty line. Texts of the repository are as they are: escape them.

    Of two families that fare alike only the first is told, of the way back only what decides; `everything`
    leaves nothing out.
    """
    verb = "reaches" if answer.reaches else "does not reach"
    mark = Mark.YES if answer.reaches else Mark.NO
    yield TextLine(mark, f"{mark}: {answer.source} {verb} {answer.target} at {answer.protocol}/{answer.port}")
    if not answer.as_declared:
        may = "should reach it" if answer.declared else "should not"
        yield TextLine(Mark.NO, f"This is not what is declared: it {may}. `atoll verify` shows more.")
    for note in answer.notes:
        yield TextLine(Mark.DIM, note)
    yield from _declared(answer)
    told: list[Family] = []
    for family in answer.families:
        twin = next((one for one in told if _alike(one) == _alike(family)), None)
        if twin is not None and not everything:
            yield TextLine(Mark.PLAIN, "")
            yield TextLine(Mark.TITLE, f"IPv{family.version}, {family.source} to {family.target}: the same")
        else:
            told.append(family)
            yield from _family(family, everything)
    yield from _remedies(answer)
    yield from _lines(answer)


def _alike(family: Family) -> list[tuple[object, ...]]:
    """What a reader would tell two families apart by, their addresses aside."""
    return [
        (way.arrives, _nameless(way, family), *((s.node, s.hook, s.chain, s.means) for s in way.steps))
        for way in (*family.there, *family.back)
    ]


def _nameless(way: Way, family: Family) -> str:
    return way.end.replace(family.source, "").replace(family.target, "")


def _declared(answer: Answer) -> Iterator[TextLine]:
    known = {line.place: line for line in answer.lines}
    yield TextLine(Mark.PLAIN, "")
    yield TextLine(Mark.TITLE, "Declared")
    for reason in answer.reasons:
        yield TextLine(Mark.PLAIN, f"  {reason.what}")
        for place in reason.places:
            line = known.get(place)
            by = f"  {line.commit[:10]}  {line.author}" if line else ""
            yield TextLine(Mark.DIM, f"    {place}{by}")


def _family(family: Family, everything: bool) -> Iterator[TextLine]:
    there, back = f"{family.source} to {family.target}", f"{family.target} to {family.source}"
    for title, pair, ways in (("there", there, family.there), ("back", back, family.back)):
        for number, way in enumerate(ways, start=1):
            which = f", {number} of {len(ways)}" if len(ways) > 1 else ""
            yield TextLine(Mark.PLAIN, "")
            yield TextLine(Mark.TITLE, f"The way {title}, IPv{family.version}, {pair}{which}")
            yield from _way(way, everything=everything or title == "there")


def _way(way: Way, *, everything: bool) -> Iterator[TextLine]:
    steps = [step for step in way.steps if everything or step.hook in _DECIDING]
    for node, at in groupby(steps, key=lambda step: step.node):
        yield TextLine(Mark.PLAIN, f"  {node}")
        for (hook, link), some in groupby(at, key=lambda step: (step.hook, step.link)):
            on = f" on {link}" if link and hook != "routing" else ""
            yield TextLine(Mark.PLAIN, f"    {hook}{on}")
            for step in some:
                yield from _step(step)
    yield TextLine(Mark.YES if way.arrives else Mark.NO, f"  => {way.end}")


_DECIDING = ("routing", "forward", "input", "output")
"""Hooks that say where a packet goes and whether it may; the others prepare."""


def _step(step: Step) -> Iterator[TextLine]:
    yield TextLine(Mark.PLAIN, f"      {step.chain}{': ' if step.chain else ''}{step.rule}")
    if step.element:
        yield TextLine(Mark.PLAIN, f"        {step.element}")
    because = f"  ({', '.join(step.places)})" if step.places else ""
    if step.means or because:
        yield TextLine(Mark.DIM, f"        {step.means}{because}")


def _remedies(answer: Answer) -> Iterator[TextLine]:
    if not answer.remedies:
        return
    yield TextLine(Mark.PLAIN, "")
    yield TextLine(Mark.TITLE, "For a yes")
    for remedy in answer.remedies:
        yield TextLine(Mark.PLAIN, f"  {remedy.what}")
        for line in remedy.yaml.splitlines():
            yield TextLine(Mark.DIM, f"    {line}".rstrip())


def _lines(answer: Answer) -> Iterator[TextLine]:
    """Who wrote the lines that steps name, beside those of the reasons."""
    shown = {place for reason in answer.reasons for place in reason.places}
    others = [line for line in answer.lines if line.place not in shown]
    if others:
        yield TextLine(Mark.PLAIN, "")
        yield TextLine(Mark.TITLE, "Lines that steps name")
    for line in others:
        yield TextLine(Mark.DIM, f"  {line.place}  {line.commit[:10]}  {line.author}")
