"""CRDs have the rules of the JSON Schemas, and what the API server and kubectl need besides.

What the rules mean there, only a real API server can say: `tests/cluster/test_crds.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import pytest

import schemas
from agent.status_file import Reason as ReasonOfAgent
from controller.cluster import resource_status as statuses
from controller.cluster.reasons import ConditionType
from controller.cluster.reasons import Reason as ReasonOfController
from kube import kinds
from schemas.duration import duration_of
from tests.compiler.test_schemas import Schema, ours, resolved, spec

CRDS: Mapping[str, Schema] = {crd["spec"]["names"]["kind"]: crd for crd in schemas.crds()}
DECLARED = ("VirtualNetwork", "VirtualNetworkRouter", "ClusterConfig", "NetworkSource")
"""The kinds with a JSON Schema: those that people write."""
WITH_STATUS = (*DECLARED, "NodeNetwork")


def version(kind: str) -> Schema:
    (only,) = CRDS[kind]["spec"]["versions"]
    found: Schema = only
    return found


def openapi(kind: str) -> Schema:
    schema: Schema = version(kind)["schema"]["openAPIV3Schema"]
    return schema


def every_schema(schema: Schema, at: str = "") -> Iterator[tuple[str, Schema]]:
    """The schema and all below it, with their paths."""
    yield at, schema
    for name, child in schema.get("properties", {}).items():
        yield from every_schema(child, f"{at}.{name}")
    if "items" in schema:
        yield from every_schema(schema["items"], f"{at}[]")
    if isinstance(schema.get("additionalProperties"), Mapping):
        yield from every_schema(schema["additionalProperties"], f"{at}.*")


def validations(schema: Schema) -> list[dict[str, str]]:
    found: list[dict[str, str]] = schema.get("x-kubernetes-validations", [])
    return found


# --- the rules of the JSON Schema ---

SHARED = (
    "type", "description", "required", "default", "enum",
    "minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum",
)  # fmt: skip


def shared_rules(schema: Schema, root: Schema, at: str = "spec") -> dict[str, dict[str, Any]]:
    """The rules that both languages have, by field, whatever words each has for them."""
    schema = resolved(schema, root)
    rules = {at: {keyword: schema[keyword] for keyword in SHARED if keyword in schema} | _spelt(schema, root)}
    for name, child in schema.get("properties", {}).items():
        rules |= shared_rules(child, root, f"{at}.{name}")
    if "items" in schema:
        rules |= shared_rules(schema["items"], root, f"{at}[]")
    if isinstance(schema.get("additionalProperties"), Mapping):
        rules |= shared_rules(schema["additionalProperties"], root, f"{at}.*")
    return rules


def _spelt(schema: Schema, root: Schema) -> dict[str, Any]:
    """What is a keyword in one language and a rule of CEL in the other."""
    cel = " ".join(validation["rule"] for validation in validations(schema))
    keys = resolved(schema.get("propertyNames", {}), root)
    durations = re.findall(r"duration\('(\w+)'\)", cel)
    found = {
        "pattern": schema.get("pattern") or _group(r"(?<!!)self\.matches\(r'((?!\^\[a-z\]\+:).*?)'\)", cel),
        "not": schema.get("not", {}).get("pattern") or _refused(cel),
        "range": schema.get("format") == "cidr" or "isCIDR(self)" in cel,
        "unique": schema.get("uniqueItems", False)
        or bool(re.search(r"exists_one\(other, other == one", cel)),
        "key": keys.get("pattern") or _group(r"key\.matches\(r'(.*?)'\)", cel),
        "longest key": keys.get("maxLength") or int(_group(r"key\.size\(\) <= (\d+)", cel) or 0),
        "duration": schema.get("x-atoll-duration")
        or (durations and {"least": durations[0], "most": durations[1]}),
    }
    return {rule: value for rule, value in found.items() if value}


def _group(pattern: str, text: str) -> str | None:
    match = re.search(pattern, text)
    return match[1] if match else None


def _refused(cel: str) -> str | None:
    ending = _group(r"!self\.endsWith\('(.*?)'\)", cel)
    return f"{re.escape(ending)}$" if ending else _group(r"!self\.matches\(r'((?!\^\[a-z\]\+:).*?)'\)", cel)


SPELT_OTHERWISE: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    # Overlap includes repetition.
    "VirtualNetwork": {"spec.subnets": ("unique",)},
    "VirtualNetworkRouter": {},
    "ClusterConfig": {},
    # Structural schemas have one type: `x-kubernetes-int-or-string` and a rule that has both cases.
    "NetworkSource": {"spec.rollout.share": ("type", "minimum", "maximum", "pattern")},
}


@pytest.mark.parametrize("kind", DECLARED)
def test_a_crd_has_the_rules_of_the_json_schema(kind: str) -> None:
    in_crd = shared_rules(openapi(kind)["properties"]["spec"], {})
    in_json = shared_rules(spec(kind), ours(kind))
    for path, rules in SPELT_OTHERWISE[kind].items():
        for rule in rules:
            in_crd[path].pop(rule, None)
            assert in_json[path].pop(rule)
    assert in_crd == in_json


def test_a_share_has_the_bounds_and_the_pattern_of_the_json_schema() -> None:
    share = spec("NetworkSource")["properties"]["rollout"]["properties"]["share"]
    (rule,) = validations(
        openapi("NetworkSource")["properties"]["spec"]["properties"]["rollout"]["properties"]["share"]
    )
    assert f"self >= {share['minimum']} && self <= {share['maximum']}" in rule["rule"]
    assert f"self.matches(r'{share['pattern']}')" in rule["rule"]


@pytest.mark.parametrize("kind", DECLARED)
def test_a_crd_bounds_names_as_the_json_schema_does(kind: str) -> None:
    (rule,) = validations(openapi(kind))
    assert rule["rule"] == f"self.metadata.name.size() <= {ours(kind)['$defs']['name']['maxLength']}"


@pytest.mark.parametrize("kind", DECLARED)
def test_a_crd_describes_the_kind_as_the_json_schema_does(kind: str) -> None:
    assert openapi(kind)["description"] == ours(kind)["description"]


# --- what the API server needs ---

UNSTRUCTURAL = {"$ref", "uniqueItems", "if", "then", "allOf", "propertyNames", "examples", "not"}


@pytest.mark.parametrize("kind", CRDS)
def test_a_schema_is_structural(kind: str) -> None:
    """https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions"""
    for path, schema in every_schema(openapi(kind)):
        assert not UNSTRUCTURAL & set(schema), path
        assert "type" in schema or schema.get("x-kubernetes-int-or-string"), path
        assert schema.get("additionalProperties") is not False, path
        assert not ({"properties", "additionalProperties"} <= set(schema)), path


@pytest.mark.parametrize("kind", CRDS)
def test_everything_has_a_bound(kind: str) -> None:
    """Of rules in CEL the API server reckons the cost in advance, by the largest that the schema admits."""
    for path, schema in every_schema(openapi(kind)):
        if path.startswith((".spec", ".status")):
            match schema.get("type"):
                case "string":
                    assert {"maxLength", "enum"} & set(schema) or schema.get("format") == "date-time", path
                case "array":
                    assert "maxItems" in schema, path
                case "object" if "additionalProperties" in schema:
                    assert "maxProperties" in schema, path


@pytest.mark.parametrize("kind", CRDS)
def test_lists_say_how_two_writers_share_them(kind: str) -> None:
    for path, schema in every_schema(openapi(kind)):
        if schema.get("type") == "array":
            assert schema["x-kubernetes-list-type"] in ("atomic", "map"), path


@pytest.mark.parametrize("kind", WITH_STATUS)
def test_two_writers_never_mix_a_list_of_a_spec(kind: str) -> None:
    """A set would let another manager add a subnet to a network of Git's without a conflict."""
    for path, schema in every_schema(openapi(kind)["properties"]["spec"]):
        if schema.get("type") == "array":
            assert schema["x-kubernetes-list-type"] == "atomic", path


