"""The one request that carries out an action."""

from __future__ import annotations

from datetime import datetime

from controller.cluster.actions import (
    AddFinalizer,
    Apply,
    ClusterAction,
    GiveUp,
    NotePod,
    Prune,
    ReleaseFinalizer,
    WriteStatus,
)
from controller.cluster.event_object import event_object, namespace_of
from controller.cluster.objects import FIELD_MANAGER, NETWORK_STATUS, RESOURCES
from controller.cluster.status_patch import status_patch
from controller.cluster.transitions import ClusterEvent
from kube.api import Api, Json
from kube.kinds import EVENTS


def carry_out(api: Api, action: ClusterAction) -> bytes:
    """Return the server's answer. Raises ApiError."""
    ref = action.key.ref
    match action:
        case Apply():
            body = action.declared.body(action.revision)
            return api.apply(ref, body, field_manager=FIELD_MANAGER, force=False)
        case GiveUp():
            return api.apply(ref, _bare(action), field_manager=FIELD_MANAGER, force=False)
        case Prune():
            api.delete(ref, resource_version=action.over, uid=action.uid)
            return b""
        case AddFinalizer() | ReleaseFinalizer():
            metadata = {"resourceVersion": action.over, "finalizers": list(action.finalizers)}
            return api.patch(ref, {"metadata": metadata})
        case NotePod():
            # By the subresource, whose writer may change neither what a pod runs nor where (pods/status).
            told = {"uid": action.uid, "annotations": {NETWORK_STATUS: action.note}}
            return api.patch(ref, {"metadata": told}, subresource="status")
        case WriteStatus():
            patch = status_patch(action.before, action.status)
            return api.patch(ref, {"status": patch}, subresource="status")


def record(api: Api, event: ClusterEvent, *, instance: str, at: datetime) -> bytes:
    """Raises ApiError; AlreadyExists means that it is recorded."""
    body = event_object(event, instance=instance, at=at)
    return api.create(EVENTS, body, namespace=namespace_of(event))


def _bare(action: GiveUp) -> Json:
    """Nothing but the name: what we applied before and no longer apply is given up.

    The uid and the version keep it from creating an object, or from meeting another.
    """
    resource = RESOURCES[action.key.kind]
    metadata = {"name": action.key.name, "uid": action.uid, "resourceVersion": action.over}
    if action.key.namespace:
        metadata["namespace"] = action.key.namespace
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}
