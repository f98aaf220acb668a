"""One elector's reasoning about a Lease, without clock, network or threads.

The law: at no instant do two candidates lead. It rests on four rules, all in one's own monotonic time:
- A leader leads until `renew` seconds after it *began* its last successful write, never longer.
- Another's lease is over `lease` seconds after it was *seen* to change for the last time; `lease` is longer.
- Every write names the version that was read, so that of two writers one fails.
- Every renewal changes the object, so that it is seen.
No time written by another machine is ever read: clocks may be years apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

NEVER = float("-inf")


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """Seconds; the defaults are those of Kubernetes' own components."""

    lease: float = 15
    """For how long others leave a silent leader in office."""
    renew: float = 10
    """After how long a leader that could not renew stops by itself."""
    retry: float = 2

    def __post_init__(self) -> None:
        if not self.lease > self.renew > self.retry > 0:
            rule = "the lease must last longer than the renewal's deadline, and that longer than a retry"
            raise ValueError(f"{self}: {rule}")


USUAL_TERMS = Terms()


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """What a Lease says; its times are for people and not kept here, but for `acquired` as text."""

    holder: str
    version: str
    uid: str
    transitions: int = 0
    duration: float = 0
    acquired: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """Read the Lease."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Write:
    """Create the Lease, or put it in the version of `over`."""

    holder: str
    transitions: int
    over: Record | None
    takes: bool
    """Whether the office changes hands, so that it is acquired now."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rest:
    until: float


Action = Look | Write | Rest


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """What one elector knows. All times are of its own monotonic clock."""

    identity: str
    """Of this process alone: two of the same identity would both lead."""
    terms: Terms = USUAL_TERMS
    record: Record | None = None
    """As last seen or written; None where there is none, or nothing was seen yet."""
    changed_at: float = NEVER
    """When the record was last seen to differ from before."""
    looked_at: float = NEVER
    """When `record` was last read; NEVER where it is known to be out of date."""
    tried_at: float = NEVER
    """When something last failed."""
    leads_until: float = NEVER

    def leads(self, now: float) -> bool:
        return now < self.leads_until

    def next(self, now: float) -> Action:
        """Return what to do now."""
        retry = self.tried_at + self.terms.retry
        if now < retry:
            return Rest(until=retry)
        if self.leads(now):
            return self._renewal(now)
        if now >= self.looked_at + self.terms.retry:
            return Look()
        free_at = self._free_at()
        if now < free_at:
            return Rest(until=min(free_at, self.looked_at + self.terms.retry))
        return self._taking()

    def _renewal(self, now: float) -> Action:
        if self.looked_at == NEVER or self.record is None:
            return Look()
        due = self.leads_until - self.terms.renew + self.terms.retry
        return Rest(until=due) if now < due else self._taking()

    def _free_at(self) -> float:
        """From when on the office may be taken."""
        if self.record is None or self.record.holder == self.identity:
            return self.changed_at if self.record is None else NEVER
        if not self.record.holder:
            return NEVER
        return self.changed_at + max(self.terms.lease, self.record.duration)

    def _taking(self) -> Write:
        record = self.record
        if record is None:
            return Write(holder=self.identity, transitions=0, over=None, takes=True)
        takes = record.holder != self.identity
        return Write(holder=self.identity, transitions=record.transitions + takes, over=record, takes=takes)

    def saw(self, record: Record | None, now: float) -> Candidate:
        """The Lease was read; `now` is when the answer had arrived."""
        changed_at, leads_until = self.changed_at, self.leads_until
        if record is None:
            # Someone deleted it under a leader, who goes on for a while.
            changed_at = self._free_at() if self.record else changed_at
        elif self.record is None or record.version != self.record.version:
            changed_at = now
        if record is None or record.holder != self.identity:
            leads_until = NEVER
        return replace(
            self,
            record=record,
            changed_at=changed_at,
            looked_at=now,
            tried_at=NEVER,
            leads_until=leads_until,
        )

    def wrote(self, record: Record, *, sent: float, now: float) -> Candidate:
        """A write succeeded that was begun at `sent`; that it changed nothing is no success."""
        if self.record is not None and record.version == self.record.version:
            return self.failed(now)
        leads = record.holder == self.identity
        return replace(
            self,
            record=record,
            changed_at=now,
            looked_at=now,
            tried_at=NEVER,
            leads_until=sent + self.terms.renew if leads else NEVER,
        )

    def refused(self) -> Candidate:
        """Someone else wrote first: look again. Who leads still does, until its time is over."""
        return replace(self, looked_at=NEVER)

    def failed(self, now: float) -> Candidate:
        """No answer, or one that says nothing about the Lease; a write may have happened."""
        return replace(self, tried_at=now)

    def resigned(self) -> Candidate:
        """No longer leading, whatever follows."""
        return replace(self, leads_until=NEVER)

    def release(self) -> Write | None:
        """Return the write that leaves the office to whoever comes first; after `resigned`."""
        if self.record is None or self.record.holder != self.identity:
            return None
        return Write(holder="", transitions=self.record.transitions, over=self.record, takes=False)
