"""Elections step by step, with clocks of the test's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from kube import kinds
from kube.api import Forbidden, ObjectRef
from kube.candidate import Terms
from kube.fake import FakeApi
from kube.lease import Election, unique_identity
from tests.contracts.apis import at, read

LEASE = ObjectRef(resource=kinds.LEASES, name="atoll-controller", namespace="kube-system")


@dataclass(kw_only=True, slots=True)
class Process:
    """A candidate on a machine with its own network and clocks."""

    api: FakeApi
    name: str
    steady: float = 1000.0
    wall: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    changes: list[bool] = field(default_factory=list)
    election: Election = field(init=False)

    def __post_init__(self) -> None:
        self.election = Election(
            self.api,
            LEASE,
            self.name,
            terms=Terms(lease=15, renew=10, retry=2),
            clock=lambda: self.steady,
            wall=lambda: self.wall,
            on_change=self.changes.append,
        )

    def run(self, seconds: float = 0) -> None:
        """Let time pass, and the election do what it has to."""
        end = self.steady + seconds
        while (pause := self.election.step()) <= end - self.steady:
            self.steady += pause
        self.steady = end


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


def spec(api: FakeApi) -> object:
    return at(read(api.get(LEASE)), "spec")


def together(*processes: Process, seconds: int) -> None:
    for _ in range(seconds):
        for process in processes:
            process.run(1)


def test_the_first_candidate_leads_and_the_lease_says_so(api: FakeApi) -> None:
    first = Process(api=api, name="first")
    first.run()
    assert first.election.is_leader()
    assert first.changes == [True]
    assert spec(api) == {
        "holderIdentity": "first",
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-01-01T00:00:00.000000Z",
        "renewTime": "2026-01-01T00:00:00.000000Z",
        "leaseTransitions": 0,
    }


def test_a_second_candidate_waits(api: FakeApi) -> None:
    first, second = Process(api=api, name="first"), Process(api=api.beside("second"), name="second")
    together(first, second, seconds=100)
    assert (first.election.is_leader(), second.election.is_leader()) == (True, False)
    assert (second.election.holder, second.changes) == ("first", [])


def test_a_renewal_is_seen_even_where_the_wall_clock_stands_still(api: FakeApi) -> None:
    first = Process(api=api, name="first")
    first.run(5)
    assert at(spec(api), "renewTime") == "2026-01-01T00:00:00.000002Z"
    assert at(spec(api), "acquireTime") == "2026-01-01T00:00:00.000000Z"


@pytest.mark.parametrize("years", [-30, 30])
def test_the_wall_clock_of_the_other_machine_does_not_matter(api: FakeApi, years: int) -> None:
    first = Process(
        api=api, name="first", wall=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=365 * years)
    )
    second = Process(api=api.beside("second"), name="second")
    together(first, second, seconds=60)
    assert (first.election.is_leader(), second.election.is_leader()) == (True, False)
    together(second, seconds=14)
    assert not second.election.is_leader()
    together(second, seconds=4)
    assert second.election.is_leader()
    assert at(spec(api), "leaseTransitions") == 1


def test_a_process_that_was_paused_knows_at_once_that_it_no_longer_leads(api: FakeApi) -> None:
    first = Process(api=api, name="first")
    first.run()
    first.steady += 9.9
    assert first.election.is_leader()
    assert first.election.remaining() == pytest.approx(0.1)
    first.steady += 0.1
    assert not first.election.is_leader()
    assert first.election.remaining() == 0


def test_a_leader_that_cannot_renew_stops_before_another_begins(api: FakeApi) -> None:
    first, second = Process(api=api, name="first"), Process(api=api.beside("second"), name="second")
    together(first, second, seconds=20)
    api.outage = True
    led = []
    for _ in range(30):
        together(first, second, seconds=1)
        led.append((first.election.is_leader(), second.election.is_leader()))
    assert (True, True) not in led
    assert led[0] == (True, False)
    assert led[-1] == (False, True)
    assert first.changes == [True, False]
    assert (
        first.election.error
        == "GET leases.coordination.k8s.io kube-system/atoll-controller: Connection refused"
    )


def test_a_leader_outlives_an_outage_shorter_than_its_deadline(api: FakeApi) -> None:
    first = Process(api=api, name="first")
    first.run(20)
    api.outage = True
    first.run(7)
    api.outage = False
    first.run(20)
    assert first.changes == [True]


def test_a_leader_whose_renewal_was_carried_out_but_not_answered_goes_on(api: FakeApi) -> None:
    first, second = Process(api=api, name="first"), Process(api=api.beside("second"), name="second")
    together(first, second, seconds=5)
    api.lost_answers = 1
    together(first, second, seconds=40)
    assert (first.changes, second.changes) == ([True], [])


def test_a_released_lease_is_taken_at_once(api: FakeApi) -> None:
    first, second = Process(api=api, name="first"), Process(api=api.beside("second"), name="second")
    together(first, second, seconds=5)
    first.election.release()
    assert not first.election.is_leader()
    assert at(spec(api), "holderIdentity") == ""
    together(second, seconds=3)
    assert second.election.is_leader()


def test_a_release_after_an_unanswered_renewal_is_made_in_the_present_version(api: FakeApi) -> None:
    first = Process(api=api, name="first")
    first.run()
    first.steady += 2
    api.lost_answers = 1
    first.election.step()
    first.election.release()
    assert at(spec(api), "holderIdentity") == ""


def test_a_candidate_that_does_not_lead_releases_nothing(api: FakeApi) -> None:
    first, second = Process(api=api, name="first"), Process(api=api.beside("second"), name="second")
    together(first, second, seconds=5)
    second.election.release()
    assert at(spec(api), "holderIdentity") == "first"


def test_a_lease_taken_by_someone_else_ends_the_lead(api: FakeApi) -> None:
    first = Process(api=api, name="first")
    first.run()
    api.beside("thief").patch(LEASE, {"spec": {"holderIdentity": "thief"}})
    first.run(3)
    assert first.changes == [True, False]
    assert first.election.holder == "thief"


def test_a_deleted_lease_is_made_anew(api: FakeApi) -> None:
    first = Process(api=api, name="first")
    first.run()
    api.delete(LEASE)
    first.run(5)
    assert first.election.is_leader()
    assert at(spec(api), "holderIdentity") == "first"


@pytest.mark.parametrize("content", [None, {}, {"holderIdentity": None, "leaseTransitions": None}])
def test_a_lease_that_says_nothing_is_taken(api: FakeApi, content: object) -> None:
    body = {"metadata": {"name": LEASE.name}} | ({} if content is None else {"spec": content})
    api.create(kinds.LEASES, body, namespace=LEASE.namespace)
    first = Process(api=api, name="first")
    first.run()
    assert first.election.is_leader()
    assert at(spec(api), "leaseTransitions") == 1


def test_a_refusal_is_told_and_asked_again(api: FakeApi) -> None:
    api.refusals.append(Forbidden("no", status=403, reason="Forbidden"))
    first = Process(api=api, name="first")
    first.run()
    assert first.election.error == "403 Forbidden: no"
    first.run(3)
    assert (first.election.is_leader(), first.election.error) == (True, "")


def test_two_processes_on_one_machine_have_different_identities() -> None:
    assert unique_identity("host") != unique_identity("host")
    assert unique_identity("host").startswith("host_")
