"""From a commit to packets by way of a real API server: the story of `make demo-cluster`, with its checks.

The API server, the Git host and the controller are beside this kernel, on the machine that may have booted
it: under emulation an API server alone takes minutes to start.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from cli.demonstration.cluster_story import ClusterStory
from cli.demonstration.liaison import ENVIRONMENT, Headquarters, dial
from cli.demonstration.narrator import Narrator
from cli.demonstration.outpost import Outpost
from cli.failure import Failure


@pytest.fixture
def headquarters(_vrf: None) -> Headquarters:
    if ENVIRONMENT not in os.environ:
        pytest.skip("no control plane beside this kernel: run `make test-kernel`, which starts one")
    return dial()


def test_commits_change_who_reaches_whom_by_way_of_the_api_server(
    headquarters: Headquarters, tmp_path: Path
) -> None:
    said = io.StringIO()
    outpost = Outpost(tmp_path, headquarters)
    story = ClusterStory(headquarters, outpost, Narrator(said, width=110), width=110)
    try:
        story.tell()
    except Failure as failure:
        pytest.fail(f"{failure}\n{outpost.last_lines()}\n{said.getvalue()}")
    finally:
        outpost.close()
    assert story.tally.wrong == [], said.getvalue()
    assert story.tally.checks > 700
