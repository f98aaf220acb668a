"""The contracts' fixtures with the fakes; tests/cluster gives the same tests the real thing."""

from __future__ import annotations

import pytest

from kube.api import Api
from kube.fake import FakeApi


@pytest.fixture
def api() -> Api:
    return FakeApi()
