"""`atoll explain`: can A reach B, which way, and by whose word."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

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
    from review.explain_answer import Answer


@click.command("explain")
@click.argument("source", metavar="A")
@click.argument("target", metavar="B")
@click.argument("port", metavar="[tcp/443]", required=False)
@click.option(
    "--repo",
    metavar="PATH",
    type=click.Path(path_type=Path),
    default=Path(),
    help="Declarations: a repository, or a directory.  [default: the current directory]",
)
@revision_option
@folder_option
@evidence_options(
    plans="Follow the packet through what atoll compile --out wrote there.",
    node="Take this node as its kernel is, with --dump or --live.",
)
@click.option("--all", "everything", is_flag=True, help="Show every step of every way.")
@format_option
def command(
    source: str,
    target: str,
    port: str | None,
    repo: Path,
    revision: str | None,
    folder: str,
    inventory: Path | None,
    allocations: Path | None,
    plans: Path | None,
    node: str | None,
    dump: Path | None,
    live: bool,
    everything: bool,
    output: str,
) -> int:
    """Say whether A reaches B, and why.

    A is a pod, a network, a node or an address; B may be a Service as well. `pod:shop/web-0`,
    `network:shop/storefront`, `service:shop/web`, `node:node-1`, `10.1.0.5`; without the first word where
    only one has the name. Without a port: a Service's first, else tcp/443.

    A packet is followed hook by hook and rule by rule, its answer back again, with the declarations behind
    each step; for a no, what would have to be declared. Files of a dump: see atoll verify --help.
    Exits with 1 for a no.
    """
    from cli.explain_inputs import Inputs, ground_of
    from review.explain import Question, explain
    from review.explain_ends import Unclear
    from verifier.fault import Contradiction, NotModelled
    from verifier.unreadable import Unreadable

    check_evidence(inventory=inventory, plans=plans, node=node, dump=dump, live=live)
    inputs = Inputs(
        repo=repo,
        revision=revision,
        folder=folder,
        inventory=inventory,
        allocations=allocations,
        plans=plans,
        node=node,
        dump=dump,
    )
    ground = ground_of(inputs)
    if inventory is None:
        from review.model_cluster import NOTE

        click.echo(NOTE, err=True)
    try:
        answer = explain(ground, Question(source=source, target=target, port=_port(port)))
    except Unclear as unclear:
        raise Failure(str(unclear), ExitCode.USAGE) from None
    except (Contradiction, NotModelled, Unreadable) as error:
        raise Failure(f"{error}. Nothing was followed; atoll verify says more.") from None
    _report(_with_lines(answer, repo, ground.meaning.declarations.revision), output, everything)
    return ExitCode.FINE if answer.reaches else ExitCode.PROBLEMS


_PORT = re.compile(r"(tcp|udp|sctp)/([0-9]{1,5})", re.IGNORECASE)


def _port(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    match = _PORT.fullmatch(text)
    if match is None or not 0 < int(match[2]) < 65536:
        raise click.UsageError(f"{text} is no port. Write tcp/443, udp/53 or sctp/5000.")
    return match[1].lower(), int(match[2])


def _with_lines(answer: Answer, repo: Path, revision: str) -> Answer:
    """With the commits that brought the lines, where there is a history."""
    if not revision:
        return answer
    from cli.explain_inputs import with_lines

    return with_lines(answer, repo, revision)


def _report(answer: Answer, output: str, everything: bool) -> None:
    if output == Format.JSON:
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(answer), indent=2).decode())
        return
    from rich.text import Text

    from cli.console import console
    from cli.problem_text import safe
    from review.explain_text import Mark, answer_lines

    colours = {Mark.YES: "bold green", Mark.NO: "bold red", Mark.TITLE: "bold", Mark.DIM: "dim"}
    out = console()
    for line in answer_lines(answer, everything=everything):
        out.print(Text(safe(line.text), style=colours.get(line.mark, "")))