@pytest.mark.parametrize("kind", CRDS)
def test_every_rule_has_words_for_people(kind: str) -> None:
    for path, schema in every_schema(openapi(kind)):
        for validation in validations(schema):
            assert validation["message"], path
            assert not validation["message"].endswith("."), path


@pytest.mark.parametrize("kind", CRDS)
def test_explain_has_words_for_every_field(kind: str) -> None:
    for path, schema in every_schema(openapi(kind)):
        if not path.startswith(".metadata") and not path.endswith((".matchLabels.*", "[]")):
            assert schema.get("description"), path


# --- names, columns, statuses ---

SHORT = {
    "VirtualNetwork": ("vn", "Namespaced"),
    "VirtualNetworkRouter": ("vnr", "Namespaced"),
    "ClusterConfig": ("acc", "Cluster"),
    "NetworkSource": ("netsrc", "Namespaced"),
    "NodeNetwork": ("nn", "Cluster"),
    "NodeNetworkPart": ("nnp", "Cluster"),
}
RESOURCES = (
    kinds.VIRTUAL_NETWORKS,
    kinds.VIRTUAL_NETWORK_ROUTERS,
    kinds.CLUSTER_CONFIGS,
    kinds.NETWORK_SOURCES,
    kinds.NODE_NETWORKS,
    kinds.NODE_NETWORK_PARTS,
)


