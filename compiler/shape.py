"""An object against its JSON Schema, the findings in plain words and at their places.

The schema decides what is wrong; the table `WORDS` only says it. Nothing is ever fetched: every schema
stands alone, and the registry is empty.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from referencing import Registry

import schemas
from compiler.catalogue import found
from compiler.elements import Element, field_path
from compiler.model import InfrastructureKeyword
from compiler.problem import Problem
from compiler.wording import cut, listed, meant
from compiler.yaml_text import Json, Path

_LONGEST_MATCHED = 4096


def shape_problems(element: Element, *, group: str, kind: str, subject: str) -> tuple[Problem, ...]:
    """Everything that the kind's schema finds wrong with the object."""
    findings: dict[_Finding, None] = {}
    for error in _validator(group, kind).iter_errors(element.value):
        findings.update(dict.fromkeys(_findings(_broken(error), compatible=group == schemas.CONTRAIL_GROUP)))
    return tuple(_problem(finding, element, subject) for finding in findings)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Finding:
    code: str
    at: Path
    reason: str
    remedy: str | None = None
    at_key: bool = False


def _problem(finding: _Finding, element: Element, subject: str) -> Problem:
    at = (*element.at, *finding.at)
    document = element.document
    origin = document.key_origin(at) if finding.at_key else document.value_origin(at)
    return found(finding.code, origin=origin, subject=subject, reason=finding.reason, remedy=finding.remedy)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Broken:
    """A rule of the schema that a value breaks."""

    keyword: str
    rule: Any
    """The keyword's value in the schema."""
    schema: Mapping[str, Any]
    """The subschema that has the keyword."""
    value: Any
    at: Path
    """The path below the object; for a key at fault, the path of its value."""
    is_key: bool


def _broken(error: ValidationError) -> _Broken:
    is_key = "propertyNames" in error.absolute_schema_path
    at: Path = tuple(error.absolute_path)
    return _Broken(
        keyword=str(error.validator),
        rule=error.validator_value,
        schema=error.schema if isinstance(error.schema, Mapping) else {},
        value=error.instance,
        at=(*at, str(error.instance)) if is_key else at,
        is_key=is_key,
    )


@cache
def _validator(group: str, kind: str) -> Any:
    return _Validator(schemas.json_schema(group, kind), registry=Registry())


def _pattern(validator: object, pattern: str, instance: object, schema: object) -> Iterator[ValidationError]:
    """As ECMA 262 has it: `$` is the end of the text, where Python's also matches before a last newline."""
    if not isinstance(instance, str) or len(instance) > _LONGEST_MATCHED:
        return
    if "\n" in instance or not re.search(pattern, instance):
        yield ValidationError("pattern")


_Validator: Callable[..., Any] = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, {"pattern": _pattern}
)


def _findings(broken: _Broken, *, compatible: bool) -> Iterator[_Finding]:
    if compatible and _without_meaning(broken):
        yield from _ignored(broken)
    elif broken.schema.get("x-atoll-code") and broken.keyword in _CODED:
        yield _coded(broken)
    else:
        yield from WORDS[broken.keyword](broken)


def _without_meaning(broken: _Broken) -> bool:
    return broken.keyword == "additionalProperties" or "x-atoll-otherwise" in broken.schema


def _ignored(broken: _Broken) -> Iterator[_Finding]:
    if broken.keyword == "additionalProperties":
        for at in _extra_paths(broken):
            reason = f"`{field_path(at)}` has no meaning here and is ignored"
            yield _Finding(code="ATL221", at=at, reason=reason, at_key=True)
    else:
        reason = (
            f"`{field_path(broken.at)}` is {_shown(broken.value)}, which has no meaning here and is ignored"
        )
        yield _Finding(code="ATL221", at=broken.at, reason=reason)


_CODED = frozenset({"pattern", "minItems", "maxItems", "minLength", "maxLength", "required", "minProperties"})


def _coded(broken: _Broken) -> _Finding:
    """A rule that the schema itself puts into words."""
    schema = broken.schema
    code, rule, at = str(schema["x-atoll-code"]), str(schema["errorMessage"]), broken.at
    if isinstance(broken.value, str):
        where = f"the key of `{field_path(at[:-1])}`" if broken.is_key else f"`{field_path(at)}`"
        reason = f"{where}, {_shown(broken.value)}, {rule}"
    else:
        reason = f"`{field_path(at)}` {rule}"
    remedy = _suggested_name(broken) if code == "ATL211" else None
    return _Finding(code=code, at=at, reason=reason, remedy=remedy, at_key=broken.is_key)


_INFRASTRUCTURE = ("spec", "infrastructure", "services")


def _suggested_name(broken: _Broken) -> str | None:
    value = broken.value
    if broken.at[:-1] == _INFRASTRUCTURE:
        close = meant(str(value), list(InfrastructureKeyword), near=0.5)
        entries = "`dns`, `api` or the `<namespace>/<service>` of a Service"
        return f"Write `{close}` if that was meant; an entry is {entries}" if close else f"Write {entries}"
    name = re.sub(r"[^a-z0-9./]+", "-", str(value).lower()).strip("-./")[:63].rstrip("-./")
    return f"Write a name such as `{name}`" if name and name != value else None


