"""At no instant do two candidates lead: any number of them, any delays, pauses, losses and clocks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube.candidate import Candidate, Look, Record, Rest, Terms, Write

TERMS = Terms(lease=15, renew=10, retry=2)


class Server:
    """One Lease with optimistic locking."""

    def __init__(self) -> None:
        self.record: Record | None = None
        self.version = 0

    def serve(self, action: Look | Write) -> Record | str | None:
        if isinstance(action, Look):
            return self.record
        now = self.record
        if (now and (now.version, now.uid)) != (action.over and (action.over.version, action.over.uid)):
            return "refused"
        self.version += 1
        self.record = Record(
            holder=action.holder,
            version=str(self.version),
            uid="one",
            transitions=action.transitions,
            duration=TERMS.lease if action.holder else 1,
        )
        return self.record


@dataclass(kw_only=True, slots=True)
class Request:
    action: Look | Write
    sent: float
    answer: Record | str | None = "none yet"


@dataclass(kw_only=True, slots=True)
class Elector:
    """A process: its clock runs a little fast or slow, and began at any time."""

    candidate: Candidate
    rate: float
    offset: float
    request: Request | None = None
    retired: bool = False
    """Resigned; only a restart brings it back."""

    def clock(self, time: float) -> float:
        return self.offset + time * self.rate


@dataclass(kw_only=True, slots=True)
class World:
    electors: list[Elector]
    server: Server = field(default_factory=Server)
    time: float = 0
    ghosts: list[Request] = field(default_factory=list)
    """Requests whose senders have given up on them; they may still arrive."""
    born: int = 0

    def leaders(self) -> list[str]:
        return [
            elector.candidate.identity
            for elector in self.electors
            if elector.candidate.leads(elector.clock(self.time))
        ]

    def act(self, elector: Elector) -> None:
        now = elector.clock(self.time)
        if elector.request is None and not elector.retired:
            action = elector.candidate.next(now)
            if not isinstance(action, Rest):
                elector.request = Request(action=action, sent=now)

    def serve(self, request: Request | None) -> None:
        if request and request.answer == "none yet":
            request.answer = self.server.serve(request.action)

    def answer(self, elector: Elector) -> None:
        request, now = elector.request, elector.clock(self.time)
        if request is None or request.answer == "none yet":
            return
        elector.request = None
        candidate = elector.candidate
        if request.answer == "refused":
            elector.candidate = candidate.refused()
        elif isinstance(request.action, Look):
            assert not isinstance(request.answer, str)
            elector.candidate = candidate.saw(request.answer, now)
        else:
            assert isinstance(request.answer, Record)
            elector.candidate = candidate.wrote(request.answer, sent=request.sent, now=now)

    def lose(self, elector: Elector) -> None:
        if elector.request:
            self.ghosts.append(elector.request)
            elector.request = None
            elector.candidate = elector.candidate.failed(elector.clock(self.time))

    def turn(self, elector: Elector) -> None:
        for _ in range(3):
            self.act(elector)
            self.serve(elector.request)
            self.answer(elector)

    def resign(self, elector: Elector) -> None:
        """A clean stop: the release may wait, be lost, and arrive late like all others."""
        if elector.request is None:
            elector.candidate = elector.candidate.resigned()
            write = elector.candidate.release()
            if write:
                self.ghosts.append(Request(action=write, sent=elector.clock(self.time)))
            elector.retired = True

    def restart(self, elector: Elector) -> None:
        if elector.request:
            self.ghosts.append(elector.request)
        self.born += 1
        elector.request = None
        elector.retired = False
        elector.candidate = Candidate(identity=f"reborn-{self.born}", terms=TERMS)

    def do(self, what: str, who: int) -> None:
        elector = self.electors[who % len(self.electors)]
        match what:
            case "act":
                self.act(elector)
            case "serve":
                self.serve(elector.request)
            case "send":
                self.act(elector)
                self.serve(elector.request)
            case "answer":
                self.answer(elector)
            case "lose":
                self.lose(elector)
            case "turn":
                self.turn(elector)
            case "ghost" if self.ghosts:
                self.serve(self.ghosts[who % len(self.ghosts)])
            case "resign":
                self.resign(elector)
            case "crash":
                self.restart(elector)


def world(*clocks: tuple[float, float]) -> World:
    electors = [
        Elector(candidate=Candidate(identity=f"elector-{number}", terms=TERMS), rate=rate, offset=offset)
        for number, (rate, offset) in enumerate(clocks)
    ]
    return World(electors=electors)


CLOCKS = st.tuples(st.sampled_from((0.9, 1.0, 1.1)), st.sampled_from((0.0, 5e8, -5e8, 3.7)))
EVENTS = st.sampled_from(
    (*("turn", "send", "answer") * 3, "act", "serve", "lose", "ghost", "resign", "crash")
)
DELAYS = st.sampled_from((0.0, 0.0, 0.5, 1.0, 2.0, 2.1, 4.9, 5.1, 7.9, 10.0, 14.9, 15.1, 40.0))


@settings(max_examples=600, deadline=None)
@given(
    clocks=st.lists(CLOCKS, min_size=2, max_size=3),
    story=st.lists(st.tuples(EVENTS, st.integers(0, 5), DELAYS), min_size=10, max_size=80),
)
def test_two_never_lead_at_once(
    clocks: list[tuple[float, float]], story: list[tuple[str, int, float]]
) -> None:
    here = world(*clocks)
    for what, who, delay in story:
        here.time += delay
        here.do(what, who)
        assert len(here.leaders()) <= 1


def test_a_late_answer_does_not_prolong_the_lead() -> None:
    here = world((1, 0), (1, 0))
    first, second = here.electors
    here.do("turn", 0)
    here.time = 2
    here.do("send", 0)
    here.do("turn", 1)
    here.time = 14
    here.do("answer", 0)
    assert here.leaders() == []
    here.time = 17
    here.turn(second)
    here.turn(first)
    assert here.leaders() == ["elector-1"]


@settings(max_examples=100, deadline=None)
@given(clocks=st.lists(CLOCKS, min_size=1, max_size=3), start=st.floats(0, 100))
def test_someone_leads_soon_and_goes_on_leading(clocks: list[tuple[float, float]], start: float) -> None:
    here = world(*clocks)
    here.time = start
    for _ in range(4):
        for elector in here.electors:
            here.turn(elector)
        here.time += 1
    first = here.leaders()
    assert len(first) == 1
    for _ in range(100):
        here.time += 1
        for elector in here.electors:
            here.turn(elector)
        assert here.leaders() == first


@settings(max_examples=100, deadline=None)
@given(clocks=st.lists(CLOCKS, min_size=2, max_size=3))
def test_a_leader_that_vanished_is_replaced_when_its_lease_is_over(clocks: list[tuple[float, float]]) -> None:
    here = world(*clocks)
    for elector in here.electors:
        here.turn(elector)
    for _ in range(24):  # the lease, the interval of looking, and what slow clocks add
        here.time += 1
        for elector in here.electors[1:]:
            here.turn(elector)
        assert len(here.leaders()) <= 1
    assert here.leaders() in (["elector-1"], ["elector-2"])
    assert here.server.record is not None
    assert here.server.record.transitions == 1


def test_who_resigns_no_longer_leads_and_the_next_need_not_wait() -> None:
    here = world((1, 0), (1, 0))
    here.do("turn", 0)
    here.do("turn", 1)
    here.do("resign", 0)
    assert here.leaders() == []
    here.do("ghost", 0)
    here.time = 2
    here.do("turn", 1)
    assert here.leaders() == ["elector-1"]


def test_a_renewal_that_changed_nothing_does_not_prolong_the_lead() -> None:
    here = world((1, 0))
    here.turn(here.electors[0])
    leader, record = here.electors[0].candidate, here.server.record
    assert record is not None
    assert leader.wrote(record, sent=5, now=5).leads_until == leader.leads_until


def test_a_leader_whose_lease_was_deleted_stops_when_it_sees_that() -> None:
    here = world((1, 0))
    here.turn(here.electors[0])
    assert not here.electors[0].candidate.saw(None, 1).leads(1)


def test_a_candidate_that_saw_a_leader_waits_although_the_lease_was_deleted() -> None:
    here = world((1, 0), (1, 0))
    for elector in here.electors:
        here.turn(elector)
    here.server.record = None
    here.time = 9
    here.turn(here.electors[1])
    assert here.server.record is None
    assert here.leaders() == ["elector-0"]
    here.time = 15
    here.turn(here.electors[1])
    assert here.leaders() == ["elector-1"]


def test_the_longer_of_two_lease_durations_is_waited_for() -> None:
    other = Record(holder="other", version="1", uid="one", duration=60)
    candidate = Candidate(identity="me", terms=TERMS).saw(other, 0)
    assert candidate.next(1) == Rest(until=2)
    assert isinstance(replace(candidate, looked_at=59).next(59.5), Rest)
    assert isinstance(replace(candidate, looked_at=59).next(60), Write)


@pytest.mark.parametrize(("lease", "renew", "retry"), [(10, 10, 2), (15, 2, 2), (15, 10, 0)])
def test_terms_that_would_allow_two_leaders_are_refused(lease: float, renew: float, retry: float) -> None:
    with pytest.raises(ValueError, match="the lease must last longer than the renewal's deadline"):
        Terms(lease=lease, renew=renew, retry=retry)
