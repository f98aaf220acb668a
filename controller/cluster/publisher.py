"""A publication in the API server: records as ConfigMaps, a NodeNetwork for each node.

Plans of one turn are written several at a time; whatever follows them waits until all are there. A plan
that the server refuses is named in the error and stops no other.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import msgspec

from compiler import codec
from compiler.allocations import Allocations
from compiler.names import NodeName
from controller.actions import (
    Action,
    KeepAllocations,
    KeepCommit,
    PublishPlan,
    PublishReachability,
    PublishStatus,
    WithdrawPlan,
)
from controller.advance import after
from controller.cluster.leadership import Deposed
from controller.cluster.node_networks import NodeNetworks, Written, known, version_of
from controller.cluster.objects import FIELD_MANAGER
from controller.cluster.plan_object import CHUNK, MAX_PARTS, PlanTooLarge, objects_of, part_name, plan_bytes
from controller.cluster.records import Records
from controller.publication import PlanStamp, PublicationError, Published, Report
from controller.snapshot import Revision, Snapshot
from kube.api import Api, ApiError, Invalid, NotFound, ObjectRef
from kube.kinds import NODE_NETWORK_PARTS, NODE_NETWORKS

WRITERS = 8
"""Plans under way at once: enough to fill the time of a round trip, few enough for the server."""


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    """The record of the commit in force."""

    revision: str
    files: dict[str, str]


_commits = msgspec.json.Decoder(_Kept)


class _Spec(msgspec.Struct):
    epoch: int = 0
    revision: str = ""
    generation: int = 0
    digest: str = ""
    parts: int = 0
    plan: str = ""


class _Owner(msgspec.Struct):
    manager: str = ""
    fields: dict[str, msgspec.Raw] = msgspec.field(default_factory=dict, name="fieldsV1")


class _Metadata(msgspec.Struct, rename="camel"):
    name: str = ""
    resource_version: str = "0"
    generation: int = 0
    managed_fields: list[_Owner] = []


class _NodeNetwork(msgspec.Struct):
    metadata: _Metadata
    spec: _Spec = msgspec.field(default_factory=_Spec)

    @property
    def is_ours(self) -> bool:
        """Whether no other hand has written anything of the spec since we did."""
        owners = {one.manager for one in self.metadata.managed_fields if "f:spec" in one.fields}
        return owners <= {FIELD_MANAGER}


_node_networks = msgspec.json.Decoder(_NodeNetwork)


class _PartSpec(msgspec.Struct):
    data: str = ""


class _Part(msgspec.Struct):
    spec: _PartSpec = msgspec.field(default_factory=_PartSpec)


_parts = msgspec.json.Decoder(_Part)


class _ListMetadata(msgspec.Struct):
    continue_token: str = msgspec.field(default="", name="continue")


class _Page(msgspec.Struct):
    metadata: _ListMetadata
    items: list[msgspec.Raw]


_pages = msgspec.json.Decoder(_Page)


class _Named(msgspec.Struct):
    metadata: _Metadata


_named = msgspec.json.Decoder(_Named)


def _node_network(raw: msgspec.Raw) -> _NodeNetwork:
    """Return it without its spec where that cannot be understood: it is then published anew."""
    try:
        return _node_networks.decode(raw)
    except msgspec.ValidationError:
        return _NodeNetwork(metadata=_named.decode(raw).metadata)


@dataclass(kw_only=True, slots=True)
class ClusterPublisher:
    api: Api
    records: Records
    nodes: NodeNetworks = field(default_factory=NodeNetworks)
    chunk: int = CHUNK
    """Characters of a plan in one object."""
    _epoch: int = field(default=1, init=False)
    """Of this leadership: the API server takes no plan of an older one over a newer."""
    _published: Published | None = field(default=None, init=False)
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(WRITERS, thread_name_prefix="plans"), init=False
    )
    _pending: list[tuple[PublishPlan, Future[Written]]] = field(default_factory=list, init=False)

    def recover(self) -> Published:
        """Return what stands there; read from the API server once, and followed from then on."""
        if self._pending:
            self.finish()
        if self._published is None:
            self._published = self._read()
        return self._published

    def execute(self, action: Action) -> None:
        if isinstance(action, PublishPlan):
            if any(one.plan.name == action.plan.name for one, _ in self._pending[-1:]):
                self.finish()  # two of one node must not overtake each other
            self._pending.append((action, self._pool.submit(self._publish, action)))
            return
        self.finish()
        try:
            self._execute(action)
        except ApiError as error:
            raise PublicationError(str(error)) from None
        self._published = after(self.recover(), (action,))

    def finish(self) -> None:
        """Wait for the plans under way; raise PublicationError that names those that were refused."""
        pending, self._pending = self._pending, []
        failures: list[str] = []
        done: list[PublishPlan] = []
        for action, future in pending:
            try:
                self.nodes.written[action.plan.name] = future.result()
                done.append(action)
            except (ApiError, PlanTooLarge) as error:
                if isinstance(error, Invalid) and any(one.field.endswith(".epoch") for one in error.causes):
                    raise Deposed(f"plan of {action.plan.name}: {error.message}") from None
                failures.append(f"plan of {action.plan.name}: {error}")
        self._published = after(self.recover(), done)
        if failures:
            more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
            raise PublicationError(failures[0] + more)

    def reports(self) -> Mapping[NodeName, Report]:
        return known(self.nodes.reports)

    def observed(self, stamps: Mapping[NodeName, PlanStamp | None]) -> None:
        """Take over what another hand has made of published plans."""
        if not stamps:
            return
        published = self.recover()
        plans = {**published.plans, **stamps}
        kept = {node: stamp for node, stamp in plans.items() if stamp is not None}
        self._published = replace(published, plans=kept)

    def _execute(self, action: Action) -> None:
        match action:
            case KeepCommit():
                files = {path: data.decode() for path, data in action.files.items()}
                kept = msgspec.json.encode(_Kept(revision=action.revision, files=files))
                self.records.write("commit", kept)
            case KeepAllocations():
                self.records.write("allocations", codec.encode_allocations(action.allocations))
            case WithdrawPlan():
                self._withdraw(action.node)
            case PublishReachability():
                self.records.write("reachability", action.text.encode())
            case PublishStatus() | PublishPlan():
                pass  # the statuses of the resources say it; plans are written above

    def _publish(self, action: PublishPlan) -> Written:
        objects = objects_of(action, epoch=self._epoch, chunk=self.chunk)
        for index, part in enumerate(objects.parts):
            name = part_name(action.plan.name, index)
            ref = ObjectRef(resource=NODE_NETWORK_PARTS, name=name)
            self.api.apply(ref, part, field_manager=FIELD_MANAGER, force=True)
        ref = ObjectRef(resource=NODE_NETWORKS, name=action.plan.name)
        answer = self.api.apply(ref, objects.node_network, field_manager=FIELD_MANAGER, force=True)
        self._remove_parts(action.plan.name, since=len(objects.parts))
        metadata = _node_networks.decode(answer).metadata
        stamp = PlanStamp(revision=action.revision, generation=action.generation, digest=action.digest)
        return Written(
            version=version_of(metadata.resource_version),
            generation=metadata.generation,
            stamp=stamp,
            parts=len(objects.parts),
        )

    def _withdraw(self, node: NodeName) -> None:
        with contextlib.suppress(NotFound):
            self.api.delete(ObjectRef(resource=NODE_NETWORKS, name=node))
        self._remove_parts(node, since=0)
        self.nodes.written.pop(node, None)

    def _remove_parts(self, node: NodeName, *, since: int) -> None:
        """Those from an earlier, larger plan; last, for an agent may be reading them."""
        before = self.nodes.written.get(node)
        for index in range(since, min(before.parts, MAX_PARTS) if before else 0):
            with contextlib.suppress(NotFound):
                self.api.delete(ObjectRef(resource=NODE_NETWORK_PARTS, name=part_name(node, index)))

    def _read(self) -> Published:
        return Published(
            commit=self._commit(),
            allocations=self._allocations(),
            plans={node: written.stamp for node, written in self._list().items()},
            reachability=(self.records.read("reachability") or b"").decode(errors="replace"),
        )

    def _commit(self) -> Snapshot | None:
        data = self.records.read("commit")
        if data is None:
            return None
        try:
            kept = _commits.decode(data)
        except msgspec.DecodeError as error:
            reason = f"ConfigMap atoll-record-commit: it does not hold a commit: {error}"
            raise PublicationError(f"{reason}. Restore it from a backup of the cluster.") from None
        files = {path: text.encode() for path, text in kept.files.items()}
        return Snapshot(revision=Revision(kept.revision), files=files)

    def _allocations(self) -> Allocations:
        data = self.records.read("allocations")
        if data is None:
            return Allocations()
        try:
            return codec.decode_allocations(data)
        except ValueError as error:
            message = "Restore it from a backup; starting without it would renumber every network"
            raise PublicationError(
                f"ConfigMap atoll-record-allocations: it does not hold allocations: {error}. {message}."
            ) from None

    def _list(self) -> Mapping[NodeName, Written]:
        """Every NodeNetwork there is; what is not as we wrote it gets no digest, and is written again."""
        token = ""
        while True:
            try:
                raw = self.api.list(NODE_NETWORKS, limit=50, continue_token=token)
                page = _pages.decode(raw)
                for found in map(_node_network, page.items):
                    self._epoch = max(self._epoch, found.spec.epoch + 1)
                    self.nodes.written[NodeName(found.metadata.name)] = self._written(found)
            except (ApiError, msgspec.DecodeError) as error:
                raise PublicationError(f"nodenetworks cannot be read: {error}") from None
            token = page.metadata.continue_token
            if not token:
                return self.nodes.written

    def _written(self, found: _NodeNetwork) -> Written:
        spec = found.spec
        intact = found.is_ours and self._digest(found) == spec.digest
        return Written(
            version=version_of(found.metadata.resource_version),
            generation=found.metadata.generation,
            parts=found.spec.parts,
            stamp=PlanStamp(
                revision=Revision(spec.revision),
                generation=spec.generation,
                digest=spec.digest if intact else "",
            ),
        )

    def _digest(self, found: _NodeNetwork) -> str:
        pieces = [found.spec.plan]
        try:
            for index in range(min(found.spec.parts, MAX_PARTS)):
                name = part_name(found.metadata.name, index)
                part = self.api.get(ObjectRef(resource=NODE_NETWORK_PARTS, name=name))
                pieces.append(_parts.decode(part).spec.data)
            return codec.digest_of(plan_bytes(iter(pieces)))
        except (NotFound, ValueError):
            return ""
