from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

from agent.cni import Command
from agent.fake_kernel import FakeKernel
from agent.kernel import Observation, PodEnd
from agent.lease import LeaseKey
from agent.turns import AT_ONCE, Turns
from compiler.layering import layout_of
from compiler.layout import Link
from tests.agent.node import FakeNode, plan_with_pods, request
from tests.compiler.sample_plans import BLUE, RED

ONE = LeaseKey(container="c1", interface="eth0")
OTHER = LeaseKey(container="c2", interface="eth0")
SMALLER, LARGER = plan_with_pods(RED, BLUE), plan_with_pods()
SOON = 10.0
"""Seconds in which what may happen has happened, on the busiest machine."""
WHILE = 0.1
"""Seconds that show that something waits."""


@pytest.fixture
def turns() -> Turns:
    return Turns(threading.RLock())


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as threads:
        yield threads


class Visit:
    """A turn that another thread asks for, and leaves at once."""

    def __init__(self, threads: ThreadPoolExecutor, turn: Callable[[], AbstractContextManager[None]]) -> None:
        self._had = threading.Event()
        threads.submit(self._visit, turn)

    def _visit(self, turn: Callable[[], AbstractContextManager[None]]) -> None:
        with turn():
            self._had.set()

    def waits(self) -> bool:
        return not self._had.wait(WHILE)

    def done(self) -> bool:
        return self._had.wait(SOON)


def test_attachments_of_two_pods_are_at_work_together(turns: Turns, threads: ThreadPoolExecutor) -> None:
    with turns.of(ONE):
        assert Visit(threads, lambda: turns.of(OTHER)).done()


def test_one_attachment_is_one_callers_at_a_time(turns: Turns, threads: ThreadPoolExecutor) -> None:
    with turns.of(ONE):
        second = Visit(threads, lambda: turns.of(ONE))
        assert second.waits()
    assert second.done()


def test_who_must_be_alone_waits_for_those_at_work(turns: Turns, threads: ThreadPoolExecutor) -> None:
    with turns.of(ONE):
        alone = Visit(threads, turns.alone)
        assert alone.waits()
    assert alone.done()


def test_nobody_begins_while_somebody_is_alone(turns: Turns, threads: ThreadPoolExecutor) -> None:
    with turns.alone():
        attachment = Visit(threads, lambda: turns.of(ONE))
        assert attachment.waits()
    assert attachment.done()


def test_those_who_come_later_do_not_keep_the_one_who_must_be_alone_waiting(
    turns: Turns, threads: ThreadPoolExecutor
) -> None:
    with turns.of(ONE):
        alone = Visit(threads, turns.alone)
        assert alone.waits()
        later = Visit(threads, lambda: turns.of(OTHER))
        assert later.waits()
    assert alone.done()
    assert later.done()


def test_no_more_than_a_few_are_at_work(turns: Turns, threads: ThreadPoolExecutor) -> None:
    with ExitStack() as at_work:
        for number in range(AT_ONCE):
            at_work.enter_context(turns.of(LeaseKey(container=f"n{number}", interface="eth0")))
        one_more = Visit(threads, lambda: turns.of(ONE))
        assert one_more.waits()
    assert one_more.done()


def test_a_turn_ends_with_the_error_that_ends_the_work(turns: Turns, threads: ThreadPoolExecutor) -> None:
    def fail() -> None:
        with turns.of(ONE):
            raise OSError

    with pytest.raises(OSError):  # noqa: PT011  # whichever it is
        fail()
    assert not turns.busy
    assert Visit(threads, lambda: turns.of(ONE)).done()


class SlowLook(FakeKernel):
    """Meets another caller while it is looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], object] = int

    def observe(self) -> Observation:
        observation = super().observe()
        meanwhile, self.meanwhile = self.meanwhile, int
        meanwhile()
        return observation


def test_a_look_at_everything_holds_no_pod_up(tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    kernel = SlowLook()
    node = FakeNode(tmp_path, kernel=kernel)
    node.apply(LARGER)
    kernel.meanwhile = lambda: threads.submit(node.ask, request(Command.ADD)).result(SOON)
    assert node.engine.repair(ruleset_too=False) == ()
    leases = [lease.attachment for lease in node.engine.store.leases.values()]
    assert len(leases) == 1
    assert node.kernel.observe().layout == layout_of(LARGER, leases)


def test_what_is_amiss_is_mended_by_a_look_that_is_alone(tmp_path: Path) -> None:
    node = FakeNode(tmp_path)
    node.apply(LARGER)
    node.kernel.set_down("vx1")
    before = node.kernel.observations
    first, *_ = node.engine.repair(ruleset_too=False)
    assert str(first).startswith("set vxlan vx1")
    assert node.kernel.observations == before + 2
    assert node.kernel.observe().layout == layout_of(LARGER, [])


class HaltedKernel(FakeKernel):
    """Halts in the middle of making a pod's port."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.go_on = threading.Event(), threading.Event()

    def plug(self, port: Link, end: PodEnd) -> None:
        super().plug(port, end)
        self.reached.set()
        assert self.go_on.wait(SOON)


@pytest.fixture
def halted(tmp_path: Path, threads: ThreadPoolExecutor) -> Iterator[tuple[FakeNode, Future[object]]]:
    """A node in the middle of an ADD."""
    kernel = HaltedKernel()
    node = FakeNode(tmp_path, kernel=kernel)
    node.apply(SMALLER)
    adding: Future[object] = threads.submit(node.ask, request(Command.ADD))
    assert kernel.reached.wait(SOON)
    yield node, adding
    kernel.go_on.set()


def _go_on(node: FakeNode) -> None:
    assert isinstance(node.kernel, HaltedKernel)
    node.kernel.go_on.set()


def test_a_plan_meets_no_port_that_is_half_made(
    halted: tuple[FakeNode, Future[object]], threads: ThreadPoolExecutor
) -> None:
    node, adding = halted
    applying = threads.submit(node.apply, LARGER)
    looked = node.kernel.observations
    with pytest.raises(TimeoutError):
        applying.result(WHILE)
    assert node.kernel.observations == looked
    _go_on(node)
    assert adding.result(SOON)
    applying.result(SOON)
    leases = [lease.attachment for lease in node.engine.store.leases.values()]
    assert node.kernel.observe().layout == layout_of(LARGER, leases)


def test_a_pod_that_is_deleted_while_it_is_added_is_added_first(
    halted: tuple[FakeNode, Future[object]], threads: ThreadPoolExecutor
) -> None:
    node, adding = halted
    deleting = threads.submit(node.ask, request(Command.DEL))
    with pytest.raises(TimeoutError):
        deleting.result(WHILE)
    _go_on(node)
    assert adding.result(SOON)
    assert deleting.result(SOON) == {}
    assert node.engine.store.leases == {}
    assert node.kernel.observe().layout == layout_of(SMALLER, [])


def test_what_others_need_is_free_while_a_port_is_made(halted: tuple[FakeNode, Future[object]]) -> None:
    node, _ = halted
    assert node.ask(request(Command.STATUS)) == {}
    assert len(node.engine.store.leases) == 1
