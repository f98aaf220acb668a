"""`atoll verify`: whether nodes let pass exactly what was declared, for all packets at once."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from cli.failure import ExitCode, Failure
from cli.options import (
    Format,
    check_evidence,
    evidence_options,
    folder_option,
    format_option,
    revision_option,
)

if TYPE_CHECKING:
    from cli.verify_inputs import Basis
    from compiler.problem import Problem
    from controller.snapshot import Snapshot
    from verifier.judge import Verdict

MOST_SHOWN: Final = 10
"""Violations that people get without asking: what is wrong everywhere is seen in fewer."""


@click.command("verify")
@click.argument("directory", metavar="[DIRECTORY]", type=click.Path(path_type=Path), required=False)
@click.option(
    "--repo",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Declarations of a commit of this repository.",
)
@revision_option
@folder_option
@evidence_options(
    plans="Judge what atoll compile --out or the controller wrote there.",
    node="Judge one node by its kernel, with --dump or --live.",
)
@click.option(
    "--certificate",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Where to write what was proved; not written otherwise.",
)
@click.option("--all", "everything", is_flag=True, help="Show every violation.  [default: the first ten]")
@format_option
def command(
    directory: Path | None,
    repo: Path | None,
    revision: str | None,
    folder: str,
    inventory: Path | None,
    allocations: Path | None,
    plans: Path | None,
    node: str | None,
    dump: Path | None,
    live: bool,
    certificate: Path | None,
    everything: bool,
    output: str,
) -> int:
    """Prove that nodes let pass exactly what is declared, or show a packet that says otherwise.

    Compiles the declarations of DIRECTORY, by default the current one, or of a commit, and judges the
    text that every node would get: all packets between networks, Services, nodes and the rest, not a
    sample. With --plans it judges what was written for the nodes; with --node, what a kernel holds.
    Without an inventory the nodes are a model's: two, with a pod of every network on each.
    Exits with 1 where something is not as declared, or the declarations have errors.

    \b
    Files of a dump, and the commands that write them:
      ruleset.json    nft -j list table inet atoll
      link.json       ip -N -j -d link
      address.json    ip -N -j address
      route4.json     ip -N -j -d -4 route show table all    (route6.json: -6)
      rule4.json      ip -N -j -4 rule                       (rule6.json: -6)
      neighbour.json  ip -N -j neighbour
      fdb.json        bridge -j fdb
    """
    from cli.console import progress
    from cli.verify_inputs import basis_of

    _check(directory, repo, revision, folder, plans, node)
    check_evidence(inventory=inventory, plans=plans, node=node, dump=dump, live=live)
    snapshot = _snapshot(directory or Path(), repo, revision, folder)
    with progress("compiling"):
        basis, problems = basis_of(snapshot, inventory, allocations, plans)
    verdict = _verdict(basis, plans, node, dump) if basis is not None else None
    if verdict is not None and basis is not None:
        verdict = _remarked(verdict, basis, inventory, plans)
    _report(snapshot, problems, verdict, output, everything=everything)
    if verdict is None or not verdict.proved:
        return ExitCode.PROBLEMS
    if certificate is not None:
        _write(certificate, verdict)
    return ExitCode.FINE


def _check(
    directory: Path | None,
    repo: Path | None,
    revision: str | None,
    folder: str,
    plans: Path | None,
    node: str | None,
) -> None:
    if directory and repo:
        raise click.UsageError("Give DIRECTORY or --repo, not both.")
    if not repo and (revision or folder):
        raise click.UsageError("--revision and --path belong to --repo.")
    if node is not None and plans is not None:
        raise click.UsageError("--plans judges what was written, --node what a kernel holds: give one.")


def _snapshot(directory: Path, repo: Path | None, revision: str | None, folder: str) -> Snapshot:
    from cli.console import progress
    from cli.declared import read_files, read_repository

    with progress("reading declarations"):
        return read_repository(repo, revision, folder) if repo else read_files(directory)


def _verdict(basis: Basis, plans: Path | None, node: str | None, dump: Path | None) -> Verdict:
    from cli.console import progress
    from cli.counting import counting
    from cli.node_dump import read_dump, read_live
    from cli.verify_inputs import judge_compilation, judge_one, judge_plans
    from compiler.names import NodeName

    if node is not None:
        with progress(f"judging node {node}"):
            read = read_live if dump is None else partial(read_dump, dump)
            return judge_one(basis, NodeName(node), read)
    with counting("judging nodes") as judged:
        if plans is not None:
            return judge_plans(basis, plans, judged)
        return judge_compilation(basis, judged)


def _remarked(verdict: Verdict, basis: Basis, inventory: Path | None, plans: Path | None) -> Verdict:
    """With what was not judged because nobody knows it, or it is in no plan yet."""
    from review.first_pods import absent_networks, unjudged
    from review.model_cluster import NOTE
    from review.proof import remarked

    if inventory is None:
        return remarked(verdict, NOTE)
    return verdict if plans is None else remarked(verdict, unjudged(absent_networks(basis.compilation)))


def _report(
    snapshot: Snapshot,
    problems: tuple[Problem, ...],
    verdict: Verdict | None,
    output: str,
    *,
    everything: bool,
) -> None:
    if output == Format.JSON:
        from cli.problem_json import problems_json
        from review.verdict_record import VerdictRecord

        record = VerdictRecord.of(verdict) if verdict else None
        click.echo(problems_json(problems, revision=snapshot.revision, verdict=record))
        return
    from cli.console import console
    from cli.problem_text import print_problems, summary_text
    from cli.verify_text import verdict_texts

    out = console()
    print_problems(out, problems, snapshot.files)
    if verdict is None:
        out.print(summary_text(problems).append("; nothing was judged"))
        return
    for text in verdict_texts(verdict, shown=None if everything else MOST_SHOWN):
        out.print(text)


def _write(path: Path, verdict: Verdict) -> None:
    import msgspec

    from review.verdict_record import CertificateRecord

    record = CertificateRecord.of(verdict.certificate)
    try:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")
    except OSError as error:
        raise Failure(f"{path}: it cannot be written: {error.strerror}.") from None
