"""Webhooks on every replica: a push asks, by an annotation of the NetworkSource, whoever leads to look.

Secrets are read ahead, in a thread: a flood of requests must not become one of the API server's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from controller.cluster.objects import REQUESTED_AT, ObservedSource, ResourceKey, decode_source
from controller.cluster.source_spec import GitRef
from controller.log import Log, now
from controller.serving.webhook import Push, RefKind, WatchedRef
from kube.api import Api, ApiError, Key, ObjectRef, TooManyRequests, Unauthorized, Unreachable
from kube.inbox import Inbox
from kube.kinds import NETWORK_SOURCES, SECRETS
from kube.reflector import Reflector, Selection

KEY = "token"
"""Of the Secret."""
RENEWAL = 30.0
"""Seconds between two readings of the Secrets: as old as a replaced one may be."""


_AWAY = (Unreachable, TooManyRequests, Unauthorized)
"""Errors that say nothing of the Secret."""


class _Secret(msgspec.Struct):
    data: dict[str, bytes] | None = None


_objects = msgspec.json.Decoder(_Secret)


@dataclass(kw_only=True)
class Webhooks:
    api: Api
    namespace: str
    log: Log
    clock: Callable[[], datetime] = now
    renewal: float = RENEWAL
    _inbox: Inbox = field(default_factory=Inbox, init=False)
    _sources: dict[ResourceKey, ObservedSource] = field(default_factory=dict, init=False)
    _secrets: dict[ResourceKey, bytes] = field(default_factory=dict, init=False)
    _told: dict[ResourceKey, str] = field(default_factory=dict, init=False)
    """Why a Secret could not be read, as it was logged."""
    _stopping: threading.Event = field(default_factory=threading.Event, init=False)

    def start(self) -> None:
        selection = Selection(resource=NETWORK_SOURCES, namespace=self.namespace)
        self._reflector = Reflector(self.api, selection, self._inbox.sink(NETWORK_SOURCES))
        self._reflector.start()
        threading.Thread(target=self._run, name="webhooks", daemon=True).start()

    def stop(self) -> None:
        self._stopping.set()
        self._reflector.stop(timeout=1)
        self._inbox.notify()

    def secret_of(self, namespace: str, name: str) -> bytes | None:
        return self._secrets.get(_key(namespace, name))

    def watched_of(self, namespace: str, name: str) -> WatchedRef | None:
        source = self._sources.get(_key(namespace, name))
        return watched(source.spec.ref) if source else None

    def pushed(self, namespace: str, name: str, push: Push) -> None:
        """Ask for a look; one that cannot be asked for comes with the next interval."""
        ref = ObjectRef(resource=NETWORK_SOURCES, name=name, namespace=namespace)
        try:
            stamp = self.clock().isoformat(timespec="microseconds")
            self.api.patch(ref, {"metadata": {"annotations": {REQUESTED_AT: stamp}}})
        except ApiError as error:
            self.log("push-not-passed-on", source=f"{namespace}/{name}", error=str(error))

    def _run(self) -> None:
        known: Mapping[ResourceKey, str] = {}
        due = 0.0
        while not self._stopping.is_set():
            self._take(self._inbox.collect(self.renewal).of(NETWORK_SOURCES))
            hooks = self._hooks()
            # A source's status changes all the time; what it refers to hardly ever.
            if hooks != known or time.monotonic() >= due:
                self._secrets = dict(self._read(hooks))
                known, due = hooks, time.monotonic() + self.renewal

    def _take(self, changed: Mapping[Key, bytes | None]) -> None:
        for key, raw in changed.items():
            found = _key(key.namespace, key.name)
            if raw is None:
                self._sources.pop(found, None)
                continue
            source = decode_source(found, raw)
            if isinstance(source, ObservedSource):
                self._sources[found] = source  # another keeps what it said

    def _hooks(self) -> Mapping[ResourceKey, str]:
        """The Secrets by the sources that name one."""
        named = ((key, source.spec.webhook) for key, source in self._sources.items())
        return {key: hook.secret_ref.name for key, hook in named if hook}

    def _read(self, hooks: Mapping[ResourceKey, str]) -> Iterator[tuple[ResourceKey, bytes]]:
        self._told = {key: reason for key, reason in self._told.items() if key in hooks}
        for key, name in hooks.items():
            ref = ObjectRef(resource=SECRETS, name=name, namespace=key.namespace)
            reason = f"Secret {name} holds no {KEY}"
            try:
                data = _objects.decode(self.api.get(ref)).data or {}
            except _AWAY:
                if key in self._secrets:
                    yield key, self._secrets[key]
                continue
            except (ApiError, ValueError) as error:
                data, reason = {}, str(error)
            if data.get(KEY):
                self._told.pop(key, None)
                yield key, data[KEY]
            elif self._told.get(key) != reason:
                self._told[key] = reason
                self.log("webhook-secret-unreadable", source=f"{key.namespace}/{key.name}", error=reason)


def watched(ref: GitRef) -> WatchedRef:
    if ref.commit:
        return WatchedRef(kind=RefKind.COMMIT, name=ref.commit)
    if ref.tag:
        return WatchedRef(kind=RefKind.TAG, name=ref.tag)
    return WatchedRef(kind=RefKind.BRANCH, name=ref.branch or "main")


def _key(namespace: str, name: str) -> ResourceKey:
    return ResourceKey(kind="NetworkSource", namespace=namespace, name=name)
