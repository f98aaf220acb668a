"""Cluster tests: one real kube-apiserver and etcd for the whole run, emptied after each test."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import schemas
from cli.lab.control_plane import Binaries, ControlPlane, NoControlPlane
from cli.lab.definitions import install
from cli.lab.kubelets import Kubelets
from kube.api import Json
from kube.client import ClusterApi
from kube.connection import connect
from tests.cluster.scene import Cluster
from tests.cluster.stage import Stage, staged
from tests.cluster.wire import Wire


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None]:
    with _skipped_where_missing():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None]:
    with _skipped_where_missing():
        return (yield)


@contextmanager
def _skipped_where_missing() -> Iterator[None]:
    """Tests that need kubectl or helm say so by asking for it."""
    try:
        yield
    except NoControlPlane as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def binaries() -> Binaries:
    return Binaries.named_by(os.environ)


@pytest.fixture(scope="session")
def control_plane(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Of the whole run. A test that restarts or stops its servers takes `cluster`, too."""
    with ControlPlane(binaries, folder=tmp_path_factory.mktemp("control-plane")) as plane:
        yield plane


@pytest.fixture(scope="session")
def _definitions() -> tuple[Json, ...]:
    return schemas.crds()


@pytest.fixture
def cluster(control_plane: ControlPlane, _definitions: tuple[Json, ...]) -> Iterator[Cluster]:
    """Atoll's kinds are served; what the test makes is removed after it, finalizers or not."""
    api = ClusterApi.of(connect(control_plane.kubeconfig))
    install(api, _definitions)
    before = control_plane.etcd.keys()
    yield Cluster(plane=control_plane, api=api, kubelets=Kubelets(api))
    if not control_plane.is_ready():
        control_plane.restart_api_server()
    control_plane.reset(before)


@pytest.fixture
def wire(cluster: Cluster, tmp_path: Path) -> Iterator[Wire]:
    """Another way to the same API server, with faults of the network at will."""
    with Wire(cluster.plane, tmp_path) as wire:
        yield wire


@pytest.fixture
def stage(cluster: Cluster, tmp_path: Path) -> Iterator[Stage]:
    """The cluster with a Git host, and with whatever controllers and agents the test starts."""
    with staged(cluster, tmp_path) as stage:
        yield stage