def _unknown_field(broken: _Broken) -> Iterator[_Finding]:
    fields = sorted(broken.schema.get("properties", {}))
    for at in _extra_paths(broken):
        name = str(at[-1])
        if at == ("metadata", "namespace"):
            yield _Finding(
                code="ATL212",
                at=at,
                at_key=True,
                reason="the object belongs to the cluster, and has no namespace",
                remedy="Remove `metadata.namespace`",
            )
            continue
        close = meant(name, fields)
        remedy = f"Write `{close}` if that was meant" if close else f"The fields here are {listed(fields)}"
        reason = f"`{cut(field_path(at))}` is not a field"
        yield _Finding(code="ATL205", at=at, reason=reason, remedy=remedy, at_key=True)


def _missing_field(broken: _Broken) -> Iterator[_Finding]:
    for name in broken.rule:
        if name in broken.value:
            continue
        at = (*broken.at, name)
        code = "ATL212" if at == ("metadata", "namespace") else "ATL206"
        reason, remedy = f"`{field_path(at)}` is missing", f"Add `{field_path(at)}`"
        yield _Finding(code=code, at=at[:-1], reason=reason, remedy=remedy, at_key=True)


_TYPES = {
    "object": ("a mapping", "Write keys and values below it, indented"),
    "array": ("a list", "Write a list: `[…]`, or one `- ` a line"),
    "string": ("text", "Put the value in quotes"),
    "integer": ("a whole number", "Write a whole number, without quotes"),
    "number": ("a number", "Write a number, without quotes"),
    "boolean": ("`true` or `false`", "Write `true` or `false`, without quotes"),
}


def _wrong_type(broken: _Broken) -> Iterator[_Finding]:
    expected, remedy = _TYPES[str(broken.rule)]
    reason = f"`{field_path(broken.at) or 'the object'}` is {_type_of(broken.value)}, and must be {expected}"
    if broken.value is None:
        remedy = "Give it a value, or remove the key"
    yield _Finding(code="ATL207", at=broken.at, reason=reason, remedy=remedy, at_key=broken.value is None)


def _type_of(value: Json) -> str:
    match value:
        case None:
            return "empty"
        case bool():
            return f"`{str(value).lower()}`"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
    return "a mapping"


def _wrong_choice(broken: _Broken) -> Iterator[_Finding]:
    if broken.schema.get("type") == "string" and not isinstance(broken.value, str):
        return  # its type is wrong, and that is said
    choices = broken.rule if broken.keyword == "enum" else [broken.rule]
    at = broken.at
    close = meant(str(broken.value), [str(choice) for choice in choices])
    reason = f"`{field_path(at)}` is {_shown(broken.value)}, and must be {_alternatives(choices)}"
    remedy = f"Write `{close}` if that was meant" if close else None
    yield _Finding(code="ATL208", at=at, reason=reason, remedy=remedy)


def _alternatives(choices: Iterable[object]) -> str:
    *first, last = [f"`{choice}`" for choice in choices]
    return f"{', '.join(first)} or {last}" if first else last


def _out_of_bounds(measure: Callable[[Any], str], bound: str) -> Callable[[_Broken], Iterator[_Finding]]:
    def findings(broken: _Broken) -> Iterator[_Finding]:
        at = broken.at
        reason = f"`{field_path(at)}` {measure(broken.value)}, {bound} {broken.rule:,}"
        yield _Finding(code="ATL209", at=at, reason=reason)

    return findings


def _value(value: float) -> str:
    return f"is {value:,}"


def _entries(value: list[Json] | dict[str, Json]) -> str:
    return f"has {len(value):,} entries" if value else "is empty"


def _characters(value: str) -> str:
    return f"has {len(value):,} characters" if value else "is empty"


def _repeated(broken: _Broken) -> Iterator[_Finding]:
    first: dict[str, int] = {}
    for index, entry in enumerate(broken.value):
        earlier = first.setdefault(json.dumps(entry, sort_keys=True), index)
        if earlier != index:
            at = (*broken.at, index)
            reason = f"`{field_path(at)}`, {_shown(entry)}, repeats `{field_path((*broken.at, earlier))}`"
            yield _Finding(code="ATL210", at=at, reason=reason)


def _unaccompanied(broken: _Broken) -> Iterator[_Finding]:
    for name, needed in broken.rule.items():
        for other in needed:
            if name in broken.value and other not in broken.value:
                at = (*broken.at, name)
                reason = f"`{field_path(at)}` is given without `{other}`"
                yield _Finding(code="ATL218", at=at, reason=reason, remedy=f"Add `{other}`", at_key=True)


WORDS: Mapping[str, Callable[[_Broken], Iterator[_Finding]]] = {
    "additionalProperties": _unknown_field,
    "required": _missing_field,
    "type": _wrong_type,
    "enum": _wrong_choice,
    "const": _wrong_choice,
    "minimum": _out_of_bounds(_value, "and must be at least"),
    "maximum": _out_of_bounds(_value, "and must be at most"),
    "minItems": _out_of_bounds(_entries, "and needs at least"),
    "maxItems": _out_of_bounds(_entries, "and may have at most"),
    "maxProperties": _out_of_bounds(_entries, "and may have at most"),
    "minLength": _out_of_bounds(_characters, "and needs at least"),
    "maxLength": _out_of_bounds(_characters, "and may have at most"),
    "uniqueItems": _repeated,
    "dependentRequired": _unaccompanied,
}
"""Every keyword that the schemas use and that can fail; a test holds this complete."""


def _extra_paths(broken: _Broken) -> list[Path]:
    known = broken.schema.get("properties", {})
    return [(*broken.at, name) for name in broken.value if name not in known]


def _shown(value: Json) -> str:
    return f"`{cut(json.dumps(value) if not isinstance(value, str) else value)}`"