def test_there_is_a_crd_for_every_resource_of_ours() -> None:
    assert [
        (crd["spec"]["group"], crd["spec"]["names"]["plural"], kind, crd["spec"]["scope"] == "Namespaced")
        for kind, crd in CRDS.items()
    ] == [(r.group, r.plural, r.kind, r.namespaced) for r in RESOURCES]


@pytest.mark.parametrize("kind", CRDS)
def test_a_crd_has_its_scope_a_short_name_and_the_category(kind: str) -> None:
    crd, names = CRDS[kind], CRDS[kind]["spec"]["names"]
    assert crd["metadata"]["name"] == f"{names['plural']}.{schemas.ATOLL_GROUP}"
    assert (names["shortNames"], crd["spec"]["scope"]) == ([SHORT[kind][0]], SHORT[kind][1])
    assert names["categories"] == ["atoll"]
    stored = version(kind)
    assert (stored["name"], stored["served"], stored["storage"]) == (schemas.ATOLL_VERSION, True, True)


@pytest.mark.parametrize("kind", WITH_STATUS)
def test_a_status_is_a_subresource_with_conditions_as_everywhere(kind: str) -> None:
    assert version(kind)["subresources"] == {"status": {}}
    status = openapi(kind)["properties"]["status"]["properties"]
    first = openapi("VirtualNetwork")["properties"]["status"]["properties"]
    assert status["observedGeneration"]["type"] == "integer"
    assert without_words(status["conditions"]) == without_words(first["conditions"])
    assert status["conditions"]["x-kubernetes-list-map-keys"] == ["type"]


def without_words(schema: Schema) -> dict[str, Any]:
    return {keyword: value for keyword, value in schema.items() if keyword != "description"}


@pytest.mark.parametrize("kind", CRDS)
def test_columns_and_selectable_fields_exist(kind: str) -> None:
    paths = [column["jsonPath"] for column in version(kind)["additionalPrinterColumns"]]
    paths += [field["jsonPath"] for field in version(kind).get("selectableFields", ())]
    for path in paths:
        assert path == ".metadata.creationTimestamp" or exists(path, openapi(kind)), path


@pytest.mark.parametrize("kind", WITH_STATUS)
def test_the_sentence_of_ready_is_the_last_column(kind: str) -> None:
    """It is as long as it needs to be, and `kubectl get` cuts nothing."""
    names = [column["name"] for column in version(kind)["additionalPrinterColumns"]]
    assert "Ready" in names
    assert names[-2:] == ["Age", "Status"]


