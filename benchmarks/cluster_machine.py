"""Whose work the machine does meanwhile: times of a benchmark say little without it."""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system, those of its children that have ended included."""
    # After the name in brackets; utime, stime, cutime and cstime are the 14th to the 17th field.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(ticks) for ticks in fields[11:15]) / _TICKS


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    at: float
    busy: float
    """Seconds of all cores."""
    ours: float
    """Of these, those of the processes under measurement and of what measures them."""

    @classmethod
    def now(cls, pids: Collection[int]) -> Moment:
        # user, nice, system, idle, iowait, irq, softirq: what is neither idle nor waiting is busy
        fields = [int(ticks) for ticks in Path("/proc/stat").read_text().split(maxsplit=8)[1:8]]
        busy = sum(fields) - fields[3] - fields[4]
        ours = sum(cpu_seconds(pid) for pid in (os.getpid(), *pids))
        return cls(at=time.monotonic(), busy=busy / _TICKS, ours=ours)

    def others_since(self, before: Moment) -> float:
        """The share of the machine that other processes took."""
        cores = os.cpu_count() or 1
        others = (self.busy - before.busy) - (self.ours - before.ours)
        return max(0.0, others / (cores * (self.at - before.at)))
