"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"


def format_option(function: F) -> F:
    return click.option(
        "--format",
        "output",
        type=click.Choice([choice.value for choice in Format]),
        default=Format.TEXT.value,
        show_default=True,
        help="Output for people, or for machines.",
    )(function)


def revision_option(function: F) -> F:
    return click.option(
        "--revision", metavar="REV", help="Commit, branch or tag.  [default: HEAD, for a Git repository]"
    )(function)


def folder_option(function: F) -> F:
    return click.option(
        "--path",
        "folder",
        metavar="FOLDER",
        default="",
        help="Folder of the repository that holds the declarations.  [default: all of it]",
    )(function)


def inventory_option(*, required: bool, help: str) -> Callable[[F], F]:
    return click.option(
        "--inventory",
        metavar="FILE",
        type=click.Path(path_type=Path),
        required=required,
        help=help,
    )


def evidence_options(*, plans: str, node: str) -> Callable[[F], F]:
    """Of commands that look at nodes: a cluster or its model, as compiled, as written or as a kernel is.

    `plans` and `node` are the helps of these two. `check_evidence` says which go together.
    """
    path = click.Path(path_type=Path)
    options = (
        inventory_option(
            required=False, help="What kubectl get ... -A -o json printed.  [default: a model of two nodes]"
        ),
        click.option(
            "--allocations",
            metavar="FILE",
            type=path,
            help="Numbers and blocks in force.  [default: those beside the plans, else everything anew]",
        ),
        click.option("--plans", metavar="DIR", type=path, help=plans),
        click.option("--node", metavar="NAME", help=node),
        click.option("--dump", metavar="DIR", type=path, help="What nft, ip and bridge printed there."),
        click.option("--live", is_flag=True, help="Ask this machine, as root."),
    )

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def check_evidence(
    *, inventory: Path | None, plans: Path | None, node: str | None, dump: Path | None, live: bool
) -> None:
    """What was written for nodes, or a kernel holds, is of a real cluster: no model stands in for it."""
    if (node is not None) is not (dump is not None or live) or (dump is not None and live):
        raise click.UsageError("--node goes with --dump or --live, and with one of them.")
    if inventory is None and (plans is not None or node is not None):
        raise click.UsageError("--plans and --node need --inventory: they are of a cluster that is known.")


def kubeconfig_option(function: F) -> F:
    return click.option(
        "--kubeconfig",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Cluster: who to be.  [default: KUBECONFIG, the pod's ServiceAccount or ~/.kube/config]",
    )(function)


log_format = click.option(
    "--log-format",
    type=click.Choice(["logfmt", "json"]),
    default="logfmt",
    show_default=True,
    help="Of stderr.",
)
