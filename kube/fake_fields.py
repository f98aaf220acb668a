"""Who owns which field: enough of server-side apply for its merges, prunings and conflicts.

A field is a path of steps. Maps and the lists of `_KEYED` are owned by parts, all other lists as a whole.
https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

Document = dict[str, object]
Path = tuple[str, ...]
Leaves = Mapping[Path, object]

_KEYED: Mapping[Path, str] = {
    ("status", "conditions"): "type",
    ("metadata", "ownerReferences"): "uid",
    ("metadata", "finalizers"): "",  # a set: each element is its own key
}
_NOBODYS: frozenset[Path] = frozenset(
    {
        ("apiVersion",),
        ("kind",),
        *(
            ("metadata", name)
            for name in (
                "name",
                "namespace",
                "uid",
                "resourceVersion",
                "generation",
                "creationTimestamp",
                "deletionTimestamp",
            )
        ),
    }
)


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Manager:
    name: str
    applies: bool
    """Applied fields that are no longer applied are removed; updated ones stay."""
    subresource: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ownership:
    owners: Mapping[Manager, frozenset[Path]] = field(default_factory=dict)

    def updated(self, before: Leaves, after: Leaves, manager: Manager) -> Ownership:
        """Return it after a change by PUT or PATCH: who changes a field owns it alone."""
        changed = frozenset(path for path, value in after.items() if before.get(path, ...) != value)
        gone = before.keys() - after.keys()
        owners = {
            owner: frozenset(path for path in paths if path not in gone and path not in changed)
            for owner, paths in self.owners.items()
        }
        owners[manager] = owners.get(manager, frozenset()) | changed
        return Ownership(owners={owner: paths for owner, paths in owners.items() if paths})

    def conflicts(self, live: Leaves, wanted: Leaves, manager: Manager) -> list[tuple[Manager, Path]]:
        return [
            (owner, path)
            for owner, paths in sorted(self.owners.items(), key=lambda item: item[0])
            if owner != manager
            for path in sorted(paths)
            if path in wanted and live.get(path, ...) != wanted[path]
        ]

    def applied(self, live: Leaves, wanted: Leaves, manager: Manager) -> tuple[Ownership, frozenset[Path]]:
        """Return it after an apply, with the fields to be removed: once applied and no one else's."""
        dropped = self.owners.get(manager, frozenset()) - wanted.keys()
        taken = {path for path, value in wanted.items() if live.get(path, ...) != value}
        owners = {owner: paths - taken for owner, paths in self.owners.items() if owner != manager}
        orphaned = dropped.difference(*owners.values())
        owners[manager] = frozenset(wanted)
        kept = {owner: paths for owner, paths in owners.items() if paths}
        return replace(self, owners=kept), orphaned


def leaves(body: Mapping[str, object]) -> dict[Path, object]:
    """Return each field of an object that someone may own, with its value."""
    return {path: value for path, value in _walk(body, ()) if path not in _NOBODYS}


def _walk(value: object, path: Path) -> Iterator[tuple[Path, object]]:
    if path in _KEYED and isinstance(value, list):
        for element in value:
            yield from _walk(element, (*path, _key_of(element, _KEYED[path])))
    elif isinstance(value, Mapping) and (value or not path):
        for name, inner in value.items():
            yield from _walk(inner, (*path, name))
    else:
        yield path, value


def _key_of(element: object, key: str) -> str:
    return str(element[key]) if key and isinstance(element, Mapping) else str(element)


def merged(live: Mapping[str, object], wanted: Mapping[str, object], path: Path = ()) -> Document:
    """Return the live object with the fields of the applied one laid over it."""
    result = dict(live)
    for name, value in wanted.items():
        here = (*path, name)
        old = result.get(name)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            result[name] = merged(old, value, here)
        elif here in _KEYED and isinstance(value, list) and isinstance(old, list):
            result[name] = _merged_list(old, value, _KEYED[here])
        else:
            result[name] = value
    return result


def _merged_list(old: list[object], new: list[object], key: str) -> list[object]:
    elements = {_key_of(element, key): element for element in old}
    for element in new:
        name = _key_of(element, key)
        before = elements.get(name)
        both = isinstance(before, Mapping) and isinstance(element, Mapping)
        elements[name] = {**before, **element} if both else element  # type: ignore[dict-item]
    return list(elements.values())


def without(body: Mapping[str, object], removed: frozenset[Path], path: Path = ()) -> Document:
    """Return the object less the fields, and less the maps and elements that they leave empty."""
    result: Document = {}
    for name, value in body.items():
        here = (*path, name)
        if here in removed or not any(gone[: len(here)] == here for gone in removed):
            if here not in removed:
                result[name] = value
        elif here in _KEYED and isinstance(value, list):
            kept = [_less(element, removed, (*here, _key_of(element, _KEYED[here]))) for element in value]
            result[name] = [element for element in kept if element is not None]
        elif isinstance(value, Mapping):
            rest = without(value, removed, here)
            if rest:
                result[name] = rest
    return result


def _less(element: object, removed: frozenset[Path], path: Path) -> object:
    if path in removed:
        return None
    return (without(element, removed, path) or None) if isinstance(element, Mapping) else element
