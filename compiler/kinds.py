"""Which objects of a document are declarations, which are left alone, and which were meant to be one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import schemas
from compiler.catalogue import found
from compiler.elements import Element
from compiler.problem import Origin, Problem
from compiler.wording import cut, listed, meant
from compiler.yaml_text import Document, Json, Path

_OURS = schemas.kinds(schemas.ATOLL_GROUP)
_VERSIONS = {schemas.ATOLL_GROUP: (schemas.ATOLL_VERSION,), schemas.CONTRAIL_GROUP: schemas.CONTRAIL_VERSIONS}
_NEAR = 0.8


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A kind that this release reads."""

    group: str
    name: str

    @property
    def compatible(self) -> bool:
        """True for a kind of core.contrail.juniper.net."""
        return self.group == schemas.CONTRAIL_GROUP


def objects_of(document: Document) -> Iterator[Element]:
    """The document's object, or each object of a `List` as `kubectl get -o yaml` writes it."""
    if isinstance(document.value, dict):
        yield from _objects(document, (), document.value)


def _objects(document: Document, at: Path, value: Json) -> Iterator[Element]:
    """Lists may hold lists, as kubectl has it; how deeply, the reader has limited."""
    items = value.get("items") if isinstance(value, dict) else None
    if (
        isinstance(value, dict)
        and value.get("apiVersion") == "v1"
        and value.get("kind") == "List"
        and isinstance(items, list)
    ):
        for index, item in enumerate(items):
            yield from _objects(document, (*at, "items", index), item)
    else:
        yield Element(document=document, at=at, value=value, root=at)


def kind_of(element: Element) -> Kind | Problem | None:
    """The object's kind; a problem if one was meant; None for what is not ours."""
    if not isinstance(element.value, dict):
        return None
    version, kind = _text(element.value.get("apiVersion")), _text(element.value.get("kind"))
    if version is None:
        return _without_version(element, kind)
    group, _, number = version.rpartition("/")
    if group in _VERSIONS:
        return _in_group(element, group, number, kind)
    return _misspelt(element, version, group or number, kind)


def subject_of(element: Element, kind: str) -> str:
    """`VirtualNetwork team-a/red`, as far as it can be told."""
    namespace, name = element.get("metadata", "namespace"), element.get("metadata", "name")
    parts = [cut(part.value) for part in (namespace, name) if part and isinstance(part.value, str)]
    return f"{cut(kind)} {'/'.join(parts)}" if parts else cut(kind)


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _without_version(element: Element, kind: str | None) -> Problem | None:
    if kind in _OURS:
        reason, remedy = "`apiVersion` is missing", f"Add `apiVersion: {_our_version()}`"
    elif kind is None and element.get("metadata") and element.get("spec"):
        reason = "the object has `metadata` and `spec`, but neither `apiVersion` nor `kind`"
        remedy = f"Add `apiVersion: {_our_version()}` and the kind"
    else:
        return None
    subject = subject_of(element, kind or "object")
    return found("ATL201", origin=element.origin, subject=subject, reason=reason, remedy=remedy)


def _in_group(element: Element, group: str, version: str, kind: str | None) -> Kind | Problem | None:
    known = schemas.kinds(group)
    if kind is None:
        reason, remedy = "`kind` is missing", f"Add the kind: {listed(known)} are read"
        subject = subject_of(element, "object")
        return found("ATL201", origin=element.origin, subject=subject, reason=reason, remedy=remedy)
    subject = subject_of(element, kind)
    if (group, kind) == (schemas.ATOLL_GROUP, "ReviewPolicy"):
        return _policy(element, subject)
    if kind not in known:
        return _unknown_kind(element, group, kind, subject)
    if version not in _VERSIONS[group]:
        reason = f"`{group}` has no version `{cut(version)}` that this release reads"
        remedy = f"Use one of {listed(f'{group}/{number}' for number in _VERSIONS[group])}"
        return found(
            "ATL202", origin=_origin(element, "apiVersion"), subject=subject, reason=reason, remedy=remedy
        )
    return Kind(group=group, name=kind)


def _policy(element: Element, subject: str) -> Problem | None:
    """A policy is for reviews, which read it at its place: no declaration, and no mistake there."""
    path = element.document.path
    if path.rpartition("/")[2] == schemas.POLICY_FILE:
        return None
    return found("ATL223", origin=element.origin, subject=subject, reason=f"it stands in {path}")


def _unknown_kind(element: Element, group: str, kind: str, subject: str) -> Problem:
    close = meant(kind, schemas.kinds(group))
    origin = _origin(element, "kind")
    if group == schemas.CONTRAIL_GROUP and close is None:
        reason = f"the kind `{cut(kind)}` of `{group}` has no meaning here and is ignored"
        return found("ATL222", origin=origin, subject=subject, reason=reason)
    reason = f"`{group}` has no kind `{cut(kind)}`"
    remedy = f"Write `{close}` if that was meant" if close else f"The kinds are {listed(_OURS)}"
    if kind.removesuffix("List") in schemas.kinds(group):
        remedy = "Write `apiVersion: v1` and `kind: List`, whose items may be of any kind"
    return found("ATL203", origin=origin, subject=subject, reason=reason, remedy=remedy)


def _misspelt(element: Element, version: str, group: str, kind: str | None) -> Problem | None:
    """A foreign object whose group is nearly ours, or which has no group and nearly a kind of ours."""
    close = meant(group, _VERSIONS, near=_NEAR)
    if close is None and ("/" in version or kind is None or meant(kind, _OURS, near=_NEAR) is None):
        return None
    reason = (
        f"`apiVersion: {cut(version)}` is not of `{close or schemas.ATOLL_GROUP}`, so the object is ignored"
    )
    remedy = f"Write `apiVersion: {_our_version()}` if a declaration was meant"
    if close == schemas.CONTRAIL_GROUP:
        remedy = f"Write the group as `{close}` if that was meant"
    subject = subject_of(element, kind or "object")
    origin = _origin(element, "apiVersion")
    return found("ATL204", origin=origin, subject=subject, reason=reason, remedy=remedy)


def _origin(element: Element, key: str) -> Origin:
    return element.document.value_origin((*element.at, key))


def _our_version() -> str:
    return f"{schemas.ATOLL_GROUP}/{schemas.ATOLL_VERSION}"
