"""The page docs/reference/commands.md, made from the commands' own help.

Run `python -m cli.reference > docs/reference/commands.md`; a test holds the two equal.
"""

from __future__ import annotations

from collections.abc import Iterator

import click

from cli.main import atoll

_OPENING = """\
# Commands

`atoll` prints results to stdout, progress and failures to stderr, and colours only on a terminal.
`--format json` is for machines; its shapes are described below. This page is made from the commands'
own help by `python -m cli.reference > docs/reference/commands.md`.

| exit code | meaning |
|---|---|
| 0 | fine |
| 1 | the input has errors; warnings do not count. Of `status`, `verify`, `diff`: something is not well |
| 2 | the command was used wrongly |
| 3 | something around it is missing or broken: a file, a repository, a permission |
| 130 | interrupted |

## Problems for machines

Wherever JSON output lists problems, each has this shape:

```json
{
  "code": "ATL402",
  "severity": "error",
  "path": "networks/red.yaml",
  "line": 7,
  "column": 7,
  "subject": "VirtualNetwork team-a/red",
  "reason": "10.1.0.5/24 has bits beyond its prefix length",
  "remedy": "Write the first address of the range"
}
```

`path` is empty, `line` and `column` are 0 where a problem has no place in a file. `docs/reference/errors.md`
lists the codes, and `atoll explain-error` explains one.

## What the commands print as JSON

| command | object |
|---|---|
| `validate` | `revision`, `files`, `networks`, `routers`, `errors`, `warnings`, `problems` |
| `compile` | `revision`, `out`, `generation`, `networks`, `nodes`, `errors`, `warnings`, `problems` |
| `diff` | `schemas/review.json` |
| `verify` | `revision`, `verdict` (`schemas/verdict.json`, or null), `errors`, `warnings`, `problems` |
| `policy` | `base`, `head`, `policy` ([reviews](../guides/review.md#for-machines)), `errors`, `problems` |
| `explain` | `reaches`, `declared`, `families`, ...: see [reviews](../guides/review.md#for-machines) |
| `status` | see [operations](../guides/operations.md#for-machines) |
| `explain-error` | `code`, `title`, `severity`, `explanation`, `example`, `remedy` |

`revision` is "" for a plain directory.

`docs/reference/controller.md` has the files and log lines of the controller.

## Shell completion

    eval "$(atoll completion bash)"        # bash, in ~/.bashrc
    eval "$(atoll completion zsh)"         # zsh, in ~/.zshrc
    atoll completion fish | source         # fish, in ~/.config/fish/config.fish
"""


def page() -> str:
    """Return the whole page."""
    context = click.Context(atoll, info_name="atoll")
    return "\n".join([_OPENING, *_sections(context)]) + "\n"


def _sections(context: click.Context) -> Iterator[str]:
    group = context.command
    assert isinstance(group, click.Group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        below = click.Context(
            command, info_name=name, parent=context, max_content_width=100, terminal_width=100
        )
        yield f"## {below.command_path}\n\n```text\n{command.get_help(below)}\n```\n"
        if isinstance(command, click.Group):
            yield from _sections(below)


if __name__ == "__main__":
    print(page(), end="")
