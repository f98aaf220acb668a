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
_PART = re.compile(r"([0-9]{1,5}(?:\.[0-9]{1,3})?)(ms|s|m|h)")
_DURATION = re.compile(rf"(?:{_PART.pattern}){{1,4}}")
_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours"}


def duration_of(text: str) -> timedelta:
    """Read a duration; the sum of its parts, as Go has it. Raises ValueError."""
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not a duration such as 30s, 1m30s or 2h")
    parts = (timedelta(**{_UNITS[unit]: float(number)}) for number, unit in _PART.findall(text))
    return sum(parts, start=timedelta())


def bounded(
    _validator: object, bounds: Mapping[str, str], instance: object, _schema: object
) -> Iterator[ValidationError]:
    """The keyword for jsonschema's `extend`. What is no duration at all, the pattern refuses."""
    if not isinstance(instance, str) or not _DURATION.fullmatch(instance):
        return
    least, most = bounds["least"], bounds["most"]
    if not duration_of(least) <= duration_of(instance) <= duration_of(most):
        yield ValidationError(f"{instance!r} must be a duration of {least} to {most}")
