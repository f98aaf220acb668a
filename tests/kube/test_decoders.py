"""Structs are decoded by decoders that are made with their module, never by `json.decode(..., type=...)`.

msgspec (0.22) learns what a Struct holds when it is decoded for the first time, and two threads that do so
at once crash the process: the one uses what the other has half learnt. Decoders learn it when they are made.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("kube", "serving", "controller", "agent", "cli/lab")
"""Those that run threads."""


def late_decoders(source: str) -> Iterator[int]:
    """Lines that decode a class by its name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("decode"):
            for keyword in node.keywords:
                if keyword.arg == "type" and isinstance(keyword.value, ast.Name | ast.Attribute):
                    yield node.lineno


def test_the_check_finds_what_it_looks_for() -> None:
    assert list(late_decoders("import msgspec\nmsgspec.json.decode(raw, type=Thing)\n")) == [2]
    assert list(late_decoders("msgspec.json.decode(raw, type=dict[str, object])\n")) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_struct_is_decoded_for_the_first_time_in_a_thread(package: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for line in late_decoders(path.read_text())
    ]
    assert found == []
