"""Durations as Kubernetes writes them: `30s`, `1m30s`, `2h`; and the keyword that bounds them in a schema.

`x-atoll-duration: {"least": "5s", "most": "24h"}` says in JSON Schema what a CRD says by
`duration(self) >= duration('5s')`: neither a pattern nor a number could.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta

from jsonschema.exceptions import ValidationError

KEYWORD = "x-atoll-duration"
_PARTS = re.compile(
    r"(?:(?P<hours>[0-9]{1,5})h)?"
    r"(?:(?P<minutes>[0-9]{1,5})m)?"
    r"(?:(?P<seconds>[0-9]{1,5})s)?"
    r"(?:(?P<milliseconds>[0-9]{1,5})ms)?"
)


def duration_of(text: str) -> timedelta:
    """Read a duration. Raises ValueError for what the schemas' pattern refuses."""
    parts = _PARTS.fullmatch(text)
    if not text or parts is None:
        raise ValueError(f"{text[:40]!r} is not a duration such as 30s, 1m30s or 2h")
    return timedelta(**{unit: int(number) for unit, number in parts.groupdict(default="0").items()})


def bounded(
    _validator: object, bounds: Mapping[str, str], instance: object, _schema: object
) -> Iterator[ValidationError]:
    """The keyword for jsonschema's `extend`. What is no duration at all, the pattern refuses."""
    if not isinstance(instance, str) or not instance or not _PARTS.fullmatch(instance):
        return
    least, most = bounds["least"], bounds["most"]
    if not duration_of(least) <= duration_of(instance) <= duration_of(most):
        yield ValidationError(f"{instance!r} must be a duration of {least} to {most}")
