"""What to do so that resources say what Git says, and nothing that others rely on is lost.

- Applied is what is missing or differs in a field that Git declares, and once only: what the API server
  made of it (`Settled`) stands until the object or the declaration changes.
- Never forced: where another manager holds a field, that is reported, and Git rules without the resource.
- Pruned is what the inventory lists, Git no longer declares, and is still ours. An object that would be
  whole without our fields is left to its other managers.
- What the inventory does not list is never deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from controller.cluster.actions import AddFinalizer, Apply, GiveUp, MirrorAction, Prune, ReleaseFinalizer
from controller.cluster.conflict import Conflict, Contested, conflict
from controller.cluster.declared import Declared
from controller.cluster.deletion import Hold
from controller.cluster.objects import IN_USE, Observed, Owner, ResourceKey, Undecodable

_RANK = {"ClusterConfig": 0, "VirtualNetwork": 1, "VirtualNetworkRouter": 2}
_REQUIRED = {
    "ClusterConfig": frozenset({"podRanges", "serviceRanges", "nodeRanges"}),
    "VirtualNetwork": frozenset({"subnets"}),
    "VirtualNetworkRouter": frozenset({"type", "virtualNetworkSelector"}),
}
"""Fields of spec without which the API server refuses an object."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """What in an object decides whether it must be applied; a status, say, does not."""

    uid: str
    generation: int
    labels: Mapping[str, str]
    finalizers: tuple[str, ...]
    origin: str
    owners: tuple[Owner, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """What came of applying a declaration: there is no better to be had."""

    declared: Declared
    shape: Shape
    conflict: Conflict | None = None


def mirror(
    declared: Mapping[ResourceKey, Declared] | None,
    observed: Mapping[ResourceKey, Observed | Undecodable],
    inventory: Collection[ResourceKey],
    *,
    revision: str,
    settled: Mapping[ResourceKey, Settled] | None = None,
    holds: Mapping[ResourceKey, Hold] | None = None,
    keys: Collection[ResourceKey] | None = None,
) -> tuple[MirrorAction, ...]:
    """The actions for all objects, or only for `keys`: those declared, observed or held differently now.

    `declared` is what the commit in force declares. None: which one that is, is not known yet; what the
    inventory lists stays as it is then, where an empty mapping would prune it.
    """
    wanted = declared or {}
    concerned = {*wanted, *observed, *inventory} if keys is None else keys
    if declared is None:
        concerned = set(concerned).difference(inventory)
    known, waiting = settled or {}, holds or {}
    actions: list[MirrorAction] = []
    for key in sorted(concerned, key=lambda key: (_RANK.get(key.kind, len(_RANK)), key)):
        stands = observed.get(key)
        if isinstance(stands, Undecodable):
            continue
        if stands is not None and stands.metadata.terminating:
            actions += _released(stands, waiting)
        elif key in wanted:
            actions += _applied(wanted[key], stands, known.get(key), revision)
        elif stands is not None and key in inventory and stands.metadata.ours is not None:
            actions.append(_pruned(stands))
        elif stands is not None:
            actions += _guarded(stands)
    return tuple(actions)


def next_inventory(
    declared: Collection[ResourceKey],
    observed: Mapping[ResourceKey, Observed | Undecodable],
    inventory: Collection[ResourceKey],
) -> tuple[ResourceKey, ...]:
    """What may be ours from now on, sorted: durable before anything of it is applied."""
    kept = (key for key in inventory if _may_be_ours(observed.get(key)))
    return tuple(sorted({*declared, *kept}))


def shape_of(observed: Observed) -> Shape:
    metadata = observed.metadata
    return Shape(
        uid=metadata.uid,
        generation=metadata.generation,
        labels=metadata.labels,
        finalizers=metadata.finalizers,
        origin=metadata.origin,
        owners=tuple(owner for owner in metadata.owners if not owner.subresource),
    )


def settled_by(declared: Declared, answer: Observed) -> Settled:
    """After an apply that succeeded: what differs still, others have added."""
    return Settled(declared=declared, shape=shape_of(answer), conflict=additions(declared, answer))


def additions(declared: Declared, observed: Observed) -> Conflict | None:
    """Fields of spec that say what Git does not say, with their owners; the order in a list is no matter."""
    if observed.spec == declared.spec:
        return None
    wanted, stands = _fields(declared.spec), _fields(observed.spec)
    differing = {name for name in wanted.keys() | stands.keys() if wanted.get(name) != stands.get(name)}
    contested = [
        Contested(field=f".spec.{name}", manager=manager)
        for name in differing
        for manager in (_others_with(name, observed.metadata.owners) or ("",))
    ]
    return conflict(declared.key, contested) if contested else None


def _applied(
    declared: Declared, stands: Observed | None, settled: Settled | None, revision: str
) -> Iterator[Apply]:
    if stands is None:
        yield Apply(key=declared.key, declared=declared, revision=revision, stands=None)
        return
    changed = settled is not None and settled.declared.content != declared.content
    if settled and not changed and settled.shape == shape_of(stands):
        return
    was_contested = settled is not None and settled.conflict is not None
    if not changed and not was_contested and not _differs(declared, stands):
        return
    earlier = stands.metadata.revision
    if earlier and not changed and _says_the_same(declared, stands):
        revision = earlier
    yield Apply(key=declared.key, declared=declared, revision=revision, stands=stands)


def _differs(declared: Declared, stands: Observed) -> bool:
    metadata = stands.metadata
    return (
        metadata.ours is None
        or not metadata.revision
        or not _says_the_same(declared, stands)
        or not metadata.ours.labels <= declared.labels.keys()
        or not set(declared.finalizers) <= set(metadata.finalizers)
    )


def _says_the_same(declared: Declared, stands: Observed) -> bool:
    """Also as to its file, for people. A line that moves in it is not worth a request for every object."""
    labels = stands.metadata.labels
    return (
        stands.spec == declared.spec
        and all(labels.get(name) == value for name, value in declared.labels.items())
        and _path_of(stands.metadata.origin) == declared.path
    )


def _path_of(origin: str) -> str:
    path, colon, line = origin.rpartition(":")
    return path if colon and line.isdigit() else origin


def _pruned(stands: Observed) -> Prune | GiveUp:
    metadata = stands.metadata
    others = frozenset[str]().union(
        *(owner.spec for owner in metadata.owners if not owner.is_us and not owner.subresource)
    )
    action = GiveUp if others >= _REQUIRED[stands.key.kind] else Prune
    return action(key=stands.key, uid=metadata.uid, over=metadata.resource_version)


def _guarded(stands: Observed) -> Iterator[AddFinalizer]:
    metadata = stands.metadata
    if stands.key.kind == "VirtualNetwork" and IN_USE not in metadata.finalizers:
        yield AddFinalizer(
            key=stands.key, over=metadata.resource_version, finalizers=(*metadata.finalizers, IN_USE)
        )


def _released(stands: Observed, holds: Mapping[ResourceKey, Hold]) -> Iterator[ReleaseFinalizer]:
    metadata = stands.metadata
    if IN_USE in metadata.finalizers and stands.key not in holds:
        yield ReleaseFinalizer(
            key=stands.key,
            over=metadata.resource_version,
            finalizers=tuple(one for one in metadata.finalizers if one != IN_USE),
        )


def _may_be_ours(stands: Observed | Undecodable | None) -> bool:
    return isinstance(stands, Undecodable) or (stands is not None and stands.metadata.ours is not None)


def _others_with(name: str, owners: tuple[Owner, ...]) -> tuple[str, ...]:
    return tuple(one.manager for one in owners if name in one.spec and not one.is_us and not one.subresource)


def _fields(spec: bytes) -> Mapping[str, object]:
    fields: Mapping[str, object] = msgspec.json.decode(spec, type=dict[str, object])
    return {name: _unordered(value) for name, value in fields.items()}


def _unordered(value: object) -> object:
    if isinstance(value, dict):
        return {name: _unordered(one) for name, one in value.items()}
    if isinstance(value, list):
        return sorted((_unordered(one) for one in value), key=repr)
    return value
