"""When NodeNetworks were written, and when a commit was in force everywhere, seen by a watch of our own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from benchmarks.cluster_agents import Agents
from benchmarks.cluster_load import SYSTEM
from kube.api import Api, Key
from kube.kinds import NETWORK_SOURCES, NODE_NETWORKS
from kube.reflector import Reflector, Selection


class _Metadata(msgspec.Struct):
    name: str
    generation: int


class _Condition(msgspec.Struct):
    type: str
    status: str


class _Status(msgspec.Struct, rename="camel"):
    conditions: list[_Condition] = []
    last_applied_revision: str = ""


class _Object(msgspec.Struct):
    metadata: _Metadata
    status: _Status = msgspec.field(default_factory=_Status)


@dataclass(frozen=True, kw_only=True, slots=True)
class Write:
    """Of a NodeNetwork's spec."""

    at: float
    """By time.monotonic(), when the watch showed it."""
    node: str


@dataclass(kw_only=True)
class Plans:
    """A reflector's sink for NodeNetworks. The agents see them through it, too: a second watch costs time."""

    agents: Agents
    writes: list[Write] = field(default_factory=list)
    _generations: dict[str, int] = field(default_factory=dict)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def changed(self, key: Key, raw: bytes) -> None:
        now = time.monotonic()
        self.agents.take(raw)
        generation = msgspec.json.decode(raw, type=_Object).metadata.generation
        if self._generations.get(key.name) != generation:
            self._generations[key.name] = generation
            with self.arrived:
                self.writes.append(Write(at=now, node=key.name))
                self.arrived.notify_all()

    def removed(self, key: Key) -> None:
        self._generations.pop(key.name, None)

    def synced(self) -> None:
        return

    def since(self, moment: float) -> list[Write]:
        with self.arrived:
            return [write for write in self.writes if write.at >= moment]

    def forget(self) -> None:
        with self.arrived:
            self.writes.clear()

    def await_write(self, node: str, *, since: float, within: float) -> float:
        """Return when the node's plan was written after `since`."""

        def found() -> float | None:
            return next((one.at for one in self.writes if one.node == node and one.at >= since), None)

        with self.arrived:
            at = self.arrived.wait_for(found, within)
        if at is None:
            raise TimeoutError(f"NodeNetwork {node} was not written within {within:g} s")
        return at

    def await_rest(self, *, quiet: float, within: float) -> None:
        """Return when no plan has been written for `quiet` seconds."""
        end = time.monotonic() + within
        with self.arrived:
            while self.arrived.wait(quiet):
                if time.monotonic() > end:
                    raise TimeoutError(f"NodeNetworks are written still after {within:g} s")


@dataclass(kw_only=True)
class Sources:
    """A reflector's sink for the one NetworkSource."""

    applied: str = ""
    """The commit that is in force on every node; empty while it is not so."""
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def changed(self, key: Key, raw: bytes) -> None:
        status = msgspec.json.decode(raw, type=_Object).status
        ready = any(one.type == "Ready" and one.status == "True" for one in status.conditions)
        with self.arrived:
            self.applied = status.last_applied_revision if ready else ""
            self.arrived.notify_all()

    def removed(self, key: Key) -> None:
        return

    def synced(self) -> None:
        return

    def await_applied(self, commit: str, *, within: float) -> float:
        """Return when the status said that the commit is in force on every node."""
        with self.arrived:
            if not self.arrived.wait_for(lambda: self.applied == commit, within):
                raise TimeoutError(f"commit {commit} is not in force everywhere after {within:g} s")
            return time.monotonic()


@dataclass(kw_only=True)
class Seen:
    """What the API server shows of the controller's work."""

    plans: Plans
    source: Sources = field(default_factory=Sources)
    _stops: list[Callable[[], None]] = field(default_factory=list)

    def start(self, api: Api) -> None:
        selections = (
            (Selection(resource=NODE_NETWORKS), self.plans),
            (Selection(resource=NETWORK_SOURCES, namespace=SYSTEM), self.source),
        )
        for selection, sink in selections:
            reflector = Reflector(api, selection, sink)
            reflector.start()
            reflector.synced.wait()
            self._stops.append(reflector.stop)

    def stop(self) -> None:
        for stop in self._stops:
            stop()
