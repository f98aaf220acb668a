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


def check_inventory(inventory: Path | None, plans: Path | None, node: str | None) -> None:
    """What was written for nodes, or a kernel holds, is of a real cluster: no model stands in for it."""
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
