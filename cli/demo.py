"""`atoll demo`: the product at work on this machine, with real processes, real packets and a verdict."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from cli.failure import ExitCode, Failure

_TEMPLATE = Path(__file__).resolve().parent.parent / "repo-template"
_WIDTH = 110
"""Of a table where nobody says how wide the terminal is."""


@click.command("demo")
def command() -> int:
    """Show isolated networks at work, on two nodes that are network namespaces.

    Makes a repository from repo-template/, starts a controller and two agents, attaches pods, sends
    packets between all of them, commits a router and then a broken file. Needs root, git and a kernel
    with VRF; `make demo` sees to all three. Leaves nothing behind.
    """
    import shutil
    import sys
    import tempfile

    from cli.demonstration.narrator import Narrator
    from cli.demonstration.scene import Scene
    from cli.demonstration.story import Story

    _require_kernel()
    if not _TEMPLATE.is_dir():
        raise Failure(f"{_TEMPLATE}: it is missing. Run the demo from a checkout of the repository.")
    width = shutil.get_terminal_size((_WIDTH, 0)).columns
    narrator = Narrator(sys.stdout, width=width)
    with _ended_by_signals():
        scene = Scene(Path(tempfile.mkdtemp(prefix="atoll-demo-")), _TEMPLATE)
        story = Story(scene, narrator, width=width)
        try:
            story.tell()
        finally:
            scene.close()
    checks, wrong = story.tally.checks, len(story.tally.wrong)
    narrator.verdict(checks, wrong)
    return ExitCode.PROBLEMS if wrong else ExitCode.FINE


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
