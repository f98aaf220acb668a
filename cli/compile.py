"""`atoll compile`: one commit and one inventory to files, the same bytes on every machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.failure import ExitCode, Failure
from cli.options import Format, folder_option, format_option, inventory_option, revision_option

if TYPE_CHECKING:
    from compiler.allocations import Allocations
    from compiler.compilation import Compilation
    from compiler.problem import Problem
    from controller.snapshot import Snapshot


@click.command("compile")
@click.option(
    "--repo",
    metavar="PATH",
    type=click.Path(path_type=Path),
    required=True,
    help="A repository, or a directory.",
)
@revision_option
@folder_option
@inventory_option(required=True, help="What kubectl get ... -A -o json printed.")
@click.option(
    "--allocations",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Of the compilation before, whose numbers and blocks are kept.  [default: everything anew]",
)
@click.option(
    "--out", metavar="DIR", type=click.Path(path_type=Path), required=True, help="Where the files go."
)
@format_option
def command(
    repo: Path,
    revision: str | None,
    folder: str,
    inventory: Path,
    allocations: Path | None,
    out: Path,
    output: str,
) -> int:
    """Compile declarations into what each node must do.

    \b
    Writes into DIR:
      allocations.json           numbers and blocks, for the next compilation
      reachability.txt, .json    which networks may talk, and why
      origins.json               where each object is declared
      nodes/<node>/plan.json     all that the node's agent needs
      nodes/<node>/layout.txt    its links, routes and rules, as for ip -batch
      nodes/<node>/ruleset.nft   its firewall rules, as for nft -f

    With an error nothing is written. The inventory is what this prints:
    kubectl get nodes,namespaces,pods,services,endpointslices -A -o json
    """
    from cli.artefact import write_artefact
    from cli.console import progress
    from cli.declared import read_repository

    with progress("reading declarations"):
        snapshot = read_repository(repo, revision, folder)
    kept = read_allocations(allocations)
    with progress("compiling"):
        compilation, problems = compiled(snapshot, inventory, kept)
    if compilation is None:
        _report(snapshot, None, problems, output, out)
        return ExitCode.PROBLEMS
    with progress("writing"):
        write_artefact(out, compilation)
    _report(snapshot, compilation, problems, output, out)
    return ExitCode.FINE


def read_allocations(path: Path | None) -> Allocations:
    """Read those of an earlier compilation; none without a file. Raise Failure."""
    from compiler import codec
    from compiler.allocations import Allocations

    if path is None:
        return Allocations()
    try:
        return codec.decode_allocations(path.read_bytes())
    except OSError as error:
        reason = f"{path}: it cannot be read: {error.strerror}"
        raise Failure(f"{reason}. Leave --allocations out for the first compilation.") from None
    except ValueError as error:
        raise Failure(
            f"{path}: it does not hold allocations: {error}. Restore it, or leave it out."
        ) from None


def compiled(
    snapshot: Snapshot, inventory: Path | None, allocations: Allocations
) -> tuple[Compilation | None, tuple[Problem, ...]]:
    """Compile what was read; None where there is an error anywhere.

    Without an inventory for the model that `review.model_cluster` makes; what it alone warns of is left out.
    """
    from cli.validate import read_cluster
    from compiler.compilation import compile
    from compiler.inventory import Inventory
    from compiler.parse import parse
    from compiler.problem import Severity, in_reading_order

    cluster, problems = read_cluster(inventory) if inventory else (Inventory(), ())
    parsed = parse(snapshot.files, revision=snapshot.revision)
    problems = (*problems, *snapshot.problems, *parsed.problems)
    compilation = None
    if parsed.declarations:
        if inventory is None:
            from review.model_cluster import model_cluster

            cluster = model_cluster(parsed.declarations)
        compilation = compile(parsed.declarations, cluster, allocations)
        told = (p for p in compilation.problems if inventory or p.severity is Severity.ERROR)
        problems = (*problems, *told)
    if any(problem.severity is Severity.ERROR for problem in problems):
        compilation = None
    return compilation, in_reading_order(problems)


def _report(
    snapshot: Snapshot,
    compilation: Compilation | None,
    problems: tuple[Problem, ...],
    output: str,
    out: Path,
) -> None:
    networks = len(compilation.numbers) if compilation else 0
    nodes = len(compilation.plans) if compilation else 0
    if output == Format.JSON:
        from cli.problem_json import problems_json

        generation = compilation.allocations.generation if compilation else 0
        facts: dict[str, str | int] = {
            "revision": snapshot.revision,
            "out": str(out),
            "generation": generation,
        }
        click.echo(problems_json(problems, **facts, networks=networks, nodes=nodes))
        return
    from cli.console import console
    from cli.problem_text import counted, print_problems, summary_text

    console_out = console()
    print_problems(console_out, problems, snapshot.files)
    text = summary_text(problems)
    if compilation:
        text.append(f"; {counted(networks, 'network')} on {counted(nodes, 'node')} written to {out}")
    else:
        text.append("; nothing was written")
    console_out.print(text)
