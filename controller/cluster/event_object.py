"""An event as an object of events.k8s.io/v1; `kubectl describe` finds it by the uid of what it is about."""

from __future__ import annotations

import hashlib
from datetime import datetime

from controller.cluster.objects import RESOURCES
from controller.cluster.transitions import ClusterEvent
from kube.api import Json
from kube.kinds import EVENTS

REPORTER = "atoll.dev/controller"
LONGEST_NOTE = 1024
"""Bytes, as the API server counts them."""
_LONGEST_INSTANCE = 128
_LONGEST_NAME = 253


def namespace_of(event: ClusterEvent) -> str:
    """Events about objects of the whole cluster stand in `default`."""
    return event.regarding.key.namespace or "default"


def event_object(event: ClusterEvent, *, instance: str, at: datetime) -> Json:
    """The same event at the same time has the same name, so that none is recorded twice."""
    time = at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    regarding = event.regarding
    resource = RESOURCES[regarding.key.kind]
    seed = "\0".join((regarding.uid, event.reason, event.note, time, instance))
    suffix = f".{hashlib.sha256(seed.encode()).hexdigest()[:16]}"
    reference = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "name": regarding.key.name,
        "uid": regarding.uid,
    }
    if regarding.key.namespace:
        reference["namespace"] = regarding.key.namespace
    return {
        "apiVersion": EVENTS.api_version,
        "kind": EVENTS.kind,
        "metadata": {
            "name": regarding.key.name[: _LONGEST_NAME - len(suffix)] + suffix,
            "namespace": namespace_of(event),
        },
        "eventTime": time,
        "reportingController": REPORTER,
        "reportingInstance": instance[:_LONGEST_INSTANCE],
        "action": event.action,
        "reason": event.reason,
        "type": "Warning" if event.warning else "Normal",
        "note": _cut(event.note),
        "regarding": reference,
    }


def _cut(note: str) -> str:
    data = note.encode()
    if len(data) <= LONGEST_NOTE:
        return note
    return data[: LONGEST_NOTE - 3].decode(errors="ignore") + "…"
