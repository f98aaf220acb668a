"""`atoll agent`: applies this node's plan to its kernel and serves the CNI plugin, until told to stop."""

from __future__ import annotations

import logging
import socket
import sys
from pathlib import Path

import click

from cli.failure import ExitCode
from cli.options import log_format


@click.command("agent")
@click.option(
    "--node", metavar="NAME", envvar="NODE_NAME", show_envvar=True, help="[default: the host's name]"
)
@click.option(
    "--plans",
    metavar="DIR",
    type=click.Path(path_type=Path),
    required=True,
    help="The controller's directory: plans are taken from it, reports go there.",
)
@click.option(
    "--socket",
    "socket_path",
    metavar="PATH",
    type=click.Path(path_type=Path),
    default="/run/atoll/agent.sock",
    show_default=True,
    help="Where the CNI plugin asks.",
)
@click.option(
    "--state",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default="/var/lib/atoll",
    show_default=True,
    help="The agent's own: leases and the last good plan.",
)
@click.option(
    "--grace",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=300.0,
    show_default=True,
    help="How long a network stays on the node after it was last needed.",
)
@click.option(
    "--patience",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="How long a pod's attachment waits for a plan that knows the pod.",
)
@log_format
def command(
    node: str | None,
    plans: Path,
    socket_path: Path,
    state: Path,
    grace: float,
    patience: float,
    log_format: str,
) -> int:
    """Apply this node's plan to its kernel, and attach pods.

    Needs CAP_NET_ADMIN, and CAP_SYS_ADMIN to enter pods. Ending it changes nothing in the kernel:
    what is in force stays in force.
    """
    from agent.run import EXIT_STOPPED, Settings, run
    from cli.log_lines import LogLines
    from compiler.names import NodeName
    from controller.log import LogFormat, StreamLog

    handler = LogLines(StreamLog(stream=sys.stderr, format=LogFormat(log_format)))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    settings = Settings(
        node=NodeName(node or socket.gethostname()),
        directory=plans,
        socket=socket_path,
        state=state,
        grace=grace,
        patience=patience,
    )
    return ExitCode.FINE if run(settings) == EXIT_STOPPED else ExitCode.ENVIRONMENT
