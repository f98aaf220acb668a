"""`atoll completion`: scripts that teach a shell to complete the command line."""

from __future__ import annotations

import click

_PROLOGUE = {
    "bash": 'eval "$(atoll completion bash)"   # in ~/.bashrc',
    "zsh": 'eval "$(atoll completion zsh)"   # in ~/.zshrc',
    "fish": "atoll completion fish | source   # in ~/.config/fish/config.fish",
}


@click.command("completion", epilog='For example: eval "$(atoll completion bash)"')
@click.argument("shell", type=click.Choice(sorted(_PROLOGUE)))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    root = context.find_root().command
    script = kind(root, {}, "atoll", "_ATOLL_COMPLETE").source()
    click.echo(f"# {_PROLOGUE[shell]}\n{script.strip()}")
