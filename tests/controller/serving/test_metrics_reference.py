"""docs/reference/metrics.md lists what is exposed, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from ruamel.yaml import YAML

from agent.metrics import AgentMetrics
from controller.serving.metrics import ControllerMetrics
from tests.agent.test_metrics import tell_everything as tell_agent
from tests.controller.serving.test_metrics import tell_everything as tell_controller

ROOT = Path(__file__).parents[3]
_WORD = re.compile(r"`(\w+)`")

Metric = tuple[str, str, frozenset[str]]
"""Name, type and labels."""


def _rows(section: str) -> list[tuple[Metric, set[str]]]:
    """The metrics of a section's table, and the rules beside them."""
    text = (ROOT / "docs/reference/metrics.md").read_text()
    part = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    cells = [line.split("|")[1:-1] for line in part.splitlines() if line.startswith("| `")]
    return [
        ((name.strip("` "), kind.strip(), frozenset(_WORD.findall(labels))), set(_WORD.findall(rule[0])))
        for name, kind, labels, _, *rule in cells
    ]


def _documented(*sections: str) -> list[Metric]:
    return [metric for section in sections for metric, _ in _rows(section)]


def _exposed(registry: CollectorRegistry) -> list[Metric]:
    suffix = {"counter": "_total", "info": "_info"}
    return [
        (
            family.name + suffix.get(family.type, ""),
            "gauge" if family.type == "info" else family.type,
            frozenset(label for sample in family.samples for label in sample.labels) - {"le"},
        )
        for family in registry.collect()
    ]


def test_the_controllers_table_is_complete_and_true() -> None:
    metrics = ControllerMetrics(version="1")
    tell_controller(metrics)
    assert sorted(_documented("Controller", "Both")) == sorted(_exposed(metrics.registry))


def test_the_agents_table_is_complete_and_true() -> None:
    metrics = AgentMetrics(version="1")
    tell_agent(metrics)
    assert sorted(_documented("Agent", "Both")) == sorted(_exposed(metrics.registry))


@pytest.mark.parametrize("words", [ControllerMetrics, AgentMetrics])
def test_every_metric_has_a_help_text(words: type[ControllerMetrics] | type[AgentMetrics]) -> None:
    families = words(version="1").registry.collect()
    assert all(family.documentation.endswith(".") for family in families)


def test_the_rules_named_are_those_of_the_chart() -> None:
    rules = YAML(typ="safe").load((ROOT / "deploy/chart/atoll/alerts.yaml").read_text())
    names = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    assert {
        rule for section in ("Controller", "Agent") for _, named in _rows(section) for rule in named
    } == names
