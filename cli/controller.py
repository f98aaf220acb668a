"""`atoll controller`: on a cluster, or embedded: Git and an inventory file in, plans in a directory out."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import click

from cli.failure import ExitCode, Failure
from cli.options import folder_option, inventory_option, kubeconfig_option, log_format


@click.command("controller")
@click.option("--cluster", is_flag=True, help="On a cluster: the API server is database and bus.")
@kubeconfig_option
@click.option(
    "--namespace",
    metavar="NAME",
    envvar="POD_NAMESPACE",
    default="atoll-system",
    show_default=True,
    help="Cluster: where NetworkSources, their Secrets, the Lease and the records are.",
)
@click.option(
    "--nodes-namespace",
    metavar="NAME",
    default="atoll-nodes",
    show_default=True,
    help="Cluster: where the nodes' ServiceAccounts are.",
)
@click.option(
    "--cache",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default="/var/cache/atoll",
    show_default=True,
    help="Cluster: for the repository; may be lost at any time.",
)
@click.option(
    "--metrics-address",
    metavar="HOST:PORT",
    default="",
    help="Cluster: of /metrics, /healthz and /readyz, such as :8080.  [default: none]",
)
@click.option(
    "--webhook-address",
    metavar="HOST:PORT",
    default="",
    help="Cluster: of /hook/<namespace>/<name>, such as :9292.  [default: none]",
)
@click.option("--repo", metavar="URL", help="Embedded: https or ssh URL, or path of a local repository.")
@click.option("--ref", default="HEAD", show_default=True, help="Embedded: branch or tag to follow.")
@folder_option
@inventory_option(
    required=False, help="Embedded: what kubectl get ... -A -o json printed; watched for changes."
)
@click.option(
    "--plans",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Embedded: where agents find their plans.",
)
@click.option(
    "--interval",
    metavar="SECONDS",
    type=click.FloatRange(min=0.2),
    default=30.0,
    show_default=True,
    help="Embedded: between two looks at the repository, a tenth more or less.",
)
@log_format
def command(
    cluster: bool,
    kubeconfig: Path | None,
    namespace: str,
    nodes_namespace: str,
    cache: Path,
    metrics_address: str,
    webhook_address: str,
    repo: str | None,
    ref: str,
    folder: str,
    inventory: Path | None,
    plans: Path | None,
    interval: float,
    log_format: str,
) -> int:
    """Follow a Git repository and publish a plan for each node.

    With --cluster, NetworkSources say which repository, networks are also taken from the cluster's own
    VirtualNetworks and VirtualNetworkRouters, and plans go out as NodeNetworks; of several replicas one
    works. Without it, --repo, --inventory and --plans name a repository, a file and a directory.

    A commit with an error never replaces a good one: the last good commit stays in force, and status
    and log say what is wrong. Ends cleanly on SIGTERM and SIGINT.
    """
    if cluster:
        _refuse_embedded(repo=repo, inventory=inventory, plans=plans)
        return _on_cluster(
            kubeconfig, namespace, nodes_namespace, cache, metrics_address, webhook_address, log_format
        )
    if repo is None or inventory is None or plans is None:
        missing = "--repo" if repo is None else "--inventory" if inventory is None else "--plans"
        wanted = "Give --cluster, or all of --repo, --inventory and --plans."
        raise click.UsageError(f"Missing {missing}. {wanted}")
    _embedded(repo, ref, folder, inventory, plans, interval, log_format)
    return ExitCode.FINE


def _refuse_embedded(**options: object) -> None:
    given = [f"--{name}" for name, value in options.items() if value is not None]
    if given:
        raise click.UsageError(f"{given[0]} is for the embedded mode: on a cluster a NetworkSource says it.")


def _on_cluster(
    kubeconfig: Path | None,
    namespace: str,
    nodes_namespace: str,
    cache: Path,
    metrics_address: str,
    webhook_address: str,
    log_format: str,
) -> int:
    from controller.cluster.run import Settings, run
    from controller.log import LogFormat, StreamLog
    from controller.publication import PublicationError
    from controller.serving.endpoints import Addresses
    from kube.client import ClusterApi, Patience
    from kube.connection import ConfigurationError, connect
    from serving.server import CannotListen, parse_address

    try:
        addresses = Addresses(
            metrics=parse_address(metrics_address) if metrics_address else None,
            webhooks=parse_address(webhook_address) if webhook_address else None,
        )
        settings = Settings(
            namespace=namespace,
            nodes_namespace=nodes_namespace,
            cache=cache,
            addresses=addresses,
            instance=os.environ.get("POD_NAME") or socket.gethostname(),
        )
        api = ClusterApi.of(connect(kubeconfig), Patience(connect=4, read=8, total=60))
        # Well below the lease's renewal: a request that hangs must not cost the office.
        lease_api = api.with_patience(Patience(connect=2, read=3, total=5))
        log = StreamLog(stream=sys.stderr, format=LogFormat(log_format))
        led = run(settings, api, log, lease_api=lease_api)
        return ExitCode.FINE if led else ExitCode.ENVIRONMENT
    except (ConfigurationError, CannotListen, PublicationError, ValueError) as error:
        raise Failure(str(error)) from None


def _embedded(
    repo: str, ref: str, folder: str, inventory: Path, plans: Path, interval: float, log_format: str
) -> None:
    from cli.declared import sentence
    from controller.location import checked_ref, parse_location
    from controller.log import LogFormat, StreamLog
    from controller.publication import PublicationError
    from controller.run import Settings, run
    from controller.snapshot import SourceError, normal_folder

    normal = normal_folder(folder)
    if normal is None:
        raise Failure(
            f"--path {folder}: it leads outside the repository. Give a folder relative to its root."
        )
    if not inventory.absolute().parent.is_dir():
        raise Failure(
            f"{inventory.parent}: there is no such directory to watch. Create it, or correct --inventory."
        )
    try:
        settings = Settings(
            location=parse_location(repo),
            ref=checked_ref(ref),
            folder=normal,
            inventory=inventory,
            plans=plans,
            interval=interval,
        )
        run(settings, StreamLog(stream=sys.stderr, format=LogFormat(log_format)))
    except SourceError as error:
        raise Failure(sentence(error.problem)) from None
    except PublicationError as error:
        raise Failure(str(error)) from None
