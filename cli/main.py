"""The `atoll` command: a group whose commands are imported when they are asked for.

Each command module imports only click at its top, so that `atoll --help` and completion stay quick;
what a command needs it imports when it runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType

import click

from cli.failure import ExitCode, Failure

COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "validate": "cli.validate",
        "compile": "cli.compile",
        "verify": "cli.verify",
        "diff": "cli.diff",
        "policy": "cli.policy",
        "explain": "cli.explain",
        "controller": "cli.controller",
        "agent": "cli.agent",
        "status": "cli.status",
        "demo": "cli.demo",
        "schema": "cli.schema",
        "explain-error": "cli.explain_error",
        "completion": "cli.completion",
    }
)
"""Each module has its command as `command`. In the order of the help."""


class LazyGroup(click.Group):
    """Imports a command's module when the command is looked up."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        command = import_module(module).command
        assert isinstance(command, click.Command)
        return command


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="atoll", prog_name="atoll", message="%(prog)s %(version)s")
def atoll() -> None:
    """Isolated pod networks for Kubernetes, declared in Git, enforced by plain Linux.

    \b
    Exit codes: 0 fine; 1 problems in the input; 2 wrong use of the command;
    3 something around it is missing or broken; 130 interrupted.
    """


def main() -> None:
    """Run the command line; errors for people are one line, tracebacks are for defects."""
    try:
        status = atoll.main(prog_name="atoll", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        raise SystemExit(error.exit_code) from None
    except click.Abort:
        raise SystemExit(ExitCode.INTERRUPTED) from None
    except Failure as failure:
        click.echo(f"atoll: {failure}", err=True)
        raise SystemExit(failure.code) from None
    except BrokenPipeError:
        raise SystemExit(ExitCode.FINE) from None
    raise SystemExit(status if isinstance(status, int) else ExitCode.FINE)
