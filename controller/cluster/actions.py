"""What the controller does to custom resources, as inert values; each concerns one object.

`over` is the resourceVersion that the decision rests on. An action that meets another version where
that matters is refused by the API server, and decided anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from controller.cluster.declared import Declared
from controller.cluster.objects import Observed, ResourceKey
from controller.cluster.resource_status import ResourceStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class Apply:
    """Apply what Git declares, without force."""

    key: ResourceKey
    declared: Declared = field(repr=False)
    revision: str
    """The commit that changed the object."""
    stands: Observed | None = field(repr=False)
    """None where the object is missing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GiveUp:
    """Leave the object to the other managers that declare it; Git no longer does."""

    key: ResourceKey
    uid: str
    over: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Prune:
    """Delete what Git no longer declares."""

    key: ResourceKey
    uid: str
    over: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AddFinalizer:
    """Let a network's deletion wait while pods use it."""

    key: ResourceKey
    over: str
    finalizers: tuple[str, ...]
    """All that the object is to have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleaseFinalizer:
    """Let the deletion that somebody asked for happen."""

    key: ResourceKey
    over: str
    finalizers: tuple[str, ...]
    """All that the object is to have: those of others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WriteStatus:
    key: ResourceKey
    over: str
    before: ResourceStatus | None = field(repr=False)
    status: ResourceStatus = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class NotePod:
    """Tell a pod of its network, in an annotation."""

    key: ResourceKey
    uid: str
    note: str = field(repr=False)


MirrorAction = Apply | GiveUp | Prune | AddFinalizer | ReleaseFinalizer
ClusterAction = MirrorAction | NotePod | WriteStatus


def describe(action: ClusterAction) -> str:
    """Return one line for people."""
    match action:
        case Apply():
            return f"apply {action.key} of commit {action.revision}"
        case GiveUp():
            return f"give up {action.key}"
        case Prune():
            return f"prune {action.key}"
        case AddFinalizer():
            return f"add finalizer to {action.key}"
        case ReleaseFinalizer():
            return f"release finalizer of {action.key}"
        case NotePod():
            return f"tell {action.key} of its network"
        case WriteStatus():
            return f"write status of {action.key}"
