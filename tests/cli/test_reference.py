"""The page of commands says what the commands say."""

from __future__ import annotations

from pathlib import Path

from cli.reference import page

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "commands.md"


def test_the_page_is_what_the_commands_say() -> None:
    assert PAGE.read_text() == page(), "run: python -m cli.reference > docs/reference/commands.md"
