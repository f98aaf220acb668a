"""How many topologies are generated: few in every run, many by `--topologies`."""

from __future__ import annotations

import pytest


@pytest.fixture
def topologies_each(pytestconfig: pytest.Config) -> int:
    """In each of the clusters in which they stand side by side."""
    return int(pytestconfig.getoption("--topologies"))
