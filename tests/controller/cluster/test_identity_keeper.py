"""Nodes' identities in a thread of their own, which nothing ends but the end of the leadership."""

from __future__ import annotations

import threading
from collections.abc import Collection

import pytest

from compiler.names import NodeName
from controller.cluster.identities import Identities, IdentitiesFailed
from controller.cluster.identity_keeper import IdentityKeeper
from controller.cluster.leadership import Deposed
from controller.log import MemoryLog
from kube.fake import FakeApi

PATIENCE = 10.0
ONE, TWO = frozenset({NodeName("node-1")}), frozenset({NodeName("node-1"), NodeName("node-2")})


class Stumbling(Identities):
    """Fails so often, in its own way."""

    def __init__(self, *failures: Exception) -> None:
        super().__init__(FakeApi())
        self.failures = list(failures)
        self.asked = threading.Semaphore(0)
        self.done: list[frozenset[NodeName]] = []

    def reconcile(self, nodes: Collection[NodeName]) -> None:
        try:
            if self.failures:
                raise self.failures.pop(0)
            self.done.append(frozenset(nodes))
        finally:
            self.asked.release()


@pytest.mark.parametrize(
    "failure", [IdentitiesFailed("put role: refused"), KeyError("metadata"), OSError("disk")]
)
def test_whatever_goes_wrong_is_logged_and_tried_again(failure: Exception) -> None:
    identities, log = Stumbling(failure), MemoryLog()
    keeper = IdentityKeeper(identities=identities, log=log)
    keeper.start()
    keeper.want(ONE)
    assert identities.asked.acquire(timeout=PATIENCE)
    keeper.want(TWO)
    assert identities.asked.acquire(timeout=PATIENCE)
    keeper.stop()
    assert identities.done == [TWO]
    assert [event for event, _ in log.events] == ["identities-failed"]


def test_the_same_nodes_again_ask_for_nothing() -> None:
    identities = Stumbling()
    keeper = IdentityKeeper(identities=identities, log=MemoryLog())
    keeper.start()
    for _ in range(5):
        keeper.want(ONE)
    assert identities.asked.acquire(timeout=PATIENCE)
    keeper.want({NodeName("node-1"): None}.keys())
    keeper.want(TWO)
    assert identities.asked.acquire(timeout=PATIENCE)
    keeper.stop()
    assert identities.done == [ONE, TWO]


def test_who_does_not_lead_any_more_ends() -> None:
    identities = Stumbling(Deposed("the lease was lost"))
    keeper = IdentityKeeper(identities=identities, log=MemoryLog())
    keeper.start()
    keeper.want(ONE)
    assert identities.asked.acquire(timeout=PATIENCE)
    keeper.want(TWO)
    assert not identities.asked.acquire(timeout=0.1)
