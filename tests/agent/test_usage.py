from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent.cni import Command
from agent.metrics import NetworkUse
from agent.usage import usage_of
from tests.agent.node import FakeNode, plan_with_pods, request
from tests.compiler.sample_plans import BLUE, GREEN, RED, network

RED_ALONE = replace(RED, peers=())


@pytest.fixture
def node(tmp_path: Path) -> FakeNode:
    return FakeNode(tmp_path)


def test_before_the_first_plan_nothing_is_used(node: FakeNode) -> None:
    assert usage_of(node.engine) == ()


def test_networks_that_are_present_are_told_and_carried_ones_are_not(node: FakeNode) -> None:
    node.apply(plan_with_pods(RED, BLUE, GREEN))
    assert usage_of(node.engine) == (
        NetworkUse(network="team-a/red", used=0, free=15),  # 10.1.0.0 is the subnet's first
        NetworkUse(network="team-b/green", used=0, free=16),
    )


def test_a_pod_uses_one_of_each_ip_version_and_counts_once(node: FakeNode) -> None:
    node.apply(plan_with_pods())
    node.ask(request(Command.ADD, "team-a/web-0"))
    assert usage_of(node.engine)[0] == NetworkUse(network="team-a/red", used=1, free=14)


def test_a_network_whose_last_pod_is_still_here_is_told_without_room(node: FakeNode) -> None:
    node.apply(plan_with_pods(RED_ALONE, GREEN))
    node.ask(request(Command.ADD, "team-b/db-0"))
    node.apply(plan_with_pods(RED_ALONE))
    assert usage_of(node.engine) == (
        NetworkUse(network="team-a/red", used=0, free=15),
        NetworkUse(network="team-b/green", used=1, free=0),
    )


def test_a_network_without_a_block_here_has_no_room(node: FakeNode) -> None:
    node.apply(plan_with_pods(network(4, "team-d/full", "10.4.0.0/28", "10.4.0.0/28@2")))
    assert usage_of(node.engine) == (NetworkUse(network="team-d/full", used=0, free=0),)
