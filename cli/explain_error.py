"""`atoll explain-error`: what a code means, with an example and the remedy."""

from __future__ import annotations

import click

from cli.options import Format, format_option


@click.command("explain-error")
@click.argument("code", metavar="ATLnnn")
@format_option
def command(code: str, output: str) -> None:
    """Explain an error or warning by its code."""
    from compiler.catalogue import CATALOGUE
    from compiler.problem import Code

    entry = CATALOGUE.get(Code(code.upper()))
    if entry is None:
        close = ", ".join(sorted(known for known in CATALOGUE if known[:4] == code.upper()[:4]))
        hint = (
            f"Codes that begin alike: {close}."
            if close
            else "Codes are printed with each problem, as ATL401."
        )
        raise click.UsageError(f"{code} is not a code of Atoll. {hint}")
    if output == Format.JSON:
        _print_json(code.upper())
        return
    _print_text(code.upper())


def _print_json(code: str) -> None:
    import json
    from dataclasses import asdict

    from compiler.catalogue import CATALOGUE
    from compiler.problem import Code

    click.echo(json.dumps({"code": code, **asdict(CATALOGUE[Code(code)])}, indent=2))


def _print_text(code: str) -> None:
    from rich.text import Text

    from cli.console import console
    from compiler.catalogue import CATALOGUE
    from compiler.problem import Code

    entry = CATALOGUE[Code(code)]
    out = console()
    out.print(Text(f"{code}: {entry.title} ({entry.severity})", style="bold"))
    out.print(f"\n{entry.explanation}\n\nExample:\n")
    for line in entry.example.splitlines():
        out.print(Text(f"    {line}", style="dim"))
    out.print(f"\nRemedy: {entry.remedy}.")
