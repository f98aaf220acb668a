"""`atoll agent`: applies this node's plan to its kernel and serves the CNI plugin, until told to stop."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.failure import ExitCode, Failure
from cli.options import F, log_format

if TYPE_CHECKING:
    from compiler.names import NodeName
    from kube.api import Api
    from serving.server import Address


cni_bin = click.option(
    "--cni-bin",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default="/opt/cni/bin",
    show_default=True,
    help="The container runtime's directory of plugins.",
)
cni_binary = click.option(
    "--cni-binary",
    metavar="FILE",
    type=click.Path(path_type=Path),
    default="/opt/atoll/cni/atoll-cni",
    show_default=True,
    help="The plugin that is installed.",
)
default_network = click.option(
    "--default-network",
    metavar="NAME",
    default="",
    help="A network, or a file in --cni-conf, that pods of no network go to.  [default: the first file]",
)


def _socket(help: str) -> Callable[[F], F]:
    return click.option(
        "--socket",
        "socket_path",
        metavar="PATH",
        type=click.Path(path_type=Path),
        default="/run/atoll/agent.sock",
        show_default=True,
        help=help,
    )


def _state(help: str) -> Callable[[F], F]:
    return click.option(
        "--state",
        metavar="DIR",
        type=click.Path(path_type=Path),
        default="/var/lib/atoll",
        show_default=True,
        help=help,
    )


@click.group("agent", invoke_without_command=True)
@click.option(
    "--node", metavar="NAME", envvar="NODE_NAME", show_envvar=True, help="[default: the host's name]"
)
@click.option(
    "--plans",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Without a cluster: the controller's directory. Plans are taken from it, reports go there.",
)
@click.option(
    "--kubeconfig",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="On a cluster, but not in a pod: speak to the API server as this file says, without any exchange.",
)
@click.option(
    "--nodes-namespace",
    metavar="NAME",
    default="atoll-nodes",
    show_default=True,
    help="Where the nodes' ServiceAccounts are.",
)
@_socket("Where the CNI plugin asks.")
@_state("The agent's own: leases and the last good plan.")
@click.option(
    "--metrics-address",
    metavar="[HOST]:PORT",
    help="Where /metrics, /healthz and /readyz are answered.  [default: nowhere]",
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
    help="How long a pod's attachment waits for a plan that knows the pod, and for an address.",
)
@click.option(
    "--quiet",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    help="How long a released address rests before another pod gets it.",
)
@click.option(
    "--cni-conf",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Keep the CNI plugin installed: its configuration in this directory.  [default: not at all]",
)
@cni_bin
@cni_binary
@default_network
@click.option(
    "--twin",
    is_flag=True,
    help="Run the kernel-free twin: on a simulated kernel, ENFORCING NOTHING, attaching no pod.",
)
@log_format
@click.pass_context
def command(
    context: click.Context,
    node: str | None,
    plans: Path | None,
    kubeconfig: Path | None,
    nodes_namespace: str,
    socket_path: Path,
    state: Path,
    metrics_address: str | None,
    grace: float,
    patience: float,
    quiet: float,
    cni_conf: Path | None,
    cni_bin: Path,
    cni_binary: Path,
    default_network: str,
    twin: bool,
    log_format: str,
) -> int:
    """Apply this node's plan to its kernel, and attach pods.

    On a cluster the plan is the node's NodeNetwork, and its status says what is in force. In a pod the
    agent exchanges its ServiceAccount's token for one of the ServiceAccount that is named like the node,
    in the namespace of the nodes, and reads and writes as that; with --kubeconfig it is who that file
    says. Without a cluster, --plans names a directory that a controller writes. API server and controller
    may be away at any time, at the start too: the last good plan is in --state.

    Needs CAP_NET_ADMIN, and CAP_SYS_ADMIN to enter pods. Ending it changes nothing in the kernel:
    what is in force stays in force.

    With --twin everything is the same but the kernel, which is simulated in memory: for tests of a control
    plane, on machines without VRF. Its status has the reason Twin, its warnings say what it is, requests of
    the CNI plugin are refused, and it never starts on the state directory of an agent that enforces.
    """
    if context.invoked_subcommand is not None:
        return ExitCode.FINE
    from agent.installation import Installation
    from agent.plan_file import LAST_GOOD
    from agent.run import EXIT_STOPPED, run
    from agent.settings import Settings
    from cli.log_lines import LogLines
    from controller.log import LogFormat, StreamLog

    handler = LogLines(StreamLog(stream=sys.stderr, format=LogFormat(log_format)))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    name = _node_name(node)
    installation = None
    if cni_conf is not None:
        installation = Installation(
            configurations=cni_conf,
            binaries=cni_bin,
            socket=socket_path,
            plan=state / LAST_GOOD,
            binary=cni_binary,
            default_network=default_network,
        )
    settings = Settings(
        node=name,
        plans=plans,
        api=_api(plans, kubeconfig, name, nodes_namespace),
        socket=socket_path,
        state=state,
        metrics=_address(metrics_address),
        installation=installation,
        twin=twin,
        grace=grace,
        patience=patience,
        quiet=quiet,
    )
    return ExitCode.FINE if run(settings) == EXIT_STOPPED else ExitCode.ENVIRONMENT


_conf = click.option(
    "--cni-conf",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default="/etc/cni/net.d",
    show_default=True,
    help="The container runtime's directory of configurations.",
)


@command.command("install-cni")
@_conf
@cni_bin
@cni_binary
@default_network
@_socket("Where the plugin asks the agent.")
@_state("The agent's own directory, where the plugin finds its last good plan.")
def install_cni(
    cni_conf: Path,
    cni_bin: Path,
    cni_binary: Path,
    default_network: str,
    socket_path: Path,
    state: Path,
) -> int:
    """Install the CNI plugin once, as an agent with --cni-conf does and keeps doing.

    The binary goes to --cni-bin, the configuration to --cni-conf, each whole and at once. Without a
    configuration of a default network there nothing is installed.
    """
    from agent.installation import Installation
    from agent.plan_file import LAST_GOOD

    installation = Installation(
        configurations=cni_conf,
        binaries=cni_bin,
        socket=socket_path,
        plan=state / LAST_GOOD,
        binary=cni_binary,
        default_network=default_network,
    )
    try:
        installation.put()
    except OSError as error:
        raise Failure(f"the CNI plugin cannot be installed: {error}") from None
    if installation.trouble is not None:
        raise Failure(installation.trouble)
    return ExitCode.FINE


@command.command("uninstall-cni")
@_conf
@cni_bin
def uninstall_cni(cni_conf: Path, cni_bin: Path) -> int:
    """Remove the CNI plugin's configuration, then its binary. No agent that keeps it installed may run.

    New pods start on the default network then, pods of networks too: take every pod out of its
    network before.
    """
    from agent.installation import Installation

    installation = Installation(configurations=cni_conf, binaries=cni_bin, socket=Path(), plan=Path())
    try:
        installation.remove()
    except OSError as error:
        raise Failure(f"the CNI plugin cannot be removed: {error}") from None
    return ExitCode.FINE


def _node_name(given: str | None) -> NodeName:
    from compiler.names import NodeName, is_subdomain

    name = given or socket.gethostname()
    if not is_subdomain(name):
        where = "--node" if given else "the host's name, taken since --node is not given"
        raise Failure(
            f"{name!r} ({where}): no Node can have this name. Give the Node's own, of `kubectl get nodes`."
        )
    return NodeName(name)


def _api(plans: Path | None, kubeconfig: Path | None, node: NodeName, nodes_namespace: str) -> Api | None:
    if plans is not None:
        if kubeconfig is not None:
            raise click.UsageError("--plans and --kubeconfig: a plan has one source; give one of the two.")
        return None
    if kubeconfig is None and not os.environ.get("KUBERNETES_SERVICE_HOST"):
        raise Failure(
            "no source of plans: this is not a pod of a cluster (KUBERNETES_SERVICE_HOST is not set)."
            " Give --kubeconfig FILE, or --plans DIR of a controller without a cluster."
        )

    from agent.identity import connect
    from kube.connection import ConfigurationError

    try:
        return connect(kubeconfig, node, nodes_namespace)
    except ConfigurationError as error:
        raise Failure(str(error)) from None


def _address(given: str | None) -> Address | None:
    from serving.server import parse_address

    try:
        return None if given is None else parse_address(given)
    except ValueError as error:
        raise click.UsageError(f"--metrics-address: {error}") from None
