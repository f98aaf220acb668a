"""Pods that come and go all day leave nothing behind in the agent."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from agent.cni import Command
from tests.agent.node import FakeNode, bound, plan_with_pods, request

WARM, CYCLES = 500, 5000
MEMORY = "/dev/shm"  # noqa: S108  # a fresh folder is made there, in memory
GROWTH = 500
"""Blocks of memory that Python may hold more: dictionaries find another size. One a pod would be 4,500."""


@pytest.fixture
def memory_folder() -> Iterator[Path]:
    """Ten thousand flushes to a real disk take minutes."""
    with TemporaryDirectory(dir=MEMORY if os.path.isdir(MEMORY) else None) as folder:
        yield Path(folder)


def _cycle(node: FakeNode, number: int) -> None:
    pod = f"team-a/web-{number % 10}"
    node.ask(request(Command.ADD, pod, container=f"c{number}"))
    node.ask(request(Command.DEL, pod, container=f"c{number}"))
    node.clock.now += node.quiet  # or the block would be full of addresses that rest
    node.kernel.history.clear()


def test_memory_descriptors_and_file_stay_flat_over_thousands_of_pods(memory_folder: Path) -> None:
    node = FakeNode(memory_folder)
    node.apply(plan_with_pods(pods=tuple(bound(f"team-a/web-{n}", 1) for n in range(10))))
    for number in range(WARM):
        _cycle(node, number)
    gc.collect()
    descriptors, blocks = len(os.listdir("/proc/self/fd")), sys.getallocatedblocks()
    for number in range(WARM, CYCLES):
        _cycle(node, number)
    gc.collect()
    assert sys.getallocatedblocks() - blocks < GROWTH
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert (memory_folder / "addresses").stat().st_size < 256 * 1024
    assert node.engine.store.leases == {}
