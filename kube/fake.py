"""The API as one client sees it on a simulated server in memory, with a network that can fail.

Several clients may share a server: each has its own field manager, its own faults and its own
connections. tests/contracts/test_api.py holds it to the real server's behaviour.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from kube.api import ApiError, Json, Key, NotFound, ObjectRef, Unreachable
from kube.fake_fields import Document
from kube.fake_selectors import matcher
from kube.fake_server import FakeServer
from kube.fake_watch import FakeWatch
from kube.resource import Resource


@dataclass(kw_only=True, slots=True)
class FakeApi:
    server: FakeServer = field(default_factory=FakeServer)
    manager: str = "atoll"
    """The field manager of what is not applied."""
    requests: list[str] = field(default_factory=list)
    """Verb, resource and key of every request, refused ones included."""
    slow: float = 0
    """Seconds before each answer."""
    lost_answers: int = 0
    """How many more writes are carried out but not answered."""
    refusals: deque[ApiError] = field(default_factory=deque)
    """Answers to the next requests."""
    _outage: bool = False
    _watches: list[FakeWatch] = field(default_factory=list)

    def beside(self, manager: str) -> FakeApi:
        """Return another client of the same server."""
        return FakeApi(server=self.server, manager=manager)

    @property
    def outage(self) -> bool:
        """While true no request is answered; setting it also breaks the open watches."""
        return self._outage

    @outage.setter
    def outage(self, value: bool) -> None:
        self._outage = value
        if value:
            self.cut_watches()

    def cut_watches(self) -> None:
        """Break the open watches; events on their way are lost."""
        for watch in self._watches:
            watch.cut()

    def silence_watches(self) -> None:
        """Let the open watches' peers vanish without a word."""
        with self.server.store.changed:
            for watch in self._watches:
                watch.silent = True

    def inject(self, line: bytes) -> None:
        """Put a line into every open watch."""
        with self.server.store.changed:
            for watch in self._watches:
                watch.lines.append(line)
            self.server.store.changed.notify_all()

    def compact(self) -> None:
        self.server.store.compact()

    def bookmark(self) -> None:
        self.server.store.bookmark()

    @property
    def open_watches(self) -> int:
        return sum(not watch.over for watch in self._watches)

    def get(self, ref: ObjectRef) -> bytes:
        self._arrive("GET", ref.resource, ref.key)
        return _encoded(self.server.get(ref).body)

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
        self._arrive("LIST", resource, Key(namespace, ""))
        store = self.server.store
        store.check_version(resource_version)
        matches = matcher(label_selector, field_selector)
        version, following, items = store.page(resource, namespace, matches, limit, continue_token)
        ours = resource.group.endswith(".dev")
        return _encoded(
            {
                "kind": f"{resource.kind}List",
                "apiVersion": resource.api_version,
                "metadata": {"resourceVersion": str(version), "continue": following},
                "items": [item if ours else _unnamed(item) for item in items],
            }
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
    ) -> FakeWatch:
        self._arrive("WATCH", resource, Key(namespace, ""))
        watch = FakeWatch(
            resource=resource,
            namespace=namespace,
            matches=matcher(label_selector, field_selector),
            changed=self.server.store.changed,
            ends_at=time.monotonic() + timeout_seconds,
            silence_seconds=silence_seconds,
        )
        self.server.store.watch(watch, resource_version)
        self._watches = [*(open_one for open_one in self._watches if not open_one.over), watch]
        return watch

    def create(
        self, resource: Resource, body: Json, *, namespace: str = "", name: str = "", subresource: str = ""
    ) -> bytes:
        ref = ObjectRef(resource=resource, name=name, namespace=namespace)
        if subresource == "token":
            return self._write("POST", ref, lambda: self.server.token(ref, body))
        if subresource == "binding":
            return self._write("POST", ref, lambda: self.server.bind(ref, body))
        return self._write("POST", ref, lambda: self.server.create(resource, body, namespace, self.manager))

    def replace(self, ref: ObjectRef, body: Json, *, subresource: str = "") -> bytes:
        return self._write("PUT", ref, lambda: self.server.replace(ref, body, subresource, self.manager))

    def patch(self, ref: ObjectRef, body: Json, *, subresource: str = "") -> bytes:
        return self._write("PATCH", ref, lambda: self.server.patch(ref, body, subresource, self.manager))

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
        return self._write(
            "APPLY",
            ref,
            lambda: self.server.apply(
                ref, body, subresource, manager=field_manager, force=force, dry_run=dry_run
            ),
        )

    def delete(self, ref: ObjectRef, *, resource_version: str = "", uid: str = "") -> None:
        def delete() -> Document:
            self.server.delete(ref, resource_version=resource_version, uid=uid)
            return {}

        self._write("DELETE", ref, delete)

    def _arrive(self, verb: str, resource: Resource, key: Key) -> None:
        self.requests.append(f"{verb} {resource} {key}".rstrip(" /"))
        if self.slow:
            time.sleep(self.slow)
        if self._outage:
            raise Unreachable("Connection refused", request=f"{verb} {resource} {key}")
        if self.refusals:
            raise self.refusals.popleft()
        if resource not in self.server.served:
            raise NotFound("404 page not found", status=404, request=f"{verb} {resource} {key}")

    def _write(self, verb: str, ref: ObjectRef, write: Callable[[], Document]) -> bytes:
        self._arrive(verb, ref.resource, ref.key)
        with self.server.store.changed:
            answer = _encoded(write())
        if self.lost_answers:
            self.lost_answers -= 1
            raise Unreachable("Connection reset by peer", request=f"{verb} {ref}")
        return answer


def _encoded(body: Document) -> bytes:
    return msgspec.json.encode(body)


def _unnamed(item: Document) -> Document:
    """Lists of Kubernetes' own kinds do not repeat the kind in each item."""
    return {name: value for name, value in item.items() if name not in {"apiVersion", "kind"}}
