"""The reflector's contract, held by the real API server, and what only real ones and networks do to it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kube import kinds
from kube.api import Api
from kube.client import ClusterApi
from kube.connection import connect
from kube.reflector import Pace, Phase, Reflector, Selection
from tests.cluster.scene import Cluster
from tests.cluster.wire import Wire
from tests.contracts.apis import Space, new_space
from tests.contracts.mirror import Mirror, held
from tests.contracts.test_reflector import *  # noqa: F403  the contract's tests are run here too

CONFIG_MAPS = kinds.CONFIG_MAPS
PACE = Pace(page=3, first_pause=0.1, longest_pause=1, silence=2)


@pytest.fixture
def api(cluster: Cluster) -> Api:
    return cluster.api


@dataclass(frozen=True, kw_only=True, slots=True)
class Following:
    """A reflector behind a wire; `space` is changed by someone who is not."""

    cluster: Cluster
    wire: Wire
    space: Space
    mirror: Mirror
    reflector: Reflector

    def agree(self) -> None:
        self.mirror.wait_for(held(self.space.api, CONFIG_MAPS, self.space.name), within=60)


@pytest.fixture
def following(cluster: Cluster, tmp_path: Path) -> Iterator[Following]:
    space = new_space(cluster.api)
    for name in "abcde":
        space.config_map(name)
    mirror = Mirror()
    with Wire(cluster.plane, tmp_path) as wire:
        selection = Selection(resource=CONFIG_MAPS, namespace=space.name)
        behind = ClusterApi.of(connect(wire.kubeconfig))
        reflector = Reflector(behind, selection, mirror, pace=PACE)
        reflector.start()
        assert reflector.synced.wait(60)
        yield Following(cluster=cluster, wire=wire, space=space, mirror=mirror, reflector=reflector)
        reflector.stop(timeout=30)
        assert not reflector.is_running()


def test_a_restart_of_the_api_server_loses_nothing(following: Following) -> None:
    following.cluster.plane.restart_api_server()
    following.space.config_map("f")
    following.space.api.delete(following.space.ref(CONFIG_MAPS, "a"))
    following.agree()
    assert following.reflector.state.phase is Phase.SYNCED


def test_what_vanished_behind_a_cut_before_a_compaction_is_removed(following: Following) -> None:
    following.wire.hold()
    following.space.config_map("f")
    following.space.api.delete(following.space.ref(CONFIG_MAPS, "a"))
    following.cluster.plane.compact_etcd()
    following.cluster.plane.restart_api_server()
    following.wire.release()
    following.wire.cut()
    following.agree()
    assert following.reflector.counts.lists == 2


def test_a_wire_that_is_cut_again_and_again_loses_nothing(following: Following) -> None:
    for number in range(10):
        following.space.config_map(f"more-{number}")
        following.wire.cut()
        following.space.api.delete(following.space.ref(CONFIG_MAPS, f"more-{number}"))
        following.space.config_map(f"other-{number}")
    following.agree()
    assert following.reflector.counts.lists == 1


def test_a_half_open_connection_is_noticed_by_its_silence(following: Following) -> None:
    before = following.reflector.counts.requests
    following.wire.hold()
    following.space.config_map("f")
    deadline = time.monotonic() + 60
    while following.reflector.counts.requests == before:  # given up, and asked anew
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "+f" not in following.mirror.told
    following.wire.release()
    following.agree()
