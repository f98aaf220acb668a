"""The guide to installing names what exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guides" / "install.md"
TEXT = GUIDE.read_text(encoding="utf-8")
VALUES = YAML(typ="safe").load(ROOT / "deploy" / "chart" / "atoll" / "values.yaml")
TEMPLATES = ROOT / "deploy" / "chart" / "atoll" / "templates"


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]+)", TEXT))
def test_a_link_leads_somewhere(link: str) -> None:
    assert (GUIDE.parent / link).exists()


@pytest.mark.parametrize("path", sorted(set(re.findall(r"(?:deploy|schemas)/[\w./-]*\w", TEXT))))
def test_a_path_is_one_of_the_checkout(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize(
    "name", sorted(set(re.findall(r"\b(?:(?:controller|agent|crds|dashboard)\.[a-z][\w.]*\w)", TEXT)))
)
def test_a_value_is_one_of_the_chart(name: str) -> None:
    values = VALUES
    for key in name.split("."):
        assert key in values, name
        values = values[key]


def test_every_right_of_the_programs_is_explained() -> None:
    _, _, rights = TEXT.partition("## Rights")
    words = rights.lower().replace(" ", "")
    for template in ("controller-rbac.yaml", "agent-rbac.yaml"):
        lists = re.findall(r"resources: \[(.*)\]", (TEMPLATES / template).read_text(encoding="utf-8"))
        assert lists
        for resource in {part.partition("/")[0] for text in lists for part in text.split(", ")}:
            singular = {"virtualnetworkrouters": "router", "nodenetworkparts": "parts"}.get(
                resource, resource[:-1]
            )
            assert singular in words, f"{template}: {resource}"


@pytest.mark.parametrize("path", [*VALUES["agent"]["paths"].values(), "/proc/sys/net"])
def test_every_path_of_the_host_is_explained(path: str) -> None:
    assert f"| `{path}` |" in TEXT


def test_no_other_path_of_the_host_is_used() -> None:
    template = (TEMPLATES / "agent.yaml").read_text(encoding="utf-8")
    paths = re.findall(r"hostPath: \{path: (?:\{\{ \.Values\.agent\.paths\.(\w+) \}\}|(\S+)),", template)
    assert len(paths) == template.count("hostPath:")
    assert {name or path for name, path in paths} == {*VALUES["agent"]["paths"], "/proc/sys/net"}
