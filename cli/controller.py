"""`atoll controller`: Git and an inventory file in, node plans in a directory out, until told to stop."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cli.failure import Failure
from cli.options import folder_option, inventory_option, log_format


@click.command("controller")
@click.option("--repo", metavar="URL", required=True, help="https or ssh URL, or path of a local repository.")
@click.option("--ref", default="HEAD", show_default=True, help="Branch or tag to follow.")
@folder_option
@inventory_option(required=True, help="What kubectl get ... -A -o json printed; watched for changes.")
@click.option(
    "--plans",
    metavar="DIR",
    type=click.Path(path_type=Path),
    required=True,
    help="Where agents find their plans.",
)
@click.option(
    "--interval",
    metavar="SECONDS",
    type=click.FloatRange(min=0.2),
    default=30.0,
    show_default=True,
    help="Between two looks at the repository, a tenth more or less.",
)
@log_format
def command(
    repo: str, ref: str, folder: str, inventory: Path, plans: Path, interval: float, log_format: str
) -> None:
    """Follow a Git repository and publish a plan for each node.

    A commit with an error never replaces a good one: the last good commit stays in force, and
    DIR/status.json and the log say what is wrong. Ends cleanly on SIGTERM and SIGINT.
    """
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
