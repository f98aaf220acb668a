"""Label and field selectors, as the simulated server evaluates them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

Matcher = Callable[[Mapping[str, object]], bool]

_SET = re.compile(r"(?P<key>[^\s!(),=]+)\s+(?P<word>in|notin)\s+\((?P<values>[^()]*)\)")
_COMMA = re.compile(r",(?![^()]*\))")  # not those within a set's parentheses


def matcher(label_selector: str, field_selector: str) -> Matcher:
    """Return whether an object is selected by both; empty selectors select everything."""
    labels = [_label_term(term.strip()) for term in _COMMA.split(label_selector) if term.strip()]
    fields = [_field_term(term.strip()) for term in field_selector.split(",") if term.strip()]

    def matches(body: Mapping[str, object]) -> bool:
        own = value_at(body, ("metadata", "labels"))
        mapping = own if isinstance(own, Mapping) else {}
        return all(term(mapping) for term in labels) and all(term(body) for term in fields)

    return matches


def value_at(body: Mapping[str, object], path: tuple[str, ...]) -> object:
    """Return the value at a path, or None where the path leads nowhere."""
    value: object = body
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _label_term(term: str) -> Matcher:
    found = _SET.fullmatch(term)
    if found:
        values = {value.strip() for value in found["values"].split(",")}
        key, wanted = found["key"], found["word"] == "in"
        return lambda labels: (labels.get(key) in values) is wanted
    if "=" in term:
        key, value, wanted = _comparison(term)
        return lambda labels: (labels.get(key) == value) is wanted
    if term.startswith("!"):
        return lambda labels: term[1:].strip() not in labels
    return lambda labels: term in labels


def _field_term(term: str) -> Matcher:
    field, value, wanted = _comparison(term)
    path = tuple(field.split("."))
    return lambda body: (str(value_at(body, path) or "") == value) is wanted


def _comparison(term: str) -> tuple[str, str, bool]:
    key, operator, value = re.split(r"\s*(!=|==|=)\s*", term, maxsplit=1)
    return key, value, operator != "!="
