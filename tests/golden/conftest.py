"""What every golden test asks of the test run."""

from __future__ import annotations

import pytest


@pytest.fixture
def updating(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))
