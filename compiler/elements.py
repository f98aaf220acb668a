"""A value inside a document, together with its path and place.

The accessors are for values whose shape the JSON Schema has already approved: a wrong type there is a
defect of the schema, and raises TypeError.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from compiler.problem import Origin
from compiler.wording import cut
from compiler.yaml_text import Document, Json, Path

_PLAIN_KEY = re.compile(r"[A-Za-z][A-Za-z0-9]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Element:
    """One value of a document."""

    document: Document
    at: Path
    value: Json
    root: Path = ()
    """Where the object begins that the value is part of: a document may be a list of objects."""

    @property
    def origin(self) -> Origin:
        return self.document.value_origin(self.at)

    @property
    def key_origin(self) -> Origin:
        return self.document.key_origin(self.at)

    @property
    def field(self) -> str:
        """The path as people write it: `spec.subnets[0]`."""
        return field_path(self.at[len(self.root) :])

    def get(self, *keys: str) -> Element | None:
        """The value below these keys; None if one of them is absent."""
        value = self.value
        for key in keys:
            if not isinstance(value, dict) or key not in value:
                return None
            value = value[key]
        return Element(document=self.document, at=(*self.at, *keys), value=value, root=self.root)

    def __getitem__(self, key: str) -> Element:
        child = self.get(key)
        if child is None:
            raise TypeError(f"{self.field} has no {key}")
        return child

    def entries(self) -> Iterator[Element]:
        """The entries of a list."""
        if not isinstance(self.value, list):
            raise TypeError(f"{self.field} is not a list")
        for index, value in enumerate(self.value):
            yield Element(document=self.document, at=(*self.at, index), value=value, root=self.root)

    def pairs(self) -> dict[str, str]:
        """A mapping of texts to texts."""
        if not isinstance(self.value, dict):
            raise TypeError(f"{self.field} is not a mapping")
        return {key: _text(value, key) for key, value in self.value.items()}

    def text(self) -> str:
        return _text(self.value, self.field)

    def whole(self) -> int:
        """A whole number; JSON Schema counts 1500.0 as one."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise TypeError(f"{self.field} is not a number")
        return int(self.value)

    def number(self) -> float:
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise TypeError(f"{self.field} is not a number")
        return float(self.value)


def field_path(at: Path) -> str:
    """The path as people write it: `spec.subnets[0]`, `metadata.labels["a.b/c"]`."""
    parts: list[str] = []
    for step in at:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        elif _PLAIN_KEY.fullmatch(step):
            parts.append(f".{step}" if parts else step)
        else:
            parts.append(f'["{cut(step)}"]')
    return "".join(parts)


def _text(value: Json, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} is not text")
    return value
