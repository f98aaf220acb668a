"""`atoll validate`: every problem of the declarations, without a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.failure import ExitCode, Failure
from cli.options import Format, folder_option, format_option, inventory_option, revision_option

if TYPE_CHECKING:
    from compiler.inventory import Inventory
    from compiler.model import Declarations
    from compiler.problem import Problem
    from controller.snapshot import Snapshot


@click.command("validate")
@click.argument("directory", metavar="[DIRECTORY]", type=click.Path(path_type=Path), required=False)
@click.option(
    "--repo", metavar="PATH", type=click.Path(path_type=Path), help="Judge a commit of this repository."
)
@revision_option
@folder_option
@inventory_option(required=False, help="Judge selectors and deletions against this cluster as well.")
@format_option
def command(
    directory: Path | None,
    repo: Path | None,
    revision: str | None,
    folder: str,
    inventory: Path | None,
    output: str,
) -> int:
    """Report every error and warning of a set of declarations.

    Reads the files of DIRECTORY as they are, by default those of the current one; with --repo, those of
    a commit, whatever the work tree holds. Exits with 1 if there is an error.
    """
    from cli.console import progress

    if directory and repo:
        raise click.UsageError("Give DIRECTORY or --repo, not both.")
    if not repo and (revision or folder):
        raise click.UsageError("--revision and --path belong to --repo.")
    snapshot = _snapshot(directory or Path(), repo, revision, folder)
    with progress("judging declarations"):
        declarations, problems = _judge(snapshot, inventory)
    _report(snapshot, declarations, problems, output)
    return ExitCode.PROBLEMS if any(p.severity.value == "error" for p in problems) else ExitCode.FINE


def _snapshot(directory: Path, repo: Path | None, revision: str | None, folder: str) -> Snapshot:
    from cli.console import progress
    from cli.declared import read_files, read_repository

    with progress("reading declarations"):
        return read_repository(repo, revision, folder) if repo else read_files(directory)


def _judge(snapshot: Snapshot, inventory: Path | None) -> tuple[Declarations | None, tuple[Problem, ...]]:
    from compiler.parse import parse
    from compiler.problem import in_reading_order
    from review.policy_text import idle_guards, read_policy

    parsed, reading = parse(snapshot.files, revision=snapshot.revision), read_policy(snapshot.files)
    problems = (*snapshot.problems, *parsed.problems, *reading.problems)
    if parsed.declarations:
        problems = (*problems, *_consequences(parsed.declarations, inventory))
        if reading.policy:
            problems = (*problems, *idle_guards(reading.policy, parsed.declarations))
    return parsed.declarations, in_reading_order(problems)


def _consequences(declarations: Declarations, inventory: Path | None) -> tuple[Problem, ...]:
    if inventory is None:
        from compiler.resolve import resolve

        return resolve(declarations, {}).problems
    from compiler.allocations import Allocations
    from compiler.compilation import compile

    cluster, problems = read_cluster(inventory)
    return (*problems, *compile(declarations, cluster, Allocations()).problems)


def read_cluster(path: Path) -> tuple[Inventory, tuple[Problem, ...]]:
    """Read an inventory file, "-" for none; a Failure where nothing can be made of it."""
    from cli.declared import sentence
    from controller.inventory_file import judged, unreadable

    try:
        text = path.read_bytes()
    except OSError as error:
        raise Failure(sentence(unreadable(path, error))) from None
    reading = judged(text, str(path))
    if reading.inventory is None:
        # What is wrong with the whole comes last, after what is wrong with single objects.
        raise Failure(sentence(reading.problems[-1]))
    return reading.inventory, reading.problems


def _report(
    snapshot: Snapshot, declarations: Declarations | None, problems: tuple[Problem, ...], output: str
) -> None:
    networks = len(declarations.networks) if declarations else 0
    routers = len(declarations.routers) if declarations else 0
    if output == Format.JSON:
        from cli.problem_json import problems_json

        facts: dict[str, str | int] = {"revision": snapshot.revision, "files": len(snapshot.files)}
        click.echo(problems_json(problems, **facts, networks=networks, routers=routers))
        return
    from cli.console import console
    from cli.problem_text import counted, print_problems, summary_text

    out = console()
    print_problems(out, problems, snapshot.files)
    found = [counted(len(snapshot.files), "file")]
    if declarations:
        found += [counted(networks, "network"), counted(routers, "router")]
    text = summary_text(problems)
    text.append(f" in {', '.join(found)}")
    out.print(text)
