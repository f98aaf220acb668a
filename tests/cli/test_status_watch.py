"""`atoll status --watch`: facts follow the API server by watches alone, through outages too."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from cli.status_board import Facts
from cli.status_watch import Follower
from kube.api import ObjectRef, Unreachable
from kube.fake import FakeApi
from kube.kinds import NAMESPACES, NODE_NETWORKS, PODS, VIRTUAL_NETWORKS
from tests.cli.status_scene import NAMESPACE, NOW, Thing, lease, network, node, source, waiting_pod

_LONG = 20.0


def cluster(*things: Thing) -> FakeApi:
    api = FakeApi()
    for namespace in (NAMESPACE, "shop"):
        api.create(NAMESPACES, {"metadata": {"name": namespace}})
    for thing in (lease(), source(), *things):
        thing.put(api)
    api.requests.clear()
    return api


@contextmanager
def following(api: FakeApi) -> Iterator[Follower]:
    follower = Follower(api=api, namespace=NAMESPACE)
    try:
        follower.start()
        yield follower
    finally:
        follower.stop()


def await_facts(follower: Follower, wanted: Callable[[Facts], object]) -> Facts:
    deadline = time.monotonic() + _LONG
    while not wanted(facts := follower.board.facts(NOW)):
        assert time.monotonic() < deadline, facts
        follower.inbox.collect(1)
    return facts


def test_the_first_facts_are_complete() -> None:
    with following(cluster(network(), node())) as follower:
        facts = follower.board.facts(NOW)

    assert (len(facts.sources), len(facts.networks), len(facts.nodes)) == (1, 1, 1)
    assert facts.lease is not None
    assert facts.gaps == ()


def test_what_comes_changes_and_goes_is_followed() -> None:
    api = cluster()
    with following(api) as follower:
        network().put(api)
        await_facts(follower, lambda facts: facts.networks and facts.networks[0].status)
        ref = ObjectRef(resource=VIRTUAL_NETWORKS, namespace="shop", name="storefront")
        api.patch(ref, {"status": {"pods": 4}}, subresource="status")
        await_facts(follower, lambda facts: facts.networks[0].status and facts.networks[0].status.pods == 4)
        api.delete(ref)
        await_facts(follower, lambda facts: not facts.networks)


def test_a_pod_that_starts_waits_no_more() -> None:
    pod, why = waiting_pod()
    api = cluster(pod, why)
    with following(api) as follower:
        assert follower.board.facts(NOW).pending
        ref = ObjectRef(resource=PODS, namespace="shop", name=pod.name)
        api.patch(ref, {"status": {"phase": "Running"}}, subresource="status")
        await_facts(follower, lambda facts: not facts.pending)


def test_nothing_is_asked_for_but_lists_and_watches() -> None:
    api = cluster(network())
    with following(api) as follower:
        node().put(api)
        await_facts(follower, lambda facts: facts.nodes)
        asked = [request.split()[:2] for request in api.requests]

    lists = [what for verb, what in asked if verb == "LIST"]
    watches = [what for verb, what in asked if verb == "WATCH"]
    assert len(lists) == len(set(lists)) == len(set(watches)) == 8
    assert [what for verb, what in asked if verb == "GET"] == ["leases.coordination.k8s.io"]


def test_an_api_server_that_goes_away_leaves_what_is_known_and_says_so() -> None:
    api = cluster(network())
    with following(api) as follower:
        api.outage = True
        facts = await_facts(follower, lambda facts: len(facts.gaps) == 8)
        assert len(facts.networks) == 1
        assert facts.gaps[0].reason.startswith("no news for the moment: ")
        api.outage = False
        await_facts(follower, lambda facts: not facts.gaps)


def test_a_kind_that_is_installed_later_is_read_then() -> None:
    api = cluster()
    api.server.served.discard(NODE_NETWORKS)
    with following(api) as follower:
        assert [str(gap.resource) for gap in follower.board.facts(NOW).gaps] == ["nodenetworks.atoll.dev"]
        api.server.served.add(NODE_NETWORKS)
        await_facts(follower, lambda facts: not facts.gaps)


def test_an_api_server_that_is_away_at_the_start_is_no_story() -> None:
    api = cluster()
    api.outage = True

    with pytest.raises(Unreachable), following(api):
        pass
