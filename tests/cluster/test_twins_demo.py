"""`make demo-cluster` where neither a kernel with VRF nor a virtual machine can be had."""

from __future__ import annotations

import io
from pathlib import Path

from cli.demonstration.cluster_demo import ClusterDemo
from cli.demonstration.headquarters import OwnHeadquarters
from cli.demonstration.narrator import Narrator
from cli.lab.control_plane import Binaries

TEMPLATE = Path(__file__).parents[2] / "repo-template"
NO_KERNEL = ("sh", "-c", "exit 69")
TWINS = "NO KERNEL WITH VRF, AND NO VIRTUAL MACHINE: the agents are kernel-free twins."


def test_the_story_is_told_with_twins_which_is_said_before_and_after(
    binaries: Binaries, tmp_path: Path
) -> None:
    said = io.StringIO()
    narrator = Narrator(said, width=110)
    headquarters = OwnHeadquarters(tmp_path, TEMPLATE, binaries)
    demo = ClusterDemo(headquarters, NO_KERNEL, narrator, folder=tmp_path, width=110)
    status = demo.run()
    assert (status, demo.tally.checks, demo.tally.wrong) == (None, 5, []), said.getvalue()
    assert said.getvalue().count(TWINS) == 2
    assert "on a simulated kernel" in said.getvalue()
