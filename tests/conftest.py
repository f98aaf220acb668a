"""Options of the whole test run."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is no reason for a law to fail: speed is the benchmarks' business.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="rewrite golden/*/expected, and fail once with what changed, so that it is reviewed",
    )
    parser.addoption(
        "--topologies",
        type=int,
        default=200,
        help="generated topologies in each of the ten clusters that the verifier judges; 200 by default",
    )
