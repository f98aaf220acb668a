"""What etcd is to the API server: objects, one version for every write, and a history to watch.

The history ends where it was compacted: older versions cannot be watched from, older pages not be
turned. Open watches have their own queues and outlive a compaction, as on the real server.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from kube.api import ApiError, Gone, Key, Unreachable
from kube.fake_fields import Document, Ownership
from kube.fake_selectors import Matcher
from kube.fake_watch import FakeWatch
from kube.resource import Resource

EXPIRED = "The resourceVersion or the continue parameter is too old; list again"


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    body: Document
    """Never changed in place."""
    ownership: Ownership = field(default_factory=Ownership)


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    version: int
    resource: Resource
    namespace: str
    before: Document | None
    after: Document
    """After a deletion, the last state in the deletion's version."""
    deleted: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Backup:
    version: int
    objects: Mapping[Resource, Mapping[Key, Stored]]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Page:
    version: int
    rest: tuple[Document, ...]


class FakeStore:
    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.version = 1
        self._compacted = 0
        self._objects: dict[Resource, dict[Key, Stored]] = {}
        self._history: list[Change] = []
        self._pages: dict[str, _Page] = {}
        self._watches: list[FakeWatch] = []
        self._tokens = itertools.count(1)

    def find(self, resource: Resource, key: Key) -> Stored | None:
        return self._objects.get(resource, {}).get(key)

    def of(self, resource: Resource, namespace: str = "") -> Iterator[Stored]:
        """Yield the objects in etcd's order: by namespace, then by name."""
        for key, stored in sorted(self._objects.get(resource, {}).items()):
            if not namespace or key.namespace == namespace:
                yield stored

    def put(self, resource: Resource, key: Key, stored: Stored) -> Stored:
        """Store an object in a version of its own and tell it to the watches."""
        with self.changed:
            before = self.find(resource, key)
            now = Stored(body=self._versioned(stored.body), ownership=stored.ownership)
            self._objects.setdefault(resource, {})[key] = now
            self._record(resource, key, before.body if before else None, now.body, deleted=False)
            return now

    def remove(self, resource: Resource, key: Key) -> None:
        with self.changed:
            before = self._objects[resource].pop(key)
            self._record(resource, key, before.body, self._versioned(before.body), deleted=True)

    def own(self, resource: Resource, key: Key, ownership: Ownership) -> None:
        """Set who owns an object's fields; that alone makes no version."""
        with self.changed:
            kept = self._objects[resource]
            kept[key] = Stored(body=kept[key].body, ownership=ownership)

    def remove_namespace(self, name: str) -> None:
        with self.changed:
            for resource, kept in self._objects.items():
                for key in [key for key in kept if key.namespace == name]:
                    self.remove(resource, key)

    def page(
        self, resource: Resource, namespace: str, matches: Matcher, limit: int, token: str
    ) -> tuple[int, str, tuple[Document, ...]]:
        """Return the version, the next page's token and the objects; all pages show one version."""
        with self.changed:
            if token:
                page = self._turned(token)
            else:
                bodies = (stored.body for stored in self.of(resource, namespace))
                page = _Page(version=self.version, rest=tuple(filter(matches, bodies)))
            if not limit or len(page.rest) <= limit:
                return page.version, "", page.rest
            following = f"page-{next(self._tokens)}"
            self._pages[following] = _Page(version=page.version, rest=page.rest[limit:])
            return page.version, following, page.rest[:limit]

    def _turned(self, token: str) -> _Page:
        if not token.startswith("page-"):
            raise ApiError("continue key is not valid", status=400, reason="BadRequest")
        if token not in self._pages:
            raise Gone(EXPIRED, status=410, reason="Expired")
        return self._pages[token]

    def watch(self, watch: FakeWatch, since: str) -> None:
        """Open a watch; without a version it begins with everything that there is."""
        with self.changed:
            if since in {"", "0"}:
                for stored in self.of(watch.resource, watch.namespace):
                    if watch.matches(stored.body):
                        watch.lines.append(event("ADDED", stored.body))
                watch.since = self.version
            else:
                watch.since = _number(since)
                if watch.since < self._compacted:
                    watch.lines.append(event("ERROR", _EXPIRED_STATUS))
                    watch.ends_at = 0
                    return
                for change in self._history:
                    _tell(watch, change)
            self._watches = [open_one for open_one in self._watches if not open_one.over]
            self._watches.append(watch)

    def compact(self) -> None:
        """Forget the history: watches from an older version and pages begun before are Gone."""
        with self.changed:
            self._compacted = self.version
            self._history.clear()
            self._pages.clear()

    def bookmark(self) -> None:
        """Tell every open watch the present version."""
        with self.changed:
            for watch in self._watches:
                kind = {"kind": watch.resource.kind, "apiVersion": watch.resource.api_version}
                body = {**kind, "metadata": {"resourceVersion": str(max(self.version, watch.since))}}
                watch.lines.append(event("BOOKMARK", body))
            self.changed.notify_all()

    def backup(self) -> Backup:
        with self.changed:
            objects = {resource: dict(kept) for resource, kept in self._objects.items()}
            return Backup(version=self.version, objects=objects)

    def restore(self, backup: Backup) -> None:
        """Go back to a backup, its version included, as an etcd that was restored from a snapshot."""
        with self.changed:
            self.version = backup.version
            self._objects = {resource: dict(kept) for resource, kept in backup.objects.items()}
            self.compact()
            for watch in self._watches:
                watch.cut()

    def check_version(self, version: str) -> None:
        """Refuse a version that is still to come."""
        if version and _number(version) > self.version:
            message = f"Too large resource version: {version}, current: {self.version}"
            raise Unreachable(message, status=504, reason="Timeout", retry_after=1)

    def _versioned(self, body: Document) -> Document:
        self.version += 1
        metadata = body["metadata"]
        assert isinstance(metadata, dict)
        return {**body, "metadata": {**metadata, "resourceVersion": str(self.version)}}

    def _record(
        self, resource: Resource, key: Key, before: Document | None, after: Document, *, deleted: bool
    ) -> None:
        change = Change(
            version=self.version,
            resource=resource,
            namespace=key.namespace,
            before=before,
            after=after,
            deleted=deleted,
        )
        self._history.append(change)
        for watch in self._watches:
            _tell(watch, change)
        self.changed.notify_all()


_EXPIRED_STATUS: Document = {
    "kind": "Status",
    "apiVersion": "v1",
    "metadata": {},
    "status": "Failure",
    "message": f"too old resource version: {EXPIRED}",
    "reason": "Expired",
    "code": 410,
}


def event(kind: str, body: Mapping[str, object]) -> bytes:
    return msgspec.json.encode({"type": kind, "object": body})


def _tell(watch: FakeWatch, change: Change) -> None:
    """Queue a change as the selection sees it: what leaves the selection is deleted."""
    if change.resource != watch.resource or change.version <= watch.since:
        return
    if watch.namespace and change.namespace != watch.namespace:
        return
    was = change.before is not None and watch.matches(change.before)
    now = not change.deleted and watch.matches(change.after)
    if now:
        watch.lines.append(event("MODIFIED" if was else "ADDED", change.after))
    elif was:
        watch.lines.append(event("DELETED", change.after))


def _number(version: str) -> int:
    if not version.isdigit():
        raise ApiError(f"invalid resource version: {version!r}", status=400, reason="BadRequest")
    return int(version)
