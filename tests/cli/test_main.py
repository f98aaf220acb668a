"""The command as a whole: help, exit codes, failures in one line, and only the imports it needs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from cli.main import COMMANDS
from tests.cli.commands import atoll

HEAVY = (
    "rich",
    "git",
    "jsonschema",
    "ruamel",
    "msgspec",
    "compiler",
    "controller",
    "agent",
    "pyroute2",
    "nftables",
)


def test_help_lists_every_command() -> None:
    outcome = atoll("--help")

    assert outcome.code == 0
    listed = outcome.out.partition("Commands:")[2].split("\n  ")
    assert [line.split()[0] for line in listed if line.strip()] == list(COMMANDS)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["compile", "--help"], ["controller", "--help"], ["--version"]]
)
def test_help_imports_nothing_that_only_work_needs(arguments: list[str]) -> None:
    program = (
        "import sys\nfrom cli.main import main\n"
        "try:\n    main()\nfinally:\n    print(*sys.modules, sep='\\n', file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False, timeout=60
    )

    imported = set(done.stderr.split())
    assert done.returncode == 0
    assert "click" in imported
    assert sorted(imported & set(HEAVY)) == []


def test_an_unknown_command_is_wrong_use() -> None:
    outcome = atoll("valdate")

    assert outcome.code == 2
    assert "No such command 'valdate'" in outcome.errors


def test_an_error_code_is_explained() -> None:
    outcome = atoll("explain-error", "atl402")

    assert outcome.code == 0
    assert outcome.out.startswith("ATL402: Bits beyond the prefix length (error)\n")
    assert outcome.out.endswith("Remedy: Write the first address of the range.\n")


def test_an_error_code_is_explained_to_machines() -> None:
    document = json.loads(atoll("explain-error", "ATL402", "--format", "json").out)

    assert sorted(document) == ["code", "example", "explanation", "remedy", "severity", "title"]
    assert document["code"] == "ATL402"
    assert document["severity"] == "error"


def test_an_unknown_error_code_is_wrong_use_and_lists_its_neighbours() -> None:
    outcome = atoll("explain-error", "ATL899")

    assert outcome.code == 2
    assert "ATL899 is not a code of Atoll. Codes that begin alike: ATL801, ATL802" in outcome.errors


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_learns_to_complete(shell: str) -> None:
    outcome = atoll("completion", shell)

    assert outcome.code == 0
    assert "_ATOLL_COMPLETE" in outcome.out


@pytest.mark.parametrize(
    "kind", ["VirtualNetwork", "VirtualNetworkRouter", "ClusterConfig", "virtualnetwork"]
)
def test_a_schema_is_printed_as_json(kind: str) -> None:
    outcome = atoll("schema", kind)

    assert outcome.code == 0
    assert json.loads(outcome.out)["$schema"] == "https://json-schema.org/draft/2020-12/schema"
