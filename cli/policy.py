"""`atoll policy`: whether a change keeps the guarded rules of the commit before it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.failure import ExitCode, Failure
from cli.options import Format, folder_option, format_option, inventory_option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compiler.inventory import Namespace
    from compiler.model import Declarations
    from controller.snapshot import Snapshot
    from review.policy_judge import Judgement
    from review.policy_text import PolicyReading


@click.command("policy")
@click.argument("base", metavar="BASE")
@click.argument("head", metavar="[HEAD]", default="HEAD")
@click.option(
    "--repo",
    metavar="PATH",
    type=click.Path(path_type=Path),
    default=Path(),
    help="The repository that has both.  [default: the current directory]",
)
@folder_option
@inventory_option(required=False, help="Labels of namespaces. Without it, whatever they may select counts.")
@click.option(
    "--approved-by",
    "approved_by",
    metavar="NAME",
    multiple=True,
    help="Somebody who approved HEAD, and is not its author. Repeatable.",
)
@format_option
def command(
    base: str,
    head: str,
    repo: Path,
    folder: str,
    inventory: Path | None,
    approved_by: tuple[str, ...],
    output: str,
) -> int:
    """Judge a change by the policy before it.

    BASE and HEAD are commits, branches or tags. The guards in BASE's policy.yaml decide what HEAD may do
    to the networks that they cover, and who may approve it; what HEAD says about itself does not count.
    Exits with 1 if something is not approved.
    """
    from cli.console import progress

    with progress("reading declarations"):
        sides = _read(repo, base, head, folder)
    with progress("judging the change"):
        judgement = _judged(*sides, _namespaces(inventory), approved_by)
    _report(judgement, base, head, output)
    return ExitCode.FINE if judgement.kept else ExitCode.PROBLEMS


def _read(repo: Path, base: str, head: str, folder: str) -> tuple[Snapshot, Snapshot]:
    from cli.declared import is_repository, normal, sentence
    from controller.git import compare_commits
    from controller.location import checked_revision
    from controller.snapshot import SourceError

    if not is_repository(repo):
        raise Failure(f"{repo}: it is not a Git repository. Name the root of one with --repo.")
    at, inside = repo.resolve(), normal(folder)
    try:
        _, was, is_now = compare_commits(at, checked_revision(base), checked_revision(head), inside)
    except SourceError as error:
        raise Failure(sentence(error.problem)) from None
    return was, is_now


def _namespaces(inventory: Path | None) -> Mapping[str, Namespace] | None:
    from cli.validate import read_cluster

    return read_cluster(inventory)[0].namespaces if inventory else None


def _judged(
    base: Snapshot,
    head: Snapshot,
    namespaces: Mapping[str, Namespace] | None,
    approved_by: tuple[str, ...],
) -> Judgement:
    from compiler.reachability import Reachability, changes, reachability_of
    from compiler.resolve import resolve
    from review.policy_judge import judge
    from review.policy_unknown import uncertain_pairs

    (old, was), (new, is_now) = _understood(base), _understood(head)
    if new is None:
        raise Failure("HEAD has errors. Look at them with atoll validate.", ExitCode.PROBLEMS)
    reach = [
        reachability_of(side, resolve(side, namespaces or {})) if side else Reachability()
        for side in (old, new)
    ]
    return judge(
        (old, was),
        (new, is_now),
        changes(*reach),
        approved_by=approved_by,
        uncertain=uncertain_pairs(old, new) if old and namespaces is None else (),
    )


def _understood(snapshot: Snapshot) -> tuple[Declarations | None, PolicyReading]:
    """None where what is declared cannot be understood."""
    from compiler.parse import parse
    from review.policy_text import read_policy

    parsed = parse(snapshot.files, revision=snapshot.revision)
    return None if snapshot.problems else parsed.declarations, read_policy(snapshot.files)


def _report(judgement: Judgement, base: str, head: str, output: str) -> None:
    from review.policy_judge import breach_problem
    from review.policy_report import judgement_lines, judgement_record

    if output == Format.JSON:
        from cli.problem_json import problems_json

        problems = (*judgement.problems, *map(breach_problem, judgement.unapproved))
        record = judgement_record(judgement)
        click.echo(problems_json(problems, base=base, head=head, policy=record))
        return
    from cli.console import console
    from cli.problem_text import safe

    out = console()
    for line in tuple(judgement_lines(judgement)) or ("BASE has no policy.yaml: nothing is guarded.",):
        out.print(safe(line))
