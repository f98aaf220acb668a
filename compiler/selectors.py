"""Kubernetes label selectors, from the shape that the API has to the model's."""

from __future__ import annotations

from compiler.elements import Element
from compiler.model import LabelSelector, Operator, Requirement


def selector_of(element: Element) -> LabelSelector:
    """The selector; its requirements in one order, however the file lists them."""
    labels = element.get("matchLabels")
    expressions = element.get("matchExpressions")
    requirements = [
        Requirement(key=key, operator=Operator.IN, values=frozenset({value}))
        for key, value in (labels.pairs() if labels else {}).items()
    ]
    requirements += [
        _requirement(expression) for expression in (expressions.entries() if expressions else ())
    ]
    return LabelSelector(
        requirements=tuple(sorted(requirements, key=lambda r: (r.key, r.operator, sorted(r.values))))
    )


def optional_selector_of(element: Element | None) -> LabelSelector | None:
    return None if element is None else selector_of(element)


def _requirement(expression: Element) -> Requirement:
    values = expression.get("values")
    return Requirement(
        key=expression["key"].text(),
        operator=Operator(expression["operator"].text()),
        values=frozenset(value.text() for value in (values.entries() if values else ())),
    )
