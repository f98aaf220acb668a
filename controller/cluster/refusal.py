"""What the API server's refusals mean, in words for an operator."""

from __future__ import annotations

import re
from typing import Final

from controller.cluster.conflict import Conflict, Contested, conflict
from controller.cluster.objects import ResourceKey
from kube import api
from kube.api import ApiError

_MANAGER: Final = re.compile(r'conflict with "([^"]*)"')
_NAMESPACE: Final = re.compile(r'namespaces "([^"]*)" not found')
_BUSY: Final = frozenset({0, 401, 429, 503})
"""Statuses that speak of the server or of us, not of one object; 0 is no answer."""


def conflict_of(key: ResourceKey, error: ApiError) -> Conflict | None:
    """The fields that other managers own; None for a conflict of versions, and for other refusals."""
    if not isinstance(error, api.Conflict):
        return None
    contested = [
        Contested(field=cause.field, manager=found[1] if (found := _MANAGER.search(cause.message)) else "")
        for cause in error.causes
        if cause.reason == "FieldManagerConflict"
    ]
    return conflict(key, contested) if contested else None


def is_stale(error: ApiError) -> bool:
    """The object is another than the decision rested on, or gone: the watch tells, if it has not yet."""
    return isinstance(error, api.NotFound) or (isinstance(error, api.Conflict) and not error.causes)


def concerns_all(error: ApiError) -> bool:
    """Whether other requests would fare no better now."""
    return error.status in _BUSY


def told(error: ApiError) -> str:
    """Without a full stop."""
    if error.status == 0:
        return f"the API server does not answer: {error.message}".removesuffix(".")
    missing = _NAMESPACE.search(error.message)
    if missing:
        return f"namespace {missing[1]} does not exist; create it, or take what is declared in it out of Git"
    return f"the API server refuses it: {error.message}".removesuffix(".")
