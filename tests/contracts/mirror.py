"""A sink that keeps what it is told, and what a server holds, to be compared."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from kube.api import Api, Key
from kube.raw import split_page
from kube.resource import Resource


class Mirror:
    """Versions by key; complains of what a reflector must never tell."""

    def __init__(self) -> None:
        self.changed_ = threading.Condition()
        self.versions: dict[Key, str] = {}
        self.told: list[str] = []
        """Each thing told: `+name`, `-name`, or `synced`."""
        self.lists = 0
        self.fails_at: str = ""
        """What is not taken, once."""

    def changed(self, key: Key, raw: bytes) -> None:
        with self.changed_:
            self._tell(f"+{key.name}")
            item = next(split_page(b'{"metadata":{},"items":[' + raw + b"]}").items)
            assert item.key == key, "another object's bytes"
            self.versions[key] = item.version

    def removed(self, key: Key) -> None:
        with self.changed_:
            self._tell(f"-{key.name}")
            del self.versions[key]

    def synced(self) -> None:
        with self.changed_:
            self.lists += 1
            self._tell("synced")

    def _tell(self, what: str) -> None:
        if self.fails_at and self.fails_at == what:
            self.fails_at = ""
            raise RuntimeError("the sink is full")
        self.told.append(what)
        self.changed_.notify_all()

    def wait_until(self, condition: Callable[[Mirror], bool], *, within: float = 30) -> None:
        with self.changed_:
            assert self.changed_.wait_for(lambda: condition(self), within), f"told only {self.told[-20:]}"

    def wait_for(self, expected: Mapping[Key, str], *, within: float = 30) -> None:
        self.wait_until(lambda mirror: mirror.versions == expected, within=within)


def held(api: Api, resource: Resource, namespace: str = "") -> dict[Key, str]:
    """Return the version of every object on the server."""
    versions: dict[Key, str] = {}
    token = ""
    while True:
        page = split_page(api.list(resource, namespace=namespace, continue_token=token))
        versions |= {item.key: item.version for item in page.items}
        token = page.continue_token
        if not token:
            return versions
