"""The dashboard and the alerts ask for series that the programs expose, by labels that these have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from agent.metrics import metric_names as agent_names
from controller.serving.metrics import metric_names as controller_names

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD = json.loads((DEPLOY / "dashboards" / "atoll.json").read_text(encoding="utf-8"))
ALERTS = YAML(typ="safe").load(DEPLOY / "chart" / "atoll" / "alerts.yaml")
EXPOSED = controller_names() | agent_names()

WORDS = {
    *("and", "or", "unless", "on", "by", "sum", "max", "count", "topk"),
    *("rate", "increase", "histogram_quantile", "vector"),
}
OF_TARGETS = {"pod", "node"}
"""Labels that scraping adds (templates/monitoring.yaml)."""


def documented_labels() -> dict[str, set[str]]:
    """By metric. A test holds the page equal to what the programs expose."""
    page = (DEPLOY.parent / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| \w+ \| ([^|]*)\|", page, re.MULTILINE)
    return {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}


LABELS = documented_labels()


def queries() -> Iterator[tuple[str, str]]:
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for group in ALERTS["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


QUERIES = [pytest.param(query, id=title) for title, query in queries()]


def without_texts(query: str) -> str:
    return re.sub(r'"[^"]*"', '""', query)


def metrics_in(query: str) -> set[str]:
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(?:by|on) \([^)]*\)", " ", without_texts(query))
    return set(re.findall(r"[a-z_][a-z0-9_]*", bare)) - WORDS


def labels_in(query: str) -> set[str]:
    lists = re.findall(r"\{([^}]*)\}|\b(?:by|on) \(([^)]*)\)", without_texts(query))
    return {label for pair in lists for label in re.findall(r"[a-z_]+", " ".join(pair))}


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_asks_for_exposed_series(query: str) -> None:
    assert metrics_in(query) - EXPOSED == set()


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_selects_by_labels_that_its_series_have(query: str) -> None:
    known = set(OF_TARGETS)
    for name in metrics_in(query):
        histogram = re.sub(r"_(bucket|count|sum)$", "", name)
        known |= LABELS.get(name) or LABELS.get(histogram) or set()
        known |= {"le"} if name.endswith("_bucket") else set()
    assert labels_in(query) - known == set()


def test_queries_are_read_as_written() -> None:
    query = 'topk(10, sum by (le, node) (rate(a_bucket{state="used b"}[5m]))) and on (pod) c == 1'
    assert metrics_in(query) == {"a_bucket", "c"}
    assert labels_in(query) == {"le", "node", "state", "pod"}


def test_every_metric_is_shown_somewhere() -> None:
    shown = set().union(*(metrics_in(query) for _, query in queries()))
    families = {re.sub(r"_(bucket|count|sum|total|info)$", "", name) for name in EXPOSED if "atoll" in name}
    assert families - {re.sub(r"_(bucket|count|sum|total|info)$", "", name) for name in shown} == set()


def test_panels_do_not_lie_on_one_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        grid = panel["gridPos"]
        columns, rows = range(grid["x"], grid["x"] + grid["w"]), range(grid["y"], grid["y"] + grid["h"])
        cells = {(x, y) for x in columns for y in rows}
        assert not cells & taken, panel["title"]
        assert grid["x"] + grid["w"] <= 24
        taken |= cells


def test_a_panel_says_what_it_shows() -> None:
    charts = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
    assert [panel["title"] for panel in charts if not panel["description"]] == []


def test_an_alert_says_what_is_wrong_and_where_to_look() -> None:
    for group in ALERTS["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in ("critical", "warning")
            assert set(rule["annotations"]) == {"summary", "description"}
