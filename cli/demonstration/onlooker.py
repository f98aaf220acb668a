"""Objects of the API server as an onlooker sees them, awaited by the server's own watch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from cli.demonstration.bus import PATIENCE
from cli.demonstration.process import Process
from cli.failure import Failure
from kube.api import Api, ApiError
from kube.raw import split_event, split_page
from kube.resource import Resource

Objects = Mapping[str, bytes]
"""By name."""
_WATCH_SECONDS: Final = 5
"""Of one watch; between two, the processes are looked after."""
_PAUSE: Final = 0.5
"""Until a server that refuses is asked again."""


class Onlooker:
    def __init__(self, api: Api, *, patience: float = 2 * PATIENCE) -> None:
        self._api = api
        self._patience = patience
        self.processes: list[Process] = []

    def until(
        self, resource: Resource, condition: Callable[[Objects], bool], what: str, *, namespace: str = ""
    ) -> Objects:
        """All objects of a resource, once the condition holds for them.

        Raises Failure when a process ends.
        """
        deadline = time.monotonic() + self._patience
        while time.monotonic() < deadline:
            for process in self.processes:
                process.require_alive()
            try:
                for objects in self._states(resource, namespace):
                    if condition(objects):
                        return objects
            except ApiError:
                time.sleep(_PAUSE)
        logs = "\n".join(process.last_lines() for process in self.processes)
        raise Failure(f"{what}: not seen within {self._patience:.0f} s; the logs end so:\n{logs}")

    def _states(self, resource: Resource, namespace: str) -> Iterator[Objects]:
        page = split_page(self._api.list(resource, namespace=namespace, limit=0))
        objects = {item.key.name: item.data for item in page.items}
        yield objects
        with self._api.watch(
            resource, resource_version=page.version, namespace=namespace, timeout_seconds=_WATCH_SECONDS
        ) as lines:
            for line in lines:
                event = split_event(line)
                if event.type == "ERROR":
                    return
                if event.type == "DELETED":
                    objects.pop(event.object.key.name, None)
                elif event.type != "BOOKMARK":
                    objects[event.object.key.name] = event.object.data
                yield objects
