"""Events of the real kernel, in a namespace of its own. They are queued before the command returns."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from agent.monitor import Monitor
from cli.lab.namespace import Namespace

SETUP = """\
link add vx7 up type vxlan id 7 dstport 4789
link add other0 up type vxlan id 8 dstport 4790
route add 192.0.2.0/24 dev vx7 table 7 proto 65
"""


@pytest.fixture
def node() -> Iterator[Namespace]:
    namespace = Namespace(f"monitor-{os.getpid()}")
    namespace.ip(SETUP)
    namespace.nft("add table inet atoll\nadd set inet atoll peers { type mark; }\nadd table inet other\n")
    yield namespace
    namespace.close()


@pytest.fixture
def monitor(node: Namespace) -> Iterator[Monitor]:
    with node.entered():
        monitor = Monitor()
    yield monitor
    monitor.close()


def test_nothing_happening_touches_nothing(monitor: Monitor) -> None:
    assert not monitor.links_touched()
    assert not monitor.table_touched()


@pytest.mark.parametrize(
    "command",
    [
        "link set vx7 down",
        "link del vx7",
        "route del 192.0.2.0/24 table 7",
        "route add 192.0.2.0/25 dev vx7 table 7 proto 65",
        "-6 route add 2001:db8::/64 dev vx7 table 7 proto 65",
        "rule add pref 5 lookup 7",
        "-6 rule add pref 5 lookup 7",
    ],
)
def test_a_change_of_ours_is_noticed_once(node: Namespace, monitor: Monitor, command: str) -> None:
    node.run("ip", *command.split())
    assert monitor.links_touched()
    assert not monitor.links_touched()


@pytest.mark.parametrize(
    "command",
    [
        "link set other0 down",
        "route add 198.51.100.0/24 dev other0",
        "link set other0 mtu 1300",
    ],
)
def test_what_is_not_ours_is_not_heeded(node: Namespace, monitor: Monitor, command: str) -> None:
    node.run("ip", *command.split())
    assert not monitor.links_touched()


def test_a_change_of_our_table_is_noticed_once(node: Namespace, monitor: Monitor) -> None:
    node.nft("add element inet atoll peers { 7 }\n")
    assert monitor.table_touched()
    assert not monitor.table_touched()


def test_the_end_of_our_table_is_noticed(node: Namespace, monitor: Monitor) -> None:
    node.nft("delete table inet atoll\n")
    assert monitor.table_touched()


def test_other_tables_are_not_heeded(node: Namespace, monitor: Monitor) -> None:
    node.nft("add set inet other peers { type mark; }\nadd table ip atoll\n")
    assert not monitor.table_touched()


def test_events_that_were_lost_may_have_been_about_anything(node: Namespace, monitor: Monitor) -> None:
    elements = ", ".join(str(number) for number in range(20_000))
    node.nft(f"add set inet other many {{ type mark; }}\nadd element inet other many {{ {elements} }}\n")
    assert monitor.table_touched()
