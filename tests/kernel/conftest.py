"""Kernel tests: real VRFs, nftables and VXLAN, in namespaces of one kernel, in one process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.lab.namespace import CommandFailed, Namespace
from tests.kernel.world import World


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.kernel)


@pytest.fixture(scope="session")
def _vrf() -> None:
    try:
        scratch = Namespace("scratch")
    except OSError as error:
        pytest.skip(f"no network namespaces here ({error}): run `make test-kernel`, which boots a kernel")
    try:
        scratch.ip("link add probe type vrf table 7")
    except CommandFailed:
        pytest.skip("this kernel has no VRF: run `make test-kernel`, which boots one that has")
    finally:
        scratch.close()


@pytest.fixture(scope="module")
def make_world(_vrf: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., World]]:
    """Builds a world, in place of the one before: their namespaces have the same names."""
    worlds: list[World] = []

    def make(*, nodes: int = 2, versions: tuple[int, ...] = (4, 6), kind: type[World] = World) -> World:
        while worlds:
            worlds.pop().close()
        worlds.append(kind(tmp_path_factory.mktemp("agents"), nodes=nodes, versions=versions))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()