def exists(path: str, schema: Schema | None) -> bool:
    for step in re.sub(r"\[\?\(.*\)\]", "", path).strip(".").split("."):
        schema = (schema or {}).get("items", schema or {}).get("properties", {}).get(step)
    return schema is not None


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        ("VirtualNetwork", statuses.NetworkStatus),
        ("VirtualNetworkRouter", statuses.RouterStatus),
        ("NetworkSource", statuses.SourceStatus),
        ("NodeNetwork", statuses.NodeStatus),
    ],
)
def test_a_status_has_every_field_that_is_written(kind: str, written: type[msgspec.Struct]) -> None:
    assert set(struct_fields(written)) <= {
        path for path, _ in every_schema(openapi(kind)["properties"]["status"]) if path
    }


def struct_fields(struct: Any, at: str = "") -> Iterator[str]:
    """The paths of a Struct's fields, as its JSON has them."""
    hints = get_type_hints(struct)
    for field in msgspec.structs.fields(struct):
        path = f"{at}.{field.encode_name}"
        yield path
        for part in re.findall(r"[\w.]+", str(hints[field.name])):
            inner = getattr(statuses, part.rpartition(".")[2], None)
            if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
                listed = "[]" if "tuple" in str(hints[field.name]) else ""
                yield from struct_fields(inner, path + listed)


# --- the reference ---

REFERENCE = (Path(__file__).parents[2] / "docs" / "reference" / "resources.md").read_text(encoding="utf-8")
COMMON = {"observedGeneration", "conditions", "lastAttemptedRevision", "lastAppliedRevision"}
COMMON |= {"lastHandledReconcileAt"}


def chapter(kind: str) -> str:
    return REFERENCE.split(f"\n## {kind}\n", 1)[1].split("\n## ", 1)[0]


@pytest.mark.parametrize("kind", WITH_STATUS)
def test_the_reference_has_every_field_of_a_status(kind: str) -> None:
    for field in set(openapi(kind)["properties"]["status"]["properties"]) - COMMON:
        assert f"`status.{field}" in chapter(kind), field


@pytest.mark.parametrize("kind", ["NetworkSource", "NodeNetwork", "NodeNetworkPart"])
def test_the_reference_has_every_field_of_a_spec(kind: str) -> None:
    for field in openapi(kind)["properties"]["spec"]["properties"]:
        assert f"`spec.{field}" in chapter(kind), field


def test_the_reference_has_every_short_name_and_every_selectable_field() -> None:
    for kind, (short, _) in SHORT.items():
        assert f"| [{kind}](#{kind.lower()}) | `{short}` |" in REFERENCE
        for field in version(kind).get("selectableFields", ()):
            assert f"`{field['jsonPath'].removeprefix('.')}`" in REFERENCE


@pytest.mark.parametrize(
    "word", [*ConditionType, *ReasonOfController, *ReasonOfAgent, "Twin", "Applying"], ids=str
)
def test_the_reference_has_every_condition_and_reason(word: str) -> None:
    assert f"| `{word}` |" in REFERENCE


# --- durations ---


DURATIONS = ("5s", "1h30m", "1h1m1s1ms", "99999h")
NO_DURATIONS = ("", "5", "s", "-5s", "5 s", "5S", "1d", "5s\n", "123456s", "1.5s", "1m1h", "1s1s", "\u0665s")


def test_a_duration_is_the_sum_of_its_parts() -> None:
    assert duration_of("1h30m5s500ms") == timedelta(hours=1, minutes=30, seconds=5, milliseconds=500)


@pytest.mark.parametrize("text", NO_DURATIONS)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        duration_of(text)


@pytest.mark.parametrize("name", ["interval", "timeout"])
def test_the_pattern_of_durations_is_that_of_the_reader(name: str) -> None:
    definition = ours("NetworkSource")["$defs"][name]
    for text in (*DURATIONS, *NO_DURATIONS):
        matches = re.search(definition["pattern"], text) and len(text) >= definition["minLength"]
        assert bool(matches and "\n" not in text) == (text in DURATIONS), text
