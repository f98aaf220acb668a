"""Webhooks on every replica: a push asks, by an annotation of the NetworkSource, whoever leads to look.

Secrets are read ahead, in a thread: a flood of requests must not become one of the API server's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from controller.cluster.objects import REQUESTED_AT, ObservedSource, ResourceKey, decode_source
from controller.cluster.source_spec import GitRef
from controller.log import Log, now
from controller.serving.webhook import Push, RefKind, WatchedRef
from kube.api import Api, ApiError, ObjectRef
from kube.inbox import Inbox
from kube.kinds import NETWORK_SOURCES, SECRETS
from kube.reflector import Reflector, Selection

KEY = "token"
"""Of the Secret."""
RENEWAL = 30.0
"""Seconds between two readings of the Secrets: as old as a replaced one may be."""


class _Secret(msgspec.Struct):
    data: dict[str, bytes] | None = None


@dataclass(kw_only=True)
class Webhooks:
    api: Api
    namespace: str
    log: Log
    clock: Callable[[], datetime] = now
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
        while not self._stopping.is_set():
            for key, raw in self._inbox.collect(RENEWAL).of(NETWORK_SOURCES).items():
                found = _key(key.namespace, key.name)
                source = decode_source(found, raw) if raw else None
                if isinstance(source, ObservedSource):
                    self._sources[found] = source
                else:
                    self._sources.pop(found, None)
            self._read_secrets()

    def _read_secrets(self) -> None:
        secrets: dict[ResourceKey, bytes] = {}
        for key, source in self._sources.items():
            hook = source.spec.webhook
            if hook is None:
                continue
            ref = ObjectRef(resource=SECRETS, name=hook.secret_ref.name, namespace=key.namespace)
            try:
                data = msgspec.json.decode(self.api.get(ref), type=_Secret).data or {}
            except (ApiError, msgspec.DecodeError) as error:
                if isinstance(error, ApiError) and error.status == 0 and key in self._secrets:
                    secrets[key] = self._secrets[key]  # the API server is away
                else:
                    self.log(
                        "webhook-secret-unreadable", source=f"{key.namespace}/{key.name}", error=str(error)
                    )
                continue
            if data.get(KEY):
                secrets[key] = data[KEY]
                self._told.pop(key, None)
            else:
                reason = f"Secret {hook.secret_ref.name} holds no {KEY}"
                self.log("webhook-secret-unreadable", source=f"{key.namespace}/{key.name}", error=reason)
        self._secrets = secrets


def watched(ref: GitRef) -> WatchedRef:
    if ref.commit:
        return WatchedRef(kind=RefKind.COMMIT, name=ref.commit)
    if ref.tag:
        return WatchedRef(kind=RefKind.TAG, name=ref.tag)
    return WatchedRef(kind=RefKind.BRANCH, name=ref.branch or "main")


def _key(namespace: str, name: str) -> ResourceKey:
    return ResourceKey(kind="NetworkSource", namespace=namespace, name=name)
