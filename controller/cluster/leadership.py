"""What holds that one controller writes: nothing leaves this process unless it leads at that instant.

The Lease alone cannot hold it, since a request may be under way when the lease ends. Behind it stand the
API server's own locks: records are written in the version last read, and plans carry the epoch of
their leader, of which the server takes none that is older than the one that stands there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from kube.api import Api, ApiError, Json, ObjectRef, Watch
from kube.resource import Resource


class Deposed(Exception):
    """Another controller leads, or may: this process must end without writing anything more."""


Told = Callable[[str, Resource, str], None]
"""Verb, resource and code of a request: the status, or `unreachable`."""


def _silently(verb: str, resource: Resource, code: str) -> None:
    return


@dataclass(frozen=True, kw_only=True, slots=True)
class GuardedApi:
    """An Api that counts its requests and writes only while `leads` says so; raises Deposed otherwise."""

    api: Api
    leads: Callable[[], bool]
    told: Told = _silently

    def get(self, ref: ObjectRef) -> bytes:
        with self._asking("get", ref.resource):
            return self.api.get(ref)

    def list(
        self,
        resource: Resource,
        *,
        namespace: str = "",
        field_selector: str = "",
        label_selector: str = "",
        limit: int = 500,
        continue_token: str = "",
        resource_version: str = "",
    ) -> bytes:
        with self._asking("list", resource):
            return self.api.list(
                resource,
                namespace=namespace,
                field_selector=field_selector,
                label_selector=label_selector,
                limit=limit,
                continue_token=continue_token,
                resource_version=resource_version,
            )

    def watch(
        self,
        resource: Resource,
        *,
        resource_version: str,
        namespace: str = "",
        field_selector: str = "",
        label_selector: str = "",
        timeout_seconds: int = 300,
        silence_seconds: float = 150,
    ) -> Watch:
        with self._asking("watch", resource):
            return self.api.watch(
                resource,
                resource_version=resource_version,
                namespace=namespace,
                field_selector=field_selector,
                label_selector=label_selector,
                timeout_seconds=timeout_seconds,
                silence_seconds=silence_seconds,
            )

    def create(
        self, resource: Resource, body: Json, *, namespace: str = "", name: str = "", subresource: str = ""
    ) -> bytes:
        with self._writing("create", resource):
            return self.api.create(resource, body, namespace=namespace, name=name, subresource=subresource)

    def replace(self, ref: ObjectRef, body: Json, *, subresource: str = "") -> bytes:
        with self._writing("replace", ref.resource):
            return self.api.replace(ref, body, subresource=subresource)

    def patch(self, ref: ObjectRef, body: Json, *, subresource: str = "") -> bytes:
        with self._writing("patch", ref.resource):
            return self.api.patch(ref, body, subresource=subresource)

    def apply(
        self,
        ref: ObjectRef,
        body: Json,
        *,
        field_manager: str,
        force: bool,
        subresource: str = "",
        dry_run: bool = False,
    ) -> bytes:
        with self._writing("apply", ref.resource):
            return self.api.apply(
                ref, body, field_manager=field_manager, force=force, subresource=subresource, dry_run=dry_run
            )

    def delete(self, ref: ObjectRef, *, resource_version: str = "", uid: str = "") -> None:
        with self._writing("delete", ref.resource):
            self.api.delete(ref, resource_version=resource_version, uid=uid)

    def _writing(self, verb: str, resource: Resource) -> AbstractContextManager[None]:
        if not self.leads():
            raise Deposed("the lease was lost")
        return self._asking(verb, resource)

    @contextmanager
    def _asking(self, verb: str, resource: Resource) -> Iterator[None]:
        try:
            yield
        except ApiError as error:
            self.told(verb, resource, str(error.status) if error.status else "unreachable")
            raise
        self.told(verb, resource, "200")
