"""From one status to another as a merge patch that has only what differs."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from controller.cluster.resource_status import Condition, ResourceStatus
from kube.api import Json

_WORDS_AND_COUNTS = frozenset({"conditions", "nodes", "pods", "addresses", "free", "networks", "generation"})
"""Fields whose change can wait a few seconds, unless a condition turns."""


def status_patch(before: ResourceStatus | None, after: ResourceStatus) -> Json:
    """`before` None: nothing is known of what stands, so that every field is written or removed."""
    new = _fields(after)
    if before is None:
        names = [field.encode_name for field in msgspec.structs.fields(after)]
        return {name: new.get(name) for name in names}
    return _difference(_fields(before), new)


def is_minor(before: ResourceStatus, after: ResourceStatus) -> bool:
    """Whether the two differ in nothing but counts and the words of conditions."""
    if _turns(before.conditions) != _turns(after.conditions):
        return False
    return status_patch(before, after).keys() <= _WORDS_AND_COUNTS


def _difference(old: Mapping[str, object], new: Mapping[str, object]) -> Json:
    patch: dict[str, object] = {name: None for name in old if name not in new}
    for name, value in new.items():
        was = old.get(name)
        if was == value:
            continue
        if isinstance(was, dict) and isinstance(value, dict):
            patch[name] = _difference(was, value)
        else:
            patch[name] = value
    return patch


def _fields(status: ResourceStatus) -> Mapping[str, object]:
    fields: Mapping[str, object] = msgspec.to_builtins(status)
    return fields


def _turns(conditions: tuple[Condition, ...]) -> list[tuple[str, str, str]]:
    return [(one.type, one.status, one.reason) for one in conditions]
