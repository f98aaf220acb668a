"""`atoll status`: the story of a cluster without logs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.failure import ExitCode, Failure
from cli.options import Format, format_option, kubeconfig_option

if TYPE_CHECKING:
    from cli.status_telling import Telling
    from kube.api import Api


@click.command("status")
@click.argument("name", metavar="[NETWORK|NODE]", required=False, default="")
@kubeconfig_option
@click.option(
    "-n",
    "--namespace",
    metavar="NAMESPACE",
    envvar="POD_NAMESPACE",
    default="atoll-system",
    show_default=True,
    help="The controller's: where NetworkSources are.",
)
@click.option("--watch", is_flag=True, help="Go on, and tell anew whenever something changes.")
@click.option("--all", "everything", is_flag=True, help="List every network, router and node.")
@format_option
def command(
    name: str, kubeconfig: Path | None, namespace: str, watch: bool, everything: bool, output: str
) -> int:
    """Tell how a cluster is: what is in force where, what is not well, and what to do next.

    Reads what the controller and the agents wrote: the commit seen and the commit in force, signatures,
    how far a rollout has come and why it halted, problems with file and line, conflicts with Git, networks,
    routers that wait for consent, nodes, who leads, recent events. With the name of a network
    (namespace/name, or name) or of a node: the story of that one.

    \b
    Exits with
      0  all is well; warnings and what is on its way do not count
      1  something is not well, or a kind of Atoll's cannot be read
      2  the command was used wrongly, as with a name that nothing has
      3  the API server cannot be reached
    """
    from cli.status_account import NoSuchName
    from cli.status_telling import Telling
    from kube.api import ApiError
    from kube.client import ClusterApi, Patience
    from kube.connection import ConfigurationError, connect

    telling = Telling(name=name, everything=everything, as_json=output == Format.JSON)
    try:
        connection = connect(kubeconfig)
    except ConfigurationError as error:
        raise Failure(str(error)) from None
    api = ClusterApi.of(connection, Patience(connect=5, read=20, total=60))
    try:
        if watch:
            from cli.status_watch import follow

            follow(api, namespace, telling)
        return _once(api, namespace, telling)
    except NoSuchName as error:
        raise click.UsageError(str(error)) from None
    except ApiError as error:
        where = f"the API server at {connection.server} gives no answer to work with: {error}"
        remedy = "Give --kubeconfig or KUBECONFIG of a cluster that is up, with credentials that it knows"
        raise Failure(f"{where}. {remedy}.") from None


def _once(api: Api, namespace: str, telling: Telling) -> int:
    from datetime import UTC, datetime

    from cli.console import progress
    from cli.status_reading import read_all

    with progress("reading the cluster"):
        board = read_all(api, namespace)
    report = telling.report(board.facts(datetime.now(UTC)))
    telling.once(report)
    return ExitCode.FINE if report.well else ExitCode.PROBLEMS
