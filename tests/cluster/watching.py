"""Waiting for what a test expects: by the API server's own watch, never by looking again and again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from kube.api import Api, ApiError, ObjectRef
from kube.resource import Resource

SECONDS: Final = 90.0
"""For what takes one or two on an idle machine."""
_PAUSE: Final = 0.2
"""Until a server that is away is asked again."""
_WATCHED: Final = 10.0
"""Seconds after which the list is read again: what a condition depends on beside the object, may change."""

Document = Any  # an object as the API server writes it; {} where there is none
Condition = Callable[[Document], bool]


class NeverSo(AssertionError):
    """What was awaited did not come about."""


def until(api: Api, ref: ObjectRef, condition: Condition, what: str, *, seconds: float = SECONDS) -> Document:
    """Return the object as soon as the condition holds for it. Raise NeverSo, with what stood there last."""
    selector = f"metadata.name={ref.name}"
    document: Document = {}
    for document in _states(api, ref.resource, seconds, namespace=ref.namespace, selector=selector):
        if condition(document):
            return document
    raise NeverSo(f"{ref} after {seconds:g} s: not {what}:\n{json.dumps(_shown(document), indent=1)}")


def until_listed(
    api: Api, resource: Resource, condition: Condition, what: str, *, seconds: float = SECONDS
) -> Document:
    """Return the first object of a resource, in any namespace, for which the condition holds."""
    for document in _states(api, resource, seconds):
        if document and condition(document):
            return document
    raise NeverSo(f"no {what} after {seconds:g} s")


def stays(api: Api, ref: ObjectRef, condition: Condition, what: str, *, seconds: float) -> None:
    """Watch for some seconds that the condition goes on to hold."""
    try:
        found = until(api, ref, lambda document: not condition(document), what, seconds=seconds)
    except NeverSo:
        return
    raise AssertionError(f"{ref}: no longer {what}:\n{json.dumps(_shown(found), indent=1)}")


def _states(
    api: Api, resource: Resource, seconds: float, *, namespace: str = "", selector: str = ""
) -> Iterator[Document]:
    """Objects as they stand, then as they change; {} where one is gone, or none was there."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        try:
            page: Document = json.loads(api.list(resource, namespace=namespace, field_selector=selector))
            yield from page["items"] or [{}]
            with api.watch(
                resource,
                resource_version=page["metadata"]["resourceVersion"],
                namespace=namespace,
                field_selector=selector,
                timeout_seconds=int(min(left, _WATCHED)) + 1,
                silence_seconds=left,
            ) as lines:
                for line in lines:
                    event: Document = json.loads(line)
                    if event["type"] == "ERROR" or time.monotonic() > deadline:
                        break
                    if event["type"] != "BOOKMARK":
                        yield {} if event["type"] == "DELETED" else event["object"]
        except ApiError:  # away, or too old a version: from the beginning
            time.sleep(_PAUSE)


def _shown(document: Document) -> Document:
    """Without what nobody reads in a failure."""
    shown = {name: value for name, value in document.items() if name not in ("metadata", "spec")}
    spec = {name: value for name, value in document.get("spec", {}).items() if name != "plan"}
    return {**shown, "spec": spec}
