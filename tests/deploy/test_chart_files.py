"""The chart's files beside its templates: one truth for each thing, and values that its schema knows."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "chart" / "atoll"
VALUES = YAML(typ="safe").load(CHART / "values.yaml")
SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))


def schema_of(path: tuple[str, ...]) -> dict[str, object]:
    schema = SCHEMA
    for key in path:
        schema = schema["properties"][key]
        if "$ref" in schema:
            schema = SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]]
    return dict(schema)


def leaves(values: object, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(values, dict) or not values or "properties" not in schema_of(path):
        return [path]
    return [leaf for key, value in values.items() for leaf in leaves(value, (*path, key))]


def test_the_charts_definitions_are_the_files_of_schemas() -> None:
    assert os.readlink(CHART / "crds") == "../../../schemas/crds"
    assert (CHART / "crds").resolve() == ROOT / "schemas" / "crds"


def test_the_charts_dashboard_is_the_file_of_dashboards() -> None:
    assert (CHART / "dashboards").resolve() == ROOT / "deploy" / "dashboards"


def test_the_charts_version_is_the_projects() -> None:
    chart = YAML(typ="safe").load(CHART / "Chart.yaml")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (chart["version"], chart["appVersion"]) == (project["version"], project["version"])


def test_the_default_values_satisfy_the_schema() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.Draft7Validator(SCHEMA).validate(VALUES)


def test_the_schema_knows_exactly_the_values_that_there_are() -> None:
    for path in {leaf[:depth] for leaf in leaves(VALUES) for depth in range(len(leaf))}:
        values = VALUES
        for key in path:
            values = values[key]
        missing = set(schema_of(path)["properties"]) - set(values)  # type: ignore[call-overload]
        assert missing <= ({"url"} if path == ("source",) else set()), path


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"controler": {}}, "'controler' was unexpected"),
        ({"controller": {"replicas": 0}}, "0 is less than the minimum of 1"),
        ({"controller": {"extraArgs": ["metrics"]}}, "'metrics' does not match '^--'"),
        ({"source": {"name": "networks", "path": "east"}}, "'url' is a required property"),
        ({"agent": {"paths": {"state": "var/lib/atoll"}}}, "'var/lib/atoll' does not match"),
        ({"agent": {"image": {"repository": "a", "digest": "sha256:1"}}}, "'sha256:1' does not match"),
    ],
)
def test_a_wrong_value_is_refused(values: object, complaint: str) -> None:
    errors = [error.message for error in jsonschema.Draft7Validator(SCHEMA).iter_errors(values)]
    assert len(errors) == 1
    assert complaint in errors[0]
