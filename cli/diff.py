"""`atoll diff`: what a change does to the cluster, for whoever must approve it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import click

from cli.failure import ExitCode, Failure
from cli.options import folder_option, inventory_option

if TYPE_CHECKING:
    from cli.diff_sources import Pair
    from review.model import Certificate, Review
    from review.side import Cluster, States


class Form(StrEnum):
    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"
    HTML = "html"


@click.command("diff")
@click.argument("base", metavar="BASE")
@click.argument("head", metavar="HEAD")
@click.option(
    "--repo",
    "--repository",
    "repository",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Where BASE and HEAD are revisions.  [default: the current directory]",
)
@folder_option
@click.option("--merge-base", is_flag=True, help="Compare HEAD with the common ancestor of BASE and HEAD.")
@inventory_option(required=False, help="What kubectl get ... -A -o json printed; it may be old.")
@click.option(
    "--allocations",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Numbers and blocks of the cluster.  [default: BASE's are given anew]",
)
@click.option(
    "--approved-by", metavar="NAME", multiple=True, help="Who has approved, for the policy; may be repeated."
)
@click.option("--proof", is_flag=True, help="Let the verifier judge all of HEAD, as atoll verify does.")
@click.option(
    "--format",
    "form",
    type=click.Choice([choice.value for choice in Form]),
    default=Form.TEXT.value,
    show_default=True,
    help="For terminals, comments, machines, or browsers.",
)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Write review.md, review.json and review.html there as well.",
)
def command(
    base: str,
    head: str,
    repository: Path | None,
    folder: str,
    merge_base: bool,
    inventory: Path | None,
    allocations: Path | None,
    approved_by: tuple[str, ...],
    proof: bool,
    form: str,
    out: Path | None,
) -> int:
    """Tell what HEAD does that BASE does not.

    Who newly reaches whom and who no longer does, by which line of whom; what is cut; what differs on which
    node. BASE and HEAD are revisions of a Git repository, or two directories. No cluster is asked.

    Exits with 1 where HEAD is refused, breaks the policy without approval, or is not proved.
    """
    from concurrent.futures import ThreadPoolExecutor

    from cli.console import progress
    from cli.diff_sources import read_pair

    # Reading commits is work of Git's processes, so the inventory is read meanwhile.
    with progress("reading declarations and inventory"), ThreadPoolExecutor(max_workers=1) as reader:
        reading = reader.submit(read_pair, base, head, repository, folder, merge_base=merge_base)
        cluster = _cluster(inventory, allocations)
        pair = reading.result()
    review = _review(pair, cluster, approved_by, proof=proof)
    if out is not None:
        _write(out, review)
    _print(review, Form(form))
    return ExitCode.FINE if _may_pass(review) else ExitCode.PROBLEMS


def _cluster(inventory: Path | None, allocations: Path | None) -> Cluster:
    from cli.compile import read_allocations
    from cli.validate import read_cluster
    from review.side import Cluster
    from review.taken import newest_time

    kept = read_allocations(allocations) if allocations else None
    if inventory is None:
        return Cluster(allocations=kept)
    known, problems = read_cluster(inventory)
    taken = newest_time(inventory.read_bytes())
    return Cluster(inventory=known, allocations=kept, problems=problems, taken=taken)


def _review(pair: Pair, cluster: Cluster, approved_by: tuple[str, ...], *, proof: bool) -> Review:
    from cli.console import progress
    from compiler.collector import collector_paused
    from controller.plan_text import PlanTexts
    from review.build import Sources, review_of
    from review.side import states_of

    with collector_paused():
        with progress("compiling"):
            states = states_of(pair.base, pair.head, cluster)
        certificate = _certificate(states) if proof else None
        with progress("comparing"):
            return review_of(
                states,
                Sources(
                    blame=pair.blame,
                    digest=PlanTexts().digest,
                    remarks=pair.remarks,
                    approved_by=approved_by,
                    certificate=certificate,
                ),
            )


def _certificate(states: States) -> Certificate | None:
    from cli.console import progress
    from cli.diff_proof import certificate_of, certificate_of_model

    compilation, declarations = states.head.accepted, states.head.declarations
    if compilation is None or declarations is None:
        return None  # a review begins with what is refused
    with progress("proving"):
        if states.cluster.inventory is None:
            return certificate_of_model(declarations)
        return certificate_of(compilation)


FILES: Mapping[str, Form] = MappingProxyType(
    {"review.md": Form.MARKDOWN, "review.json": Form.JSON, "review.html": Form.HTML}
)
"""What --out writes: one review in the forms that are kept."""


def _write(out: Path, review: Review) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, form in FILES.items():
            (out / name).write_text(_told(review, form), encoding="utf-8")
    except OSError as error:
        place = error.filename or out
        raise Failure(
            f"{place}: {error.strerror}. Give a directory that can be written to as --out."
        ) from None


def _print(review: Review, form: Form) -> None:
    if form is not Form.TEXT:
        click.echo(_told(review, form), nl=False)
        return
    from cli.console import console
    from cli.diff_text import print_review

    print_review(console(), review)


def _told(review: Review, form: Form) -> str:
    match form:
        case Form.MARKDOWN:
            from review.markdown import markdown

            return markdown(review)
        case Form.JSON:
            from review.document import document

            return document(review)
        case _:
            from review.html import html

            return html(review)


def _may_pass(review: Review) -> bool:
    from review.model import Verdict

    approved = review.policy is None or review.policy.verdict in ("none", "kept", "approved")
    proved = review.certificate is None or review.certificate.proved
    return review.verdict is not Verdict.REFUSED and approved and proved
