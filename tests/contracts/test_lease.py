"""Elections over a Lease: the simulated server here, the real one in tests/cluster."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from kube import kinds
from kube.api import Api, NotFound, ObjectRef
from kube.candidate import Terms
from kube.lease import Election, unique_identity
from tests.contracts.apis import new_space, read, text_at

BRISK = Terms(lease=1.5, renew=1, retry=0.1)


@pytest.fixture
def lease(api: Api) -> ObjectRef:
    return new_space(api).ref(kinds.LEASES, "leader")


@pytest.fixture
def pair(api: Api, lease: ObjectRef) -> Iterator[tuple[Election, Election]]:
    first, second = (Election(api, lease, unique_identity(name), terms=BRISK) for name in ("a", "b"))
    yield first, second
    first.stop()
    second.stop()


def test_one_leads_until_it_stops_and_then_the_other(pair: tuple[Election, Election]) -> None:
    first, second = pair
    first.start()
    assert first.wait(30)
    second.start()
    assert not second.wait(0.5)
    first.stop()
    assert second.wait(30)
    assert (first.is_leader(), second.is_leader()) == (False, True)
    assert second.holder == second.identity
    assert second.transitions == 1


def test_a_lease_deleted_under_its_leader_is_made_anew(
    api: Api, lease: ObjectRef, pair: tuple[Election, Election]
) -> None:
    first, _ = pair
    first.start()
    assert first.wait(30)
    before = uid_of(api, lease)
    api.delete(lease)
    deadline = time.monotonic() + 30
    while uid_of(api, lease) in {before, ""}:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert first.wait(30)


def uid_of(api: Api, lease: ObjectRef) -> str:
    """Return the uid; empty while there is no Lease."""
    try:
        return text_at(read(api.get(lease)), "metadata", "uid")
    except NotFound:
        return ""
