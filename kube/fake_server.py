"""The API server's rules for writes, as far as Atoll leans on them, over a store in memory.

Namespaces must exist, names are taken once, a resourceVersion or uid in a body is a precondition, the
status has its own way in, finalizers delay deletion, a write that changes nothing makes no version.
Kubernetes' controllers and kubelets are not here: namespaces are deleted with their content at once,
pods without a grace period.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import msgspec

from kube import kinds
from kube.api import (
    AlreadyExists,
    ApiError,
    Cause,
    Conflict,
    Invalid,
    Json,
    Key,
    NotFound,
    ObjectRef,
    Unreachable,
)
from kube.fake_fields import Document, Manager, Ownership, leaves, merged, without
from kube.fake_selectors import value_at
from kube.fake_store import FakeStore, Stored
from kube.kinds import ATOLL_GROUP, LEASES, NAMESPACES, PODS
from kube.resource import Resource

WITHOUT_STATUS = frozenset(
    {
        "ConfigMap",
        "Secret",
        "ServiceAccount",
        "EndpointSlice",
        "Event",
        "Lease",
        "ClusterRole",
        "ClusterRoleBinding",
        "NodeNetworkPart",
    }
)
_SERVERS_OWN = ("uid", "creationTimestamp", "deletionTimestamp", "generation")
"""Metadata that no client can change."""

Admission = Callable[[str, ObjectRef, Mapping[str, object]], None]
"""Called with verb, object and its new state before a write; refuses by raising an ApiError."""


class FakeServer:
    def __init__(self, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.store = FakeStore()
        self.admission: list[Admission] = []
        self.served = {value for value in vars(kinds).values() if isinstance(value, Resource)}
        """Without one of them it is a server on which the CRD is not yet installed."""
        self._now = now
        self._suffixes = itertools.count(1)
        for name in ("default", "kube-node-lease", "kube-public", "kube-system"):
            self.create(NAMESPACES, {"metadata": {"name": name}}, "", "server")

    def get(self, ref: ObjectRef) -> Stored:
        stored = self.store.find(ref.resource, ref.key)
        if stored is None:
            raise _missing(ref.resource, ref.name)
        return stored

    def create(self, resource: Resource, body: Json, namespace: str, manager: str) -> Document:
        document = _copy(body)
        metadata = _metadata(document)
        if metadata.get("resourceVersion"):
            raise Unreachable("resourceVersion should not be set on objects to be created", status=500)
        if metadata.setdefault("namespace", namespace) != namespace:
            reason = "the namespace of the provided object does not match the namespace sent on the request"
            raise ApiError(reason, status=400, reason="BadRequest")
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = f"{metadata['generateName']}{next(self._suffixes):05}"
        ref = ObjectRef(resource=resource, name=str(metadata.get("name") or ""), namespace=namespace)
        self._check_new(ref)
        fresh = _born(resource, document, now=self._timestamp())
        self._admit("create", ref, fresh)
        owned = Ownership().updated({}, leaves(fresh), Manager(name=manager, applies=False))
        return self.store.put(resource, ref.key, Stored(body=fresh, ownership=owned)).body

    def _check_new(self, ref: ObjectRef) -> None:
        if not ref.name:
            raise _invalid(ref, "metadata.name", "Required value: name or generateName is required")
        if ref.resource.namespaced and not ref.namespace:
            raise ApiError(
                "an empty namespace may not be set during creation", status=400, reason="BadRequest"
            )
        if ref.namespace and self.store.find(NAMESPACES, Key("", ref.namespace)) is None:
            raise _missing(NAMESPACES, ref.namespace)
        if self.store.find(ref.resource, ref.key):
            what = f'{ref.resource} "{ref.name}" already exists'
            raise AlreadyExists(what, status=409, reason="AlreadyExists")

    def replace(self, ref: ObjectRef, body: Json, subresource: str, manager: str) -> Document:
        document = _copy(body)
        metadata = _metadata(document)
        if metadata.setdefault("name", ref.name) != ref.name:
            reason = (
                f"the name of the object ({metadata['name']}) does not match the name on the URL ({ref.name})"
            )
            raise ApiError(reason, status=400, reason="BadRequest")
        live = self.store.find(ref.resource, ref.key)
        if live is None and ref.resource == LEASES and not subresource and not metadata.get("uid"):
            # The real server creates a Lease by PUT, whatever resourceVersion the body has.
            metadata.pop("resourceVersion", None)
            return self.create(ref.resource, document, ref.namespace, manager)
        if live is None and metadata.get("uid"):
            raise _conflict(ref, f"Precondition failed: UID in precondition: {metadata['uid']}")
        live = self.get(ref)
        unconditional = ref.resource.group != ATOLL_GROUP and ref.resource != LEASES
        if not unconditional and not metadata.get("resourceVersion"):
            raise _invalid(
                ref, "metadata.resourceVersion", "Invalid value: 0: must be specified for an update"
            )
        _check_preconditions(ref, live, metadata)
        return self._update(ref, live, document, subresource, manager, verb="replace")

    def patch(self, ref: ObjectRef, patch: Json, subresource: str, manager: str) -> Document:
        live = self.get(ref)
        document = _patched(live.body, _copy(patch))
        _check_preconditions(ref, live, _metadata(document))
        return self._update(ref, live, document, subresource, manager, verb="patch")

    def apply(
        self, ref: ObjectRef, body: Json, subresource: str, *, manager: str, force: bool, dry_run: bool
    ) -> Document:
        document = _copy(body)
        if not document.get("kind") or not document.get("apiVersion"):
            raise ApiError("invalid object type: /, Kind=", status=400, reason="BadRequest")
        live = self.store.find(ref.resource, ref.key)
        if live is None:
            return self._created_by_apply(ref, document, subresource, manager, dry_run=dry_run)
        _check_preconditions(ref, live, _metadata(document))
        who = Manager(name=manager, applies=True, subresource=subresource)
        have, want = leaves(live.body), _in_reach(ref, leaves(document), subresource)
        conflicts = live.ownership.conflicts(have, want, who)
        if conflicts and not force:
            raise _apply_conflict(ref, conflicts)
        ownership, orphaned = live.ownership.applied(have, want, who)
        wanted = merged(without(live.body, orphaned), document)
        result = replace(live, ownership=ownership)
        return self._update(ref, result, wanted, subresource, "", verb="apply", dry_run=dry_run)

    def _created_by_apply(
        self, ref: ObjectRef, document: Document, subresource: str, manager: str, *, dry_run: bool
    ) -> Document:
        if subresource:
            raise _missing(ref.resource, ref.name)
        _metadata(document)["name"] = ref.name
        if dry_run:
            self._check_new(ref)
            return _born(ref.resource, document, now=self._timestamp())
        created = self.create(ref.resource, document, ref.namespace, manager)
        wanted = leaves(created).keys() & leaves(document).keys()
        owned = Ownership(owners={Manager(name=manager, applies=True): frozenset(wanted)})
        self.store.own(ref.resource, ref.key, owned)
        return created

    def delete(self, ref: ObjectRef, *, resource_version: str, uid: str) -> None:
        live = self.get(ref)
        metadata = _metadata(live.body)
        for name, given in (("uid", uid), ("resourceVersion", resource_version)):
            if given and given != metadata[name]:
                raise _conflict(
                    ref, f"the {name} in the precondition ({given}) does not match {metadata[name]}"
                )
        self._admit("delete", ref, live.body)
        if metadata.get("finalizers"):
            if not metadata.get("deletionTimestamp"):
                marked = {**metadata, "deletionTimestamp": self._timestamp(), "deletionGracePeriodSeconds": 0}
                body = _next_generation(ref.resource, {**live.body, "metadata": marked})
                self.store.put(ref.resource, ref.key, replace(live, body=body))
            return
        self.store.remove(ref.resource, ref.key)
        if ref.resource == NAMESPACES:
            self.store.remove_namespace(ref.name)

    def bind(self, ref: ObjectRef, body: Json) -> Document:
        """Assign a pod to a node, as a scheduler does."""
        if value_at(body, ("metadata", "name")) != ref.name:
            reason = "name in URL does not match name in Binding object"
            raise ApiError(reason, status=400, reason="BadRequest")
        node = value_at(body, ("target", "name"))
        live = self.get(ref)
        spec = {**_mapping(live.body.get("spec")), "nodeName": node}
        return self._update(ref, live, {**live.body, "spec": spec}, "", "scheduler", verb="bind")

    def token(self, ref: ObjectRef, body: Json) -> Document:
        self.get(ref)
        value = f"token-{ref.namespace}-{ref.name}-{next(self._suffixes)}"
        status = {"token": value, "expirationTimestamp": "2100-01-01T00:00:00Z"}
        return {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", **body, "status": status}

    def _update(
        self,
        ref: ObjectRef,
        live: Stored,
        document: Document,
        subresource: str,
        manager: str,
        *,
        verb: str,
        dry_run: bool = False,
    ) -> Document:
        has_status = ref.resource.kind not in WITHOUT_STATUS
        if subresource == "status" and has_status:
            body: Document = {**live.body, "status": document.get("status", {})}
            if ref.resource == PODS:  # of pods alone the status may change labels and annotations, too
                body["metadata"] = document["metadata"]
        elif subresource:
            raise NotFound("the server could not find the requested resource", status=404, reason="NotFound")
        else:
            body = _rewritten(ref.resource, live.body, document, has_status=has_status)
        self._admit(verb, ref, body)
        if body == live.body or dry_run:
            if not dry_run:
                self.store.own(ref.resource, ref.key, live.ownership)
            return body
        metadata = _metadata(body)
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
            self.store.remove(ref.resource, ref.key)
            return body
        ownership = live.ownership
        if manager:
            who = Manager(name=manager, applies=False, subresource=subresource)
            ownership = ownership.updated(leaves(live.body), leaves(body), who)
        return self.store.put(ref.resource, ref.key, Stored(body=body, ownership=ownership)).body

    def _admit(self, verb: str, ref: ObjectRef, body: Document) -> None:
        for admission in self.admission:
            admission(verb, ref, body)

    def _timestamp(self) -> str:
        return self._now().isoformat(timespec="seconds").replace("+00:00", "Z")


def _copy(body: Json) -> Document:
    """Take the body as JSON would carry it, shared with no one."""
    return msgspec.json.decode(msgspec.json.encode(body), type=dict[str, object])


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _metadata(document: Document) -> Document:
    metadata = document.setdefault("metadata", {})
    assert isinstance(metadata, dict)
    return metadata


def _born(resource: Resource, document: Document, *, now: str) -> Document:
    metadata = {**_metadata(document), "uid": str(uuid.uuid4()), "creationTimestamp": now}
    if not resource.namespaced:
        metadata.pop("namespace", None)
    if resource.group == ATOLL_GROUP:
        metadata["generation"] = 1
    head: Document = {"apiVersion": resource.api_version, "kind": resource.kind}
    body: Document = {**document, **head, "metadata": metadata}
    # A kubelet registers its node with a status; everyone else's begins empty.
    if resource.kind != "Node" and resource.kind not in WITHOUT_STATUS:
        body.pop("status", None)
    return body | _DEFAULTS.get(resource.kind, {})


_DEFAULTS: Mapping[str, Document] = {
    "Pod": {"status": {"phase": "Pending"}},
    "Namespace": {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}},
}


def _rewritten(resource: Resource, live: Document, document: Document, *, has_status: bool) -> Document:
    """Return the object as its main resource may change it."""
    old = _metadata(live)
    metadata = {name: value for name, value in _metadata(document).items() if name not in _SERVERS_OWN}
    kept = {name: old[name] for name in (*_SERVERS_OWN, "resourceVersion", "namespace") if name in old}
    body: Document = {**document, "apiVersion": live["apiVersion"], "kind": live["kind"]}
    body["metadata"] = {
        name: value for name, value in (metadata | kept).items() if value not in ({}, [], None)
    }
    if has_status:
        body.pop("status", None)
        body |= {"status": live["status"]} if "status" in live else {}
    unchanged = {**body, "metadata": 0, "status": 0} == {**live, "metadata": 0, "status": 0}
    return body if unchanged else _next_generation(resource, body)


def _next_generation(resource: Resource, body: Document) -> Document:
    if resource.group != ATOLL_GROUP:
        return body
    metadata = _metadata(body)
    return {**body, "metadata": {**metadata, "generation": int(str(metadata["generation"])) + 1}}


def _patched(target: object, patch: object) -> Document:
    """RFC 7386: null removes, objects are merged, everything else replaces."""
    assert isinstance(patch, Mapping)
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _patched(result.get(name), value) if isinstance(value, Mapping) else value
    return result


def _in_reach(
    ref: ObjectRef, wanted: Mapping[tuple[str, ...], object], subresource: str
) -> dict[tuple[str, ...], object]:
    """Leave out what this way in cannot change: the status, or everything but it."""
    if ref.resource.kind in WITHOUT_STATUS:
        return dict(wanted)
    status = subresource == "status"
    return {path: value for path, value in wanted.items() if (path[0] == "status") is status}


def _check_preconditions(ref: ObjectRef, live: Stored, metadata: Document) -> None:
    now = _metadata(live.body)
    if metadata.get("uid") not in (None, now["uid"]):
        raise _conflict(ref, f"Precondition failed: UID in precondition: {metadata['uid']}")
    if metadata.get("resourceVersion") not in (None, "", now["resourceVersion"]):
        raise _conflict(ref, "the object has been modified; please apply your changes to the latest version")


def _missing(resource: Resource, name: str) -> NotFound:
    return NotFound(f'{resource} "{name}" not found', status=404, reason="NotFound")


def _invalid(ref: ObjectRef, field: str, message: str) -> Invalid:
    cause = Cause(reason="FieldValueInvalid", field=field, message=message)
    what = f'{ref.resource} "{ref.name}" is invalid: {field}: {message}'
    return Invalid(what, status=422, reason="Invalid", causes=(cause,))


def _conflict(ref: ObjectRef, message: str) -> Conflict:
    what = f'Operation cannot be fulfilled on {ref.resource} "{ref.name}": {message}'
    return Conflict(what, status=409, reason="Conflict")


def _apply_conflict(ref: ObjectRef, conflicts: list[tuple[Manager, tuple[str, ...]]]) -> Conflict:
    causes = tuple(
        Cause(
            reason="FieldManagerConflict",
            field="".join(f".{step}" for step in path),
            message=f'conflict with "{owner.name}" using {ref.resource.api_version}',
        )
        for owner, path in conflicts
    )
    count = f"{len(causes)} conflict{'s' if len(causes) > 1 else ''}"
    what = "; ".join(f"{cause.message}: {cause.field}" for cause in causes)
    return Conflict(f"Apply failed with {count}: {what}", status=409, reason="Conflict", causes=causes)
