"""The contract of tests/contracts/test_api.py, held by the real API server."""

from __future__ import annotations

import pytest

from kube.api import Api
from tests.cluster.scene import Cluster
from tests.contracts.test_api import *  # noqa: F403  the tests are the module's content


@pytest.fixture
def api(cluster: Cluster) -> Api:
    return cluster.api
