"""Another process has what this one has, says what it finds, and never outlives its dismissal."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import pytest

from review.forked import Forked, processes_for


@contextmanager
def forked(work: Callable[[Connection], None]) -> Iterator[Forked]:
    made = Forked(work)
    try:
        yield made
    finally:
        made.dismiss()


def test_it_has_what_its_parent_has_and_answers() -> None:
    known = object()

    def work(parent: Connection) -> None:
        parent.send((id(known), parent.recv() * 2))

    with forked(work) as hand:
        hand.send(21)
        assert hand.receive() == (id(known), 42)


def test_what_it_raises_is_raised_here() -> None:
    def work(parent: Connection) -> None:
        raise ValueError("no such node")

    with forked(work) as hand, pytest.raises(ValueError, match="no such node"):
        hand.receive()


def test_one_that_ends_without_a_word_is_noticed() -> None:
    def work(parent: Connection) -> None:
        os._exit(0)

    with forked(work) as hand, pytest.raises(RuntimeError, match="ended too early"):
        hand.receive()


def test_messages_of_several_come_as_they_are_sent() -> None:
    def work(parent: Connection) -> None:
        for number in range(3):
            parent.send(number)

    with forked(work) as one, forked(work) as other:
        assert sorted(Forked.received([(one, 3), (other, 2)])) == [0, 0, 1, 1, 2]


def test_nothing_is_left_of_one_that_was_dismissed_at_work() -> None:
    def work(parent: Connection) -> None:
        parent.send(os.getpid())
        time.sleep(600)

    with forked(work) as hand:
        process = hand.receive()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_few_tasks_are_not_shared() -> None:
    assert processes_for(1) == 0
    assert processes_for(31) == 0
    assert processes_for(10_000) != 1
    assert processes_for(10_000, most=1) == 0
    assert processes_for(10_000, most=2) in (0, 2)
