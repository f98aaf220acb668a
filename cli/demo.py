"""`atoll demo`: the product at work on this machine, with real processes, real packets and a verdict."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from cli.failure import ExitCode, Failure

if TYPE_CHECKING:
    from cli.demonstration.checks import Tally
    from cli.demonstration.narrator import Narrator

_TEMPLATE = Path(__file__).resolve().parent.parent / "repo-template"
_WIDTH = 110
"""Of a table where nobody says how wide the terminal is."""


@click.command("demo")
@click.option("--cluster", is_flag=True, help="With a Kubernetes API server between controller and agents.")
def command(cluster: bool) -> int:
    """Show isolated networks at work, on two nodes that are network namespaces.

    Makes a repository from repo-template/, starts a controller and two agents, attaches pods, sends
    packets between all of them, commits a router and then a broken file. Needs root, git and a kernel
    with VRF; `make demo` sees to all three. Leaves nothing behind.

    With --cluster, controller and agents meet in a real API server, and kubectl shows what an operator
    sees: a rollout in stages, a refused commit, an edit by hand. `make demo-cluster` has what that needs.
    Where no kernel with VRF can be had, the agents are kernel-free twins, and no packets are sent.
    """
    import shutil
    import sys

    if not _TEMPLATE.is_dir():
        raise Failure(f"{_TEMPLATE}: it is missing. Run the demo from a checkout of the repository.")
    width = shutil.get_terminal_size((_WIDTH, 0)).columns
    with _ended_by_signals():
        if not cluster:
            return _embedded(sys.stdout, width)
        from cli.demonstration.liaison import ENVIRONMENT

        is_nodes_side = ENVIRONMENT in os.environ
        return (_nodes_side if is_nodes_side else _control_plane_side)(sys.stdout, width)


def _embedded(stream: TextIO, width: int) -> int:
    import tempfile

    from cli.demonstration.narrator import Narrator
    from cli.demonstration.scene import Scene
    from cli.demonstration.story import Story

    _require_kernel()
    narrator = Narrator(stream, width=width)
    scene = Scene(Path(tempfile.mkdtemp(prefix="atoll-demo-")), _TEMPLATE)
    story = Story(scene, narrator, width=width)
    try:
        story.tell()
    finally:
        scene.close()
    return _judged(story.tally, narrator)


def _control_plane_side(stream: TextIO, width: int) -> int:
    """Starts the other side, with the nodes, by tools/vm.py; where that has no kernel, twins do."""
    import shutil
    import tempfile

    from cli.demonstration.cluster_demo import ClusterDemo, nodes_command
    from cli.demonstration.headquarters import OwnHeadquarters
    from cli.demonstration.narrator import Narrator
    from cli.lab.control_plane import Binaries, NoControlPlane

    narrator = Narrator(stream, width=width)
    folder = Path(tempfile.mkdtemp(prefix="atoll-demo-"))
    try:
        headquarters = OwnHeadquarters(folder, _TEMPLATE, Binaries.named_by(os.environ))
        demo = ClusterDemo(headquarters, nodes_command(), narrator, folder=folder, width=width)
        status = demo.run()
    except NoControlPlane as missing:
        raise Failure(f"{missing}. `make demo-cluster` does so.") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return status if status is not None else _judged(demo.tally, narrator)


def _nodes_side(stream: TextIO, width: int) -> int:
    import tempfile

    from cli.demonstration.cluster_story import ClusterStory
    from cli.demonstration.liaison import dial
    from cli.demonstration.narrator import Narrator
    from cli.demonstration.outpost import Outpost

    _require_kernel()
    headquarters = dial()
    narrator = Narrator(stream, width=width, elapsed=headquarters.seconds())
    outpost = Outpost(Path(tempfile.mkdtemp(prefix="atoll-demo-")), headquarters)
    story = ClusterStory(headquarters, outpost, narrator, width=width)
    try:
        story.tell()
    except Failure as failure:
        raise Failure(f"{failure}\n{outpost.last_lines()}", failure.code) from None
    finally:
        outpost.close()
    return _judged(story.tally, narrator)


def _judged(tally: Tally, narrator: Narrator) -> int:
    narrator.verdict(tally.checks, len(tally.wrong))
    return ExitCode.PROBLEMS if tally.wrong else ExitCode.FINE


def _require_kernel() -> None:
    from cli.lab.namespace import CommandFailed, Namespace

    try:
        scratch = Namespace(f"atoll-demo-{os.getpid()}")
    except OSError as error:
        raise Failure(
            f"no network namespace can be made here ({error}). Run `make demo`, or be root."
        ) from None
    try:
        scratch.ip("link add probe type vrf table 7")
    except CommandFailed:
        raise Failure(
            f"this kernel, {os.uname().release}, has no VRF. Run `make demo`, which boots one that has."
        ) from None
    finally:
        scratch.close()


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM ends the demo as Ctrl-C does; a second one does not disturb the cleaning up."""
    import signal

    numbers = (signal.SIGINT, signal.SIGTERM)

    def interrupt(number: int, frame: object) -> None:
        for one in numbers:
            signal.signal(one, signal.SIG_IGN)
        raise KeyboardInterrupt

    former = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
