"""The contract of elections, held by the real API server, and a leader through its restart."""

from __future__ import annotations

import threading
import time

import pytest

from kube.api import Api, ObjectRef
from kube.candidate import Terms
from kube.lease import Election, unique_identity
from tests.cluster.scene import Cluster
from tests.contracts.test_lease import *  # noqa: F403  the contract's tests are run here too


@pytest.fixture
def api(cluster: Cluster) -> Api:
    return cluster.api


def test_a_leader_stays_in_office_through_a_restart_of_the_api_server(
    cluster: Cluster, lease: ObjectRef
) -> None:
    changes: list[bool] = []
    led = threading.Event()

    def note(leads: bool) -> None:
        changes.append(leads)
        led.set()

    terms = Terms(lease=90, renew=60, retry=0.2)
    election = Election(cluster.api, lease, unique_identity("a"), terms=terms, on_change=note)
    election.start()
    assert led.wait(30)
    cluster.plane.restart_api_server()
    renewed = election.remaining()
    deadline = time.monotonic() + 30
    while election.remaining() <= renewed:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    election.stop()
    assert changes == [True, False]
