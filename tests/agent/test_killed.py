"""A process killed at any instant leaves a policy that opens nothing, and its successor finishes the work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from agent.actions import Action
from agent.fake_kernel import FakeKernel
from agent.fake_nft import FakeNft
from compiler.layering import base_layout
from compiler.rendering import ruleset_of
from tests.agent.node import GRACE, FakeNode
from tests.compiler.sample_plans import BLUE, GREEN, RED, node_plan

OLD = node_plan(RED, BLUE)
NEW = node_plan(replace(RED, peers=()), GREEN)
OLD_PEERS = {"1 . 1", "2 . 1"}
NEW_PEERS = {"1 . 1", "3 . 3"}


class Killed(BaseException):
    pass


class Countdown:
    def __init__(self) -> None:
        self.left: int | None = None

    def tick(self) -> None:
        if self.left is not None:
            if self.left == 0:
                raise Killed
            self.left -= 1


class MortalKernel(FakeKernel):
    def __init__(self, countdown: Countdown) -> None:
        super().__init__()
        self.countdown = countdown

    def apply(self, actions: Sequence[Action]) -> None:
        for action in actions:
            self.countdown.tick()
            super().apply([action])


class MortalNft(FakeNft):
    def __init__(self, countdown: Countdown) -> None:
        super().__init__()
        self.countdown = countdown

    def run(self, transaction: str) -> None:
        self.countdown.tick()
        super().run(transaction)


def _peers(node: FakeNode) -> set[str]:
    assert node.nft.table is not None
    return set(node.nft.table.sets["peers"])


def _killed_after(folder: Path, steps: int) -> tuple[FakeNode, bool]:
    """The node, its agent killed after so many steps of going from OLD to NEW; and whether it was."""
    countdown = Countdown()
    node = FakeNode(folder, kernel=MortalKernel(countdown), nft=MortalNft(countdown))
    node.apply(OLD)
    countdown.left = steps
    try:
        node.apply(NEW)
    except Killed:
        return node, True
    finally:
        countdown.left = None
    return node, False


def test_wherever_it_is_killed_the_policy_is_the_old_one_the_new_one_or_both(tmp_path: Path) -> None:
    steps, killed = 0, True
    while killed:
        folder = tmp_path / str(steps)
        folder.mkdir()
        node, killed = _killed_after(folder, steps)
        assert _peers(node) in (OLD_PEERS, NEW_PEERS, OLD_PEERS & NEW_PEERS)
        node.restart()
        node.apply(NEW)
        node.clock.now += GRACE
        node.engine.repair(ruleset_too=True)
        assert node.kernel.observe().layout == base_layout(NEW)
        assert node.nft.listing() == node.nft.canonical(ruleset_of(NEW).text)
        steps += 1
    assert steps > 10


@pytest.mark.parametrize("steps", [0, 1, 5, 9])
def test_its_successor_can_also_go_back(tmp_path: Path, steps: int) -> None:
    node, _ = _killed_after(tmp_path, steps)
    node.restart()
    node.apply(OLD)
    node.clock.now += GRACE
    node.engine.repair(ruleset_too=True)
    assert node.kernel.observe().layout == base_layout(OLD)
    assert node.nft.listing() == node.nft.canonical(ruleset_of(OLD).text)
