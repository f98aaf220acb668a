"""JSON Schemas and the model say the same: fields, types, choices, defaults. CRDs: `test_crd_schemas`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, replace
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import schemas
from compiler import model
from compiler.cluster import DEFAULT_API, DEFAULT_DNS
from compiler.parse import parse
from compiler.shape import WORDS
from tests.compiler.repository import CLUSTER, accepted

Schema = Mapping[str, Any]
KINDS = [
    (group, kind) for group in (schemas.ATOLL_GROUP, schemas.CONTRAIL_GROUP) for kind in schemas.kinds(group)
]
SOURCE = (schemas.ATOLL_GROUP, "NetworkSource")
POLICY = (schemas.ATOLL_GROUP, "ReviewPolicy")


def ours(kind: str) -> Schema:
    return schemas.json_schema(schemas.ATOLL_GROUP, kind)


def spec(kind: str) -> Schema:
    schema: Schema = ours(kind)["properties"]["spec"]
    return schema


def resolved(schema: Schema, root: Schema) -> Schema:
    """The schema with what it refers to; its own keywords win."""
    if "$ref" not in schema:
        return schema
    own = {keyword: value for keyword, value in schema.items() if keyword != "$ref"}
    return {**resolved(root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root), **own}


# --- schemas and model ---


def camel(name: str) -> str:
    return re.sub("_(.)", lambda match: match[1].upper(), name)


def is_place(name: str) -> bool:
    """Where something is written, rather than what."""
    return name.endswith("origin")


def model_fields(of: type, *without: str) -> set[str]:
    return {
        camel(field.name) for field in fields(of) if field.name not in without and not is_place(field.name)
    }


def test_a_network_has_the_fields_of_the_model() -> None:
    assert set(spec("VirtualNetwork")["properties"]) == model_fields(model.VirtualNetwork, "name", "labels")


def test_a_router_has_the_fields_of_the_model() -> None:
    # The shape is Contrail's, so that its vocabulary can be used; the model names what it means.
    names = {"networkSelector": "virtualNetworkSelector", "imports": "import", "type": "type"}
    assert set(names) == model_fields(model.VirtualNetworkRouter, "name", "labels")
    assert set(spec("VirtualNetworkRouter")["properties"]) == set(names.values())


def test_an_import_has_the_fields_of_the_model() -> None:
    names = {"routerSelector": "virtualNetworkRouterSelector", "namespaceSelector": "namespaceSelector"}
    entries = spec("VirtualNetworkRouter")["properties"]["import"]["properties"]["virtualNetworkRouters"]
    assert set(names) == model_fields(model.RouterImport)
    assert set(entries["items"]["properties"]) == set(names.values())


def test_a_cluster_has_the_fields_of_the_model() -> None:
    assert set(spec("ClusterConfig")["properties"]) == model_fields(model.ClusterConfig)
    assert set(spec("ClusterConfig")["properties"]["limits"]["properties"]) == model_fields(model.Limits)
    place = ours("ClusterConfig")["$defs"]["place"]
    assert set(place["properties"]) == model_fields(model.InfrastructurePlace)


def test_a_selector_has_the_fields_of_the_model() -> None:
    expression = ours("VirtualNetwork")["$defs"]["selectorExpression"]
    assert set(expression["properties"]) == model_fields(model.Requirement)


@pytest.mark.parametrize(
    ("choices", "of"),
    [
        (spec("VirtualNetwork")["properties"]["egress"]["enum"], model.Egress),
        (spec("VirtualNetworkRouter")["properties"]["type"]["enum"], model.RouterType),
        (
            ours("VirtualNetwork")["$defs"]["selectorExpression"]["properties"]["operator"]["enum"],
            model.Operator,
        ),
    ],
)
def test_choices_are_those_of_the_model(choices: list[str], of: type[StrEnum]) -> None:
    assert choices == [member.value for member in of]


def test_the_keywords_of_infrastructure_are_those_of_the_model() -> None:
    entry = spec("VirtualNetwork")["properties"]["infrastructure"]["properties"]["services"]["items"]
    keywords = "|".join(member.value for member in model.InfrastructureKeyword)
    assert entry["pattern"].startswith(f"^({keywords}|")


TYPES = {
    "tuple[Prefix, ...]": "array",
    "tuple[ObjectName, ...]": "array",
    "InfrastructurePlace": "object",
    "Limits": "object",
    "IPv4Network": "string",
    "IPv6Network": "string",
    "int": "integer",
    "float": "number",
}


@pytest.mark.parametrize(
    ("of", "schema"),
    [
        (model.ClusterConfig, spec("ClusterConfig")),
        (model.Limits, spec("ClusterConfig")["properties"]["limits"]),
    ],
)
def test_types_are_those_of_the_model(of: type, schema: Schema) -> None:
    root = ours("ClusterConfig")
    types = {name: resolved(field, root)["type"] for name, field in schema["properties"].items()}
    assert types == {
        camel(field.name): TYPES[str(field.type)] for field in fields(of) if not is_place(field.name)
    }


def test_what_the_model_has_no_default_for_is_required() -> None:
    without = {
        camel(field.name)
        for field in fields(model.ClusterConfig)
        if field.default is MISSING and field.default_factory is MISSING and not is_place(field.name)
    }
    # Where DNS and the API server are has a default in every cluster that kubeadm made.
    assert set(spec("ClusterConfig")["required"]) == without - {"dns", "api"}


@pytest.mark.parametrize(
    ("of", "schema"),
    [
        (model.ClusterConfig, spec("ClusterConfig")),
        (model.Limits, spec("ClusterConfig")["properties"]["limits"]),
        (model.VirtualNetwork, spec("VirtualNetwork")),
    ],
)
def test_defaults_are_those_of_the_model(of: type, schema: Schema) -> None:
    written = {name: field["default"] for name, field in schema["properties"].items() if "default" in field}
    written.pop("dns", None)
    written.pop("api", None)
    plain = (int, float, str, tuple, IPv4Network, IPv6Network)
    defaults = {camel(field.name): field.default for field in fields(of) if isinstance(field.default, plain)}
    defaults.pop("infrastructure", None)
    assert written == {name: as_json(default) for name, default in defaults.items()}


def as_json(value: object) -> object:
    if isinstance(value, tuple):
        return [as_json(entry) for entry in value]
    return value if isinstance(value, int | float) else str(value)


def test_defaults_of_infrastructure_are_those_of_the_model() -> None:
    services = spec("VirtualNetwork")["properties"]["infrastructure"]["properties"]["services"]
    assert services["default"] == [str(keyword) for keyword in model.DEFAULT_INFRASTRUCTURE]
    places = spec("ClusterConfig")["properties"]
    assert places["dns"]["default"] == {"service": str(DEFAULT_DNS.service)}
    assert places["api"]["default"] == {"service": str(DEFAULT_API.service)}


def test_a_cluster_that_writes_every_default_is_the_one_that_writes_none() -> None:
    root = ours("ClusterConfig")
    written = {
        name: resolved(field, root).get("default")
        for name, field in spec("ClusterConfig")["properties"].items()
    }
    lines = "".join(f"  {name}: {value}\n" for name, value in written.items() if value is not None)
    lines = lines.replace("'", '"')
    with_defaults, without = accepted({"cluster.yaml": CLUSTER + lines}).config, accepted({}).config
    assert replace(with_defaults, deletions_origin=None, limits_origin=None) == without


# --- schemas alone ---


@pytest.mark.parametrize(("group", "kind"), [*KINDS, SOURCE, POLICY])
def test_a_schema_is_valid_and_so_are_its_examples(group: str, kind: str) -> None:
    schema = schemas.json_schema(group, kind)
    Draft202012Validator.check_schema(schema)
    assert schema["examples"]
    for example in schema["examples"]:
        Draft202012Validator(schema).validate(example)


@pytest.mark.parametrize(("group", "kind"), [*KINDS, SOURCE, POLICY])
def test_every_field_is_described_and_every_object_closed(group: str, kind: str) -> None:
    schema = schemas.json_schema(group, kind)
    for path, field in every_field(schema, schema):
        inside_reference = path.startswith(("spec.v4SubnetReference.", "spec.v6SubnetReference."))
        assert field.get("description") or inside_reference, path
        if field.get("type") == "object":
            assert "additionalProperties" in field, path


def every_field(schema: Schema, root: Schema, at: str = "") -> Iterator[tuple[str, Schema]]:
    for name, child in schema.get("properties", {}).items():
        field = resolved(child, root)
        path = f"{at}.{name}" if at else name
        yield path, field
        yield from every_field(field, root, path)
        if "items" in field:
            yield from every_field(resolved(field["items"], root), root, f"{path}[]")


def test_a_definition_is_the_same_in_every_schema_that_has_it() -> None:
    first: dict[str, Schema] = {}
    for group, kind in [*KINDS, SOURCE, POLICY]:
        for name, definition in schemas.json_schema(group, kind)["$defs"].items():
            assert first.setdefault(name, definition) == definition


ANNOTATIONS = {
    "$schema", "$id", "$defs", "$ref", "title", "description", "examples", "default", "format",
    "errorMessage", "x-atoll-code", "x-atoll-otherwise", "properties", "items", "propertyNames",
    "allOf", "if", "then",
}  # fmt: skip


@pytest.mark.parametrize(("group", "kind"), KINDS)
def test_every_keyword_that_can_fail_has_words_for_it(group: str, kind: str) -> None:
    assert keywords(schemas.json_schema(group, kind)) - ANNOTATIONS - {"pattern", "minProperties"} <= set(
        WORDS
    )


def keywords(schema: object) -> set[str]:
    if not isinstance(schema, Mapping):
        return set()
    result = set(schema)
    for keyword in ("properties", "$defs"):
        for child in schema.get(keyword, {}).values():
            result |= keywords(child)
    for keyword in ("items", "additionalProperties", "propertyNames", "if", "then"):
        result |= keywords(schema.get(keyword))
    for child in schema.get("allOf", ()):
        result |= keywords(child)
    return result


@pytest.mark.parametrize(("group", "kind"), [*KINDS, SOURCE, POLICY])
def test_patterns_and_empty_mappings_have_their_own_words(group: str, kind: str) -> None:
    def check(schema: object) -> None:
        if isinstance(schema, Mapping):
            if {"pattern", "minProperties", "not"} & set(schema) and "contrail" not in schema.get(
                "pattern", ""
            ):
                assert schema["errorMessage"]
                assert schema["x-atoll-code"]
            for keyword, child in schema.items():
                if keyword != "not":  # the words stand beside it
                    check(child)
        if isinstance(schema, list):
            for child in schema:
                check(child)

    check(schemas.json_schema(group, kind))


# --- examples are declarations ---


@pytest.mark.parametrize("kind", schemas.kinds(schemas.ATOLL_GROUP))
def test_examples_are_accepted_by_the_parser(kind: str) -> None:
    for example in ours(kind)["examples"]:
        files = {"example.json": json.dumps(example).encode()}
        if kind != "ClusterConfig":
            files["cluster.yaml"] = CLUSTER.encode()
        assert parse(files, revision="").problems == ()


REFERENCE = (Path(__file__).parents[2] / "docs" / "reference" / "declarations.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", schemas.kinds(schemas.ATOLL_GROUP))
def test_the_reference_has_every_field(kind: str) -> None:
    chapter = REFERENCE.split(f"## {kind}\n", 1)[1].split("\n## ", 1)[0]
    for field in spec(kind)["properties"]:
        assert f"`spec.{field}" in chapter
