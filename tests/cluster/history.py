"""Everything that controllers have ever written, in order, and the laws that it must have kept.

Each version of a NodeNetwork and of the record of allocations comes by a watch from the first one on:
nothing that stood for a moment only is missed.
"""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec

from compiler import codec
from compiler.allocations import Allocations
from compiler.names import NodeName, ObjectName
from compiler.plan import NodePlan
from controller.cluster.plan_object import plan_bytes
from kube.api import Api, Key
from kube.kinds import CONFIG_MAPS, NODE_NETWORKS
from kube.reflector import Reflector, Selection
from tests.cluster.chart import NAMESPACE

RECORD: Final = "atoll-record-allocations"


class _Spec(msgspec.Struct):
    epoch: int
    digest: str
    plan: str


class _NodeNetwork(msgspec.Struct):
    spec: _Spec


class _Binary(msgspec.Struct):
    content: bytes


class _Record(msgspec.Struct, rename="camel"):
    binary_data: _Binary


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """One version of a NodeNetwork."""

    epoch: int
    digest: str
    plan: NodePlan


class _Plans:
    def __init__(self, history: History) -> None:
        self._history = history

    def changed(self, key: Key, raw: bytes) -> None:
        spec = msgspec.json.decode(raw, type=_NodeNetwork).spec
        content = plan_bytes(iter([spec.plan]))
        if codec.digest_of(content) != spec.digest:
            self._history.broken.append(f"{key.name}: the plan is not what its digest says")
        written = Written(epoch=spec.epoch, digest=spec.digest, plan=codec.decode_plan(content))
        self._history.take_plan(NodeName(key.name), written)

    def removed(self, key: Key) -> None:
        return

    def synced(self) -> None:
        return


class _Records:
    def __init__(self, history: History) -> None:
        self._history = history

    def changed(self, key: Key, raw: bytes) -> None:
        content = msgspec.json.decode(raw, type=_Record).binary_data.content
        self._history.take_record(codec.decode_allocations(gzip.decompress(content)))

    def removed(self, key: Key) -> None:
        return

    def synced(self) -> None:
        return


@dataclass(kw_only=True)
class History:
    api: Api
    plans: dict[NodeName, list[Written]] = field(default_factory=dict)
    records: list[Allocations] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _versions: int = 0

    def __post_init__(self) -> None:
        record = Selection(
            resource=CONFIG_MAPS, namespace=NAMESPACE, field_selector=f"metadata.name={RECORD}"
        )
        self._reflectors = (
            Reflector(self.api, Selection(resource=NODE_NETWORKS), _Plans(self)),
            Reflector(self.api, record, _Records(self)),
        )

    def start(self) -> None:
        for reflector in self._reflectors:
            reflector.start()

    def stop(self) -> None:
        for reflector in self._reflectors:
            reflector.stop()

    def await_more(self, versions: int, *, within: float) -> None:
        """Returns when so many more versions have been seen, or the time is over."""
        with self._changed:
            wanted = self._versions + versions
            self._changed.wait_for(lambda: self._versions >= wanted, within)

    def take_plan(self, node: NodeName, written: Written) -> None:
        with self._changed:
            known = self.plans.setdefault(node, [])
            if not known or (known[-1].epoch, known[-1].digest) != (written.epoch, written.digest):
                known.append(written)
                self._versions += 1
                self._changed.notify_all()

    def take_record(self, allocations: Allocations) -> None:
        with self._changed:
            self.records.append(allocations)
            self._versions += 1
            self._changed.notify_all()

    def violations(self) -> list[str]:
        """Every breach of the laws, for a history in which nothing was ever deleted."""
        return [*self.broken, *self._of_records(), *self._of_plans()]

    def _of_records(self) -> Iterator[str]:
        numbers: dict[int, ObjectName] = {}
        names: dict[ObjectName, int] = {}
        owners: dict[tuple[ObjectName, str], NodeName] = {}
        generation = 0
        for allocations in self.records:
            if allocations.generation < generation:
                yield f"generation {allocations.generation} after {generation}"
            generation = allocations.generation
            for name, entry in allocations.networks.items():
                if numbers.setdefault(entry.number, name) != name:
                    yield f"number {entry.number} is given to {numbers[entry.number]} and to {name}"
                if names.setdefault(name, entry.number) != entry.number:
                    yield f"{name} has number {names[name]} and then {entry.number}"
                for prefix, node in entry.blocks.items():
                    if owners.setdefault((name, str(prefix)), node) != node:
                        yield f"{prefix} of {name} is given to {owners[name, str(prefix)]} and to {node}"

    def _of_plans(self) -> Iterator[str]:
        numbers: dict[int, ObjectName] = {}
        owners: dict[tuple[ObjectName, str], int] = {}
        for node, versions in self.plans.items():
            epoch = 0
            for written in versions:
                if written.epoch < epoch:
                    yield f"{node}: epoch {written.epoch} after {epoch}"
                epoch = written.epoch
                for network in written.plan.networks:
                    if numbers.setdefault(network.number, network.name) != network.name:
                        yield f"{node}: number {network.number} is of {network.name}, too"
                    for block in network.blocks:
                        at = (network.name, str(block.prefix))
                        if owners.setdefault(at, block.node) != block.node:
                            yield f"{node}: {at} is of nodes {owners[at]} and {block.node}"
