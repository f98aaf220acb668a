"""What changed since the last drain: the latest of each, woken once, bounded."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube.api import Key
from kube.inbox import Inbox
from kube.kinds import NODES, PODS

A, B = Key("", "a"), Key("", "b")


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    inbox = Inbox(quiet=0.02, longest=0.2)
    yield inbox
    inbox.close()


def test_only_the_latest_state_of_an_object_is_kept(inbox: Inbox) -> None:
    nodes = inbox.sink(NODES)
    nodes.changed(A, b"1")
    nodes.changed(B, b"1")
    nodes.changed(A, b"2")
    assert inbox.drain().changed == {NODES: {A: b"2", B: b"1"}}


def test_a_drain_empties_it(inbox: Inbox) -> None:
    inbox.sink(NODES).changed(A, b"1")
    assert inbox.drain()
    assert not inbox.drain()


def test_resources_are_kept_apart(inbox: Inbox) -> None:
    inbox.sink(NODES).changed(A, b"1")
    inbox.sink(PODS).changed(A, b"2")
    batch = inbox.drain()
    assert (batch.of(NODES), batch.of(PODS)) == ({A: b"1"}, {A: b"2"})


def test_an_object_that_the_reader_knows_is_told_to_be_gone(inbox: Inbox) -> None:
    nodes = inbox.sink(NODES)
    nodes.changed(A, b"1")
    inbox.drain()
    nodes.removed(A)
    assert inbox.drain().of(NODES) == {A: None}


def test_an_object_that_came_and_went_leaves_nothing(inbox: Inbox) -> None:
    nodes = inbox.sink(NODES)
    nodes.changed(A, b"1")
    nodes.removed(A)
    assert not inbox.drain()


def test_an_object_that_went_and_came_is_told_as_it_is(inbox: Inbox) -> None:
    nodes = inbox.sink(NODES)
    nodes.changed(A, b"1")
    inbox.drain()
    nodes.removed(A)
    nodes.changed(A, b"2")
    assert inbox.drain().of(NODES) == {A: b"2"}


def test_it_is_synced_once_every_resource_is(inbox: Inbox) -> None:
    nodes, pods = inbox.sink(NODES), inbox.sink(PODS)
    nodes.synced()
    assert not inbox.drain().synced
    pods.synced()
    assert inbox.drain().synced
    nodes.changed(A, b"1")
    assert inbox.drain().synced


def test_being_synced_wakes_the_reader_though_nothing_has_changed(inbox: Inbox) -> None:
    inbox.sink(NODES).synced()
    assert inbox.wait(0)


def test_two_reflectors_of_one_resource_cannot_share_it(inbox: Inbox) -> None:
    inbox.sink(NODES)
    with pytest.raises(ValueError, match="nodes: two reflectors cannot share"):
        inbox.sink(NODES)


def test_nothing_wakes_the_reader_without_news(inbox: Inbox) -> None:
    inbox.sink(NODES)
    assert not inbox.wait(0.01)
    assert not inbox.collect(0.01)


def test_its_descriptor_is_readable_while_there_is_news(inbox: Inbox) -> None:
    nodes = inbox.sink(NODES)
    assert select.select([inbox], [], [], 0)[0] == []
    nodes.changed(A, b"1")
    nodes.changed(B, b"1")
    assert select.select([inbox], [], [], 0)[0] == [inbox]
    inbox.drain()
    assert select.select([inbox], [], [], 0)[0] == []


def test_other_news_wakes_the_reader_too(inbox: Inbox) -> None:
    threading.Timer(0.02, inbox.notify).start()
    assert inbox.wait(30)
    assert not inbox.drain()


def test_a_burst_is_collected_as_one(inbox: Inbox) -> None:
    nodes = inbox.sink(NODES)

    def burst() -> None:
        for number in range(5):
            nodes.changed(Key("", str(number)), b"")
            time.sleep(0.002)

    writer = threading.Thread(target=burst)
    writer.start()
    assert len(inbox.collect(30).of(NODES)) == 5
    writer.join()


def test_a_burst_without_an_end_is_cut(inbox: Inbox) -> None:
    nodes = inbox.sink(NODES)
    over = threading.Event()

    def burst() -> None:
        while not over.is_set():
            nodes.changed(A, b"")
            time.sleep(0.002)

    writer = threading.Thread(target=burst)
    writer.start()
    began = time.monotonic()
    assert inbox.collect(30)
    took = time.monotonic() - began
    over.set()
    writer.join()
    assert took < 10


STEPS = st.tuples(
    st.sampled_from(("changed", "removed", "drain")), st.sampled_from("abc"), st.binary(max_size=2)
)


@settings(deadline=None)
@given(steps=st.lists(STEPS))
def test_whoever_applies_each_batch_has_what_was_told(steps: list[tuple[str, str, bytes]]) -> None:
    inbox = Inbox()
    sink = inbox.sink(NODES)
    told: dict[Key, bytes] = {}
    held: dict[Key, bytes] = {}

    def apply() -> None:
        for key, raw in inbox.drain().of(NODES).items():
            if raw is None:
                del held[key]  # never told of what was not known
            else:
                held[key] = raw

    for what, name, raw in steps:
        key = Key("", name)
        if what == "changed":
            told[key] = raw
            sink.changed(key, raw)
        elif what == "removed" and key in told:
            del told[key]
            sink.removed(key)
        elif what == "drain":
            apply()
            assert held == told
    apply()
    inbox.close()
    assert held == told
