"""An expectation beside what really happened: the rows that the kernel tests and the demo are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cli.lab.traffic import Outcome, Probe, Traffic, Verdict


class Expected(StrEnum):
    REACHED = "reached"
    REFUSED = "refused at once"
    """An immediate answer that says no: a reset or an ICMP error."""
    UNREACHED = "not reached"
    """Refusal or silence: where no answer is promised."""


AT_ONCE = 5.0
"""Seconds. An emulated processor that other work shares takes that for what a real one does at once."""
PATIENCE = {Expected.REACHED: 10.0, Expected.REFUSED: 10.0, Expected.UNREACHED: 2.0}
"""Seconds to wait for an answer: long where one must come, and so is never waited out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One probe and what must come of it."""

    title: str
    """From and to, as people name them."""
    probe: Probe
    expected: Expected
    by: str = ""
    """Who must answer; "" for anyone."""

    def holds(self, outcome: Outcome) -> bool:
        match self.expected:
            case Expected.REACHED:
                named = self.by if self.probe.protocol != "ICMP" else ""
                return outcome.verdict is Verdict.REACHED and named in ("", outcome.by)
            case Expected.REFUSED:
                refused = outcome.verdict in (Verdict.REFUSED, Verdict.REJECTED)
                return refused and outcome.elapsed < AT_ONCE
            case Expected.UNREACHED:
                return outcome.verdict is not Verdict.REACHED


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """A check and its outcome."""

    check: Check
    outcome: Outcome

    @property
    def right(self) -> bool:
        return self.check.holds(self.outcome)

    def __str__(self) -> str:
        check, probe, outcome = self.check, self.check.probe, self.outcome
        port = f" port {probe.port}" if probe.port else ""
        by = f" {check.by}" if check.by else ""
        detail = f" ({outcome.detail})" if outcome.detail else ""
        return (
            f"{check.title}: {probe.protocol} to {probe.address}{port}: expected {check.expected}{by},"
            f" saw {outcome}{detail} after {outcome.elapsed:.2f} s"
        )


def run_checks(traffic: Traffic, checks: Iterable[Check]) -> list[Seen]:
    """All at the same time."""
    listed: Sequence[Check] = list(checks)
    outcomes = traffic.probe_all([check.probe for check in listed])
    return [Seen(check=check, outcome=outcome) for check, outcome in zip(listed, outcomes, strict=True)]


def wrong(seen: Iterable[Seen]) -> list[str]:
    """What is not as expected, for people."""
    return [str(one) for one in seen if not one.right]
