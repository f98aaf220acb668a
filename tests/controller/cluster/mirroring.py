"""A mirror on stage: declarations, an API server, and the executor between them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from compiler.names import ObjectName
from controller.cluster.actions import MirrorAction, describe
from controller.cluster.declared import Declared, Source, resource_of
from controller.cluster.deletion import Hold
from controller.cluster.execute import Execution, Executor
from controller.cluster.mirror import mirror, next_inventory
from controller.cluster.objects import Observed, ResourceKey, Undecodable, decode
from kube.api import Api, Json
from kube.fake import FakeApi
from kube.kinds import CLUSTER_CONFIGS, NAMESPACES, VIRTUAL_NETWORK_ROUTERS, VIRTUAL_NETWORKS

MIRRORED = (CLUSTER_CONFIGS, VIRTUAL_NETWORKS, VIRTUAL_NETWORK_ROUTERS)


class _Metadata(msgspec.Struct):
    name: str
    namespace: str = ""


class _Item(msgspec.Struct):
    metadata: _Metadata


class _List(msgspec.Struct):
    items: list[msgspec.Raw]


def key(text: str, kind: str = "VirtualNetwork") -> ResourceKey:
    namespace, _, name = text.rpartition("/")
    return ResourceKey(kind=kind, namespace=namespace, name=name)


@dataclass(kw_only=True, slots=True)
class Clock:
    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


@dataclass(kw_only=True, slots=True)
class Mirroring:
    """Whatever commits declare, mirrored to a server, simulated or real."""

    api: Api
    declared: dict[ResourceKey, Declared] = field(default_factory=dict)
    inventory: tuple[ResourceKey, ...] = ()
    revision: str = "c1"
    users: dict[ObjectName, tuple[ObjectName, ...]] = field(default_factory=dict)
    executor: Executor = field(init=False)
    last: Execution = field(default_factory=Execution)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Another controller takes over."""
        self.executor = Executor(api=self.api, instance="atoll-1")

    def commit(self, revision: str, *sources: Source) -> None:
        """A commit that declares these comes into force."""
        self.revision = revision
        self.declared = {one.key: one for one in map(resource_of, sources)}

    def observed(self) -> dict[ResourceKey, Observed | Undecodable]:
        found = {}
        for resource in MIRRORED:
            for raw in msgspec.json.decode(self.api.list(resource), type=_List).items:
                item = msgspec.json.decode(raw, type=_Item).metadata
                one = ResourceKey(kind=resource.kind, namespace=item.namespace, name=item.name)
                found[one] = decode(one, bytes(raw))
        return found

    def holds(self, observed: Mapping[ResourceKey, Observed | Undecodable]) -> Mapping[ResourceKey, Hold]:
        """As the loop has it: what no commit declares waits for its pods."""
        return {
            one: Hold(users=users)
            for one, found in observed.items()
            if one not in self.declared and isinstance(found, Observed) and found.metadata.terminating
            if (users := self.users.get(ObjectName(namespace=one.namespace, name=one.name)))
        }

    def decide(self, keys: Collection[ResourceKey] | None = None) -> tuple[MirrorAction, ...]:
        observed = self.observed()
        self.inventory = next_inventory(self.declared, observed, self.inventory)
        return mirror(
            self.declared,
            observed,
            self.inventory,
            revision=self.revision,
            settled=self.executor.settled,
            holds=self.holds(observed),
            keys=keys,
        )

    def turn(self) -> list[str]:
        """Decide and execute; return what was decided."""
        actions = self.decide()
        self.last = self.executor.execute(actions)
        return [describe(action) for action in actions]

    def get(self, one: ResourceKey) -> Observed:
        found = decode(one, self.api.get(one.ref))
        assert isinstance(found, Observed)
        return found

    def keys(self) -> Sequence[str]:
        return sorted(str(one) for one in self.observed())


@dataclass(kw_only=True, slots=True)
class Stage(Mirroring):
    """On a simulated server, in a time of its own, with another client that can fail."""

    api: FakeApi = field(default_factory=FakeApi)
    clock: Clock = field(default_factory=Clock)
    client: FakeApi = field(init=False)
    """The executor's way to the server; its faults are not those of `api`."""

    def __post_init__(self) -> None:
        self.restart()
        for name in ("team-a", "team-b"):
            self.api.create(NAMESPACES, {"metadata": {"name": name}})

    def restart(self) -> None:
        self.client = self.api.beside("atoll")
        self.executor = Executor(
            api=self.client,
            instance="atoll-1",
            clock=self.clock,
            now=lambda: datetime(2026, 1, 2, 12, 0, tzinfo=UTC),
        )

    def body(self, one: ResourceKey) -> Json:
        found: Json = msgspec.json.decode(self.api.get(one.ref), type=dict[str, object])
        return found

    def edit(self, one: ResourceKey, patch: Json, *, manager: str = "kubectl-edit") -> None:
        self.api.beside(manager).patch(one.ref, patch)

    def delete(self, one: ResourceKey) -> None:
        self.api.delete(one.ref)

    def requests(self) -> list[str]:
        """The executor's requests since the last call."""
        found = list(self.client.requests)
        self.client.requests.clear()
        return found
