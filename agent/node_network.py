"""NodeNetwork, as far as the agent reads it: decoded from the API server's bytes, its plan put together.

Nothing in it is believed: sizes are bounded before anything is unpacked, and a plan counts only with
the digest that the object names.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec

from agent.node_status import NodeStatus
from agent.plan_file import MAX_BYTES, Stamp
from compiler import codec
from kube.api import ObjectRef
from kube.kinds import NODE_NETWORK_PARTS

MAX_PARTS: Final = 16
"""As many as a node's account may read."""
_GZIP: Final = 31
"""zlib's window bits for the gzip format and nothing else."""


class PlanDamaged(Exception):
    """What the API server holds does not make a plan. The text names the object and what is wrong."""


class _Metadata(msgspec.Struct, frozen=True):
    name: str
    uid: str = ""
    generation: int = 0


class _Spec(msgspec.Struct, frozen=True):
    revision: str = ""
    generation: int = 0
    digest: str = ""
    parts: int = 0
    plan: str = ""


_specs = msgspec.json.Decoder(_Spec)


class _Object(msgspec.Struct, frozen=True):
    metadata: _Metadata
    spec: msgspec.Raw = msgspec.Raw(b"{}")
    status: msgspec.Raw = msgspec.Raw(b"{}")


_objects = msgspec.json.Decoder(_Object)


class _PartSpec(msgspec.Struct, frozen=True):
    data: str


class _Part(msgspec.Struct, frozen=True):
    spec: _PartSpec


_parts = msgspec.json.Decoder(_Part)
_statuses = msgspec.json.Decoder(NodeStatus)


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeNetwork:
    name: str
    uid: str
    generation: int
    """metadata.generation: of the object, not of the allocations."""
    stamp: Stamp
    parts: int
    plan: str
    """The plan's first characters, or all of them."""
    status: NodeStatus | None
    """None where it is not one that an agent wrote."""
    damage: str = ""
    """Why the spec cannot be understood."""

    def __str__(self) -> str:
        return f"NodeNetwork {self.name}"

    def part(self, index: int) -> ObjectRef:
        return ObjectRef(resource=NODE_NETWORK_PARTS, name=f"{self.name}.{index}")


def decode(raw: bytes) -> NodeNetwork:
    """Raises PlanDamaged where not even the name can be read; else what is wrong is in the value."""
    try:
        found = _objects.decode(raw)
    except msgspec.DecodeError as error:
        raise PlanDamaged(f"an object that is no NodeNetwork: {error}") from error
    spec, damage = _Spec(), ""
    try:
        spec = _specs.decode(found.spec)
    except msgspec.DecodeError as error:
        damage = f"its spec is not one: {error}"
    if not damage and not spec.plan:
        damage = "it holds no plan"
    if spec.parts > MAX_PARTS:
        damage = f"it has {spec.parts} parts, where {MAX_PARTS} are allowed"
    return NodeNetwork(
        name=found.metadata.name,
        uid=found.metadata.uid,
        generation=found.metadata.generation,
        stamp=Stamp(revision=spec.revision, generation=spec.generation, digest=spec.digest),
        parts=spec.parts,
        plan=spec.plan,
        status=_status(found.status),
        damage=damage,
    )


def part_data(ref: ObjectRef, raw: bytes) -> str:
    """Raises PlanDamaged."""
    try:
        return _parts.decode(raw).spec.data
    except msgspec.DecodeError as error:
        raise PlanDamaged(f"NodeNetworkPart {ref.name}: {error}") from error


def plan_bytes(network: NodeNetwork, rest: Iterable[str]) -> bytes:
    """The plan's JSON, from the object and its parts' data. Raises PlanDamaged."""
    if network.damage:
        raise PlanDamaged(f"{network}: {network.damage}")
    try:
        packed = base64.b64decode("".join((network.plan, *rest)), validate=True)
        unpacking = zlib.decompressobj(wbits=_GZIP)
        plan = unpacking.decompress(packed, MAX_BYTES + 1)
    except (ValueError, zlib.error) as error:
        raise PlanDamaged(f"{network}: its plan cannot be unpacked: {error}") from error
    if len(plan) > MAX_BYTES:
        raise PlanDamaged(f"{network}: its plan is larger than {MAX_BYTES} bytes, no plan is")
    if not unpacking.eof or unpacking.unused_data:
        raise PlanDamaged(f"{network}: its plan is cut, or something follows it")
    if codec.digest_of(plan) != network.stamp.digest:
        hint = "; its parts may be of another plan" if network.parts else ""
        raise PlanDamaged(f"{network}: its plan is not the one of digest {network.stamp.digest[:19]!r}{hint}")
    return plan.strip()


def _status(raw: msgspec.Raw) -> NodeStatus | None:
    try:
        return _statuses.decode(raw)
    except msgspec.DecodeError:
        return None
