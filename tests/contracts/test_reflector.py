"""A reflector keeps its sink in step with a server: the simulated one here, the real one in tests/cluster."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kube import kinds
from kube.api import Api
from kube.inbox import Inbox
from kube.reflector import Pace, Phase, Reflector, Selection
from kube.resource import Resource
from tests.contracts.apis import Space, new_space
from tests.contracts.mirror import Mirror, held

CONFIG_MAPS = kinds.CONFIG_MAPS
UNSERVED = Resource(group="example.com", version="v1", plural="nothings", kind="Nothing", namespaced=True)


@pytest.fixture
def space(api: Api) -> Space:
    return new_space(api)


@pytest.fixture
def mirror() -> Mirror:
    return Mirror()


@pytest.fixture
def reflector(space: Space, mirror: Mirror) -> Iterator[Reflector]:
    selection = Selection(resource=CONFIG_MAPS, namespace=space.name)
    reflector = Reflector(
        space.api, selection, mirror, pace=Pace(page=3, first_pause=0.01, longest_pause=0.2)
    )
    yield reflector
    reflector.stop()


def test_everything_is_told_in_pages_and_then_that_it_is_all(
    space: Space, mirror: Mirror, reflector: Reflector
) -> None:
    for number in range(7):
        space.config_map(f"c{number}")
    reflector.start()
    assert reflector.synced.wait(30)
    assert mirror.told == ["+c0", "+c1", "+c2", "+c3", "+c4", "+c5", "+c6", "synced"]
    assert mirror.versions == held(space.api, CONFIG_MAPS, space.name)


def test_an_empty_list_is_told_too(mirror: Mirror, reflector: Reflector) -> None:
    reflector.start()
    assert reflector.synced.wait(30)
    assert mirror.told == ["synced"]


def test_later_changes_are_told(space: Space, mirror: Mirror, reflector: Reflector) -> None:
    reflector.start()
    assert reflector.synced.wait(30)
    space.config_map("one")
    space.config_map("two")
    space.api.patch(space.ref(CONFIG_MAPS, "one"), {"data": {"a": "1"}})
    space.api.delete(space.ref(CONFIG_MAPS, "two"))
    mirror.wait_until(lambda mirror: mirror.told[-1] == "-two")
    assert mirror.told == ["synced", "+one", "+two", "+one", "-two"]
    assert mirror.versions == held(space.api, CONFIG_MAPS, space.name)


def test_a_watch_that_the_server_ends_is_resumed_without_a_list(space: Space, mirror: Mirror) -> None:
    selection = Selection(resource=CONFIG_MAPS, namespace=space.name)
    pace = Pace(shortest_watch=1, longest_watch=1, first_pause=0.01, longest_pause=0.1)
    reflector = Reflector(space.api, selection, mirror, pace=pace)
    reflector.start()
    assert reflector.synced.wait(30)
    for number in range(25):
        space.config_map(f"c{number:02}")
        mirror.wait_until(lambda mirror, number=number: mirror.told[-1] == f"+c{number:02}")  # type: ignore[misc]
    while reflector.counts.watches < 3:
        space.api.patch(space.ref(CONFIG_MAPS, "c00"), {"data": {"n": str(len(mirror.told))}})
        mirror.wait_for(held(space.api, CONFIG_MAPS, space.name))
    reflector.stop()
    assert reflector.counts.lists == 1
    assert mirror.lists == 1


def test_a_selection_by_label_follows_the_labels(space: Space, mirror: Mirror) -> None:
    selection = Selection(resource=CONFIG_MAPS, namespace=space.name, label_selector="tier=web")
    space.config_map("one", labels={"tier": "web"})
    space.config_map("two", labels={"tier": "data"})
    reflector = Reflector(space.api, selection, mirror)
    reflector.start()
    assert reflector.synced.wait(30)
    space.api.patch(space.ref(CONFIG_MAPS, "one"), {"metadata": {"labels": {"tier": "data"}}})
    space.api.patch(space.ref(CONFIG_MAPS, "two"), {"metadata": {"labels": {"tier": "web"}}})
    mirror.wait_until(lambda mirror: mirror.told[-1] == "+two")
    reflector.stop()
    assert mirror.told == ["+one", "synced", "-one", "+two"]


def test_a_reflector_stops_in_the_middle_of_a_watch(reflector: Reflector) -> None:
    reflector.start()
    assert reflector.synced.wait(30)
    reflector.stop(timeout=20)
    assert not reflector.is_running()
    assert reflector.state.phase is Phase.SYNCED


def test_a_kind_that_is_not_served_is_reported_and_asked_for_again(space: Space, mirror: Mirror) -> None:
    unserved = Selection(resource=UNSERVED)
    told: list[str] = []
    reflector = Reflector(
        space.api,
        unserved,
        mirror,
        pace=Pace(first_pause=0.01, longest_pause=0.05),
        tell=lambda state: told.append(state.phase),
    )
    reflector.start()
    while reflector.counts.requests < 3:
        reflector.synced.wait(0.01)
    reflector.stop()
    assert told == ["broken"]
    assert reflector.state.phase is Phase.BROKEN
    assert "404" in reflector.state.error
    assert not reflector.synced.is_set()


def test_an_inbox_is_filled_from_several_reflectors(space: Space) -> None:
    inbox = Inbox()
    reflectors = [
        Reflector(space.api, Selection(resource=resource, namespace=space.name), inbox.sink(resource))
        for resource in (CONFIG_MAPS, kinds.LEASES)
    ]
    space.config_map("one")
    for reflector in reflectors:
        reflector.start()
    changed: set[str] = set()
    batch = inbox.collect(30)
    while not batch.synced:
        changed |= {key.name for key in batch.of(CONFIG_MAPS)}
        batch = inbox.collect(30)
    changed |= {key.name for key in batch.of(CONFIG_MAPS)}
    for reflector in reflectors:
        reflector.stop()
    inbox.close()
    assert changed == {"one"}
    assert batch.of(kinds.LEASES) == {}
