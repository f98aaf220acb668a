"""Labelled objects of one kind, found by selector without looking at all of them.

Selectors are mostly `matchLabels`, an `In` with one value: an index from label to objects answers
those, and what it proposes is filtered by the whole selector.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

from compiler.inventory import Namespace
from compiler.model import LabelSelector, Operator

T = TypeVar("T")

NAME_LABEL = "kubernetes.io/metadata.name"
"""Set on every namespace by the API server, so it holds for namespaces that no inventory knows too."""


class LabelIndex(Generic[T]):
    def __init__(self, items: Iterable[tuple[T, Mapping[str, str]]]) -> None:
        self._items = tuple(items)
        self._by_label: dict[tuple[str, str], list[int]] = {}
        self._selected: dict[LabelSelector, tuple[T, ...]] = {}
        for position, (_, labels) in enumerate(self._items):
            for label in labels.items():
                self._by_label.setdefault(label, []).append(position)

    def select(self, selector: LabelSelector) -> tuple[T, ...]:
        """What the selector matches, in the order in which it was given."""
        known = self._selected.get(selector)
        if known is None:
            known = self._selected[selector] = tuple(
                item for item, labels in self._candidates(selector) if selector.matches(labels)
            )
        return known

    def _candidates(self, selector: LabelSelector) -> Iterable[tuple[T, Mapping[str, str]]]:
        for requirement in selector.requirements:
            if requirement.operator is Operator.IN:
                found = (self._by_label.get((requirement.key, value), ()) for value in requirement.values)
                return [self._items[position] for position in sorted(p for some in found for p in some)]
        return self._items


def namespace_labels(name: str, namespaces: Mapping[str, Namespace]) -> Mapping[str, str]:
    """The labels of a namespace, its name label implied."""
    namespace = namespaces.get(name)
    return {**(namespace.labels if namespace else {}), NAME_LABEL: name}
