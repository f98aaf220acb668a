"""`atoll schema`: the JSON Schema of a kind, for editors and other tools."""

from __future__ import annotations

import click

KINDS = ("VirtualNetwork", "VirtualNetworkRouter", "ClusterConfig", "NetworkSource", "ReviewPolicy")


@click.command("schema")
@click.argument("kind", type=click.Choice(KINDS, case_sensitive=False))
def command(kind: str) -> None:
    """Print the JSON Schema of a kind of atoll.dev/v1alpha1.

    Editors take it from a comment in the first line of a file:
    `# yaml-language-server: $schema=virtualnetwork.json`
    """
    import schemas

    click.echo(schemas.text(f"{kind.lower()}.json"), nl=False)
