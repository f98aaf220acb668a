"""A question to the network, what the declarations promise as its answer, and what came back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum

from cli.lab.check import AT_ONCE
from cli.lab.traffic import Outcome, Probe, Traffic, Verdict

_FORGERS = 8


class Mark(StrEnum):
    """One answer, as the table shows it."""

    REACHED = "✓"
    OTHER = "o"
    """Another pod answered, of the client's own network and with the address that was asked."""
    REFUSED = "–"
    """Refused at once."""
    SILENT = "·"
    """No answer. As a promise: nobody answers, at once or at all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    section: str
    target: str
    """The row."""
    client: str
    """The column."""
    probe: Probe
    promised: Mark
    answerers: frozenset[str] = frozenset()
    """Who may answer; ICMP names nobody."""
    forged: bool = False
    """Its source is not the sender's own: only whether it arrives is asked."""

    @property
    def version(self) -> int:
        return self.probe.address.version


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    question: Question
    seen: Mark
    right: bool
    detail: str

    def __str__(self) -> str:
        question, probe = self.question, self.question.probe
        port = f" port {probe.port}" if probe.port and probe.protocol != "ICMP" else ""
        return (
            f"{question.client} -> {question.target}, {probe.protocol} to {probe.address}{port}:"
            f" declared {question.promised.name.lower()}, seen {self.detail}"
        )


def ask(traffic: Traffic, questions: Iterable[Question]) -> list[Answer]:
    """All at the same time."""
    listed: Sequence[Question] = list(questions)
    honest = [question for question in listed if not question.forged]
    forged = [question for question in listed if question.forged]
    outcomes = traffic.probe_all([question.probe for question in honest])
    answers = [judged(question, outcome) for question, outcome in zip(honest, outcomes, strict=True)]
    with ThreadPoolExecutor(_FORGERS) as threads:
        arrived = threads.map(traffic.is_delivered, [question.probe for question in forged])
        return answers + [_forgery(*pair) for pair in zip(forged, arrived, strict=True)]


def judged(question: Question, outcome: Outcome) -> Answer:
    seen = _mark(question, outcome)
    right = seen is question.promised
    if question.promised is Mark.SILENT:
        right = seen in (Mark.SILENT, Mark.REFUSED)
    if question.promised is Mark.REFUSED:
        right = right and outcome.elapsed < AT_ONCE
    detail = f"{outcome} after {outcome.elapsed:.2f} s"
    return Answer(question=question, seen=seen, right=right, detail=detail)


def _mark(question: Question, outcome: Outcome) -> Mark:
    if outcome.verdict is Verdict.SILENCE:
        return Mark.SILENT
    if outcome.verdict is not Verdict.REACHED:
        return Mark.REFUSED
    if question.promised in (Mark.REACHED, Mark.OTHER) and outcome.by in ("", *question.answerers):
        return question.promised
    # Somebody answered who must not: the one that was asked for, or somebody else.
    return Mark.OTHER if question.promised is Mark.REACHED else Mark.REACHED


def _forgery(question: Question, arrived: bool) -> Answer:
    seen = Mark.REACHED if arrived else Mark.SILENT
    detail = "delivered" if arrived else "not delivered"
    return Answer(question=question, seen=seen, right=seen is question.promised, detail=detail)


@dataclass(kw_only=True, slots=True)
class Tally:
    """How many checks there were, and which were wrong."""

    checks: int = 0
    wrong: list[str] = field(default_factory=list)

    def count(self, answers: Sequence[Answer]) -> list[str]:
        """The wrong ones, in words."""
        complaints = [str(answer) for answer in answers if not answer.right]
        self.checks += len(answers)
        self.wrong += complaints
        return complaints

    def hold(self, fact: str, holds: bool) -> list[str]:
        """One fact that must hold."""
        self.checks += 1
        complaints = [] if holds else [fact]
        self.wrong += complaints
        return complaints
