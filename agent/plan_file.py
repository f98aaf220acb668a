"""The plan of this node as the controller publishes it, and as the agent keeps its last good one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from compiler import codec
from compiler.names import NodeName
from compiler.plan import NodePlan

API_VERSION: Final = "atoll.dev/v1alpha1"
LAST_GOOD: Final = "plan.json"
"""In the agent's state directory: the plan in force, which the CNI plugin reads too."""
MAX_BYTES: Final = 256 * 1024 * 1024
"""Some hundred times the plan of the largest node that the limits of a cluster allow."""


class Stamp(msgspec.Struct, frozen=True, kw_only=True):
    """Which plan it is, as the controller says."""

    revision: str
    """Git commit of the plan's last change; may be empty."""
    generation: int
    """Of the allocations that it was made with."""
    digest: str

    def __str__(self) -> str:
        return f"revision {self.revision or 'unnamed'} generation {self.generation}"


class PlanRejected(Exception):
    """A plan file is not one that this node can apply. The text names the file, what and why."""

    stamp: Stamp | None = None
    """Of the plan, as far as the file says."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Publication:
    """A plan with what the controller says of it."""

    revision: str
    generation: int
    digest: str
    plan: NodePlan
    content: bytes
    """The file, as it was read."""

    @property
    def stamp(self) -> Stamp:
        return Stamp(revision=self.revision, generation=self.generation, digest=self.digest)


class Envelope(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The file. `digest` is that of the bytes of `plan` as they stand in it."""

    api_version: str
    node: str
    revision: str
    generation: int
    digest: str
    plan: msgspec.Raw

    @property
    def stamp(self) -> Stamp:
        return Stamp(revision=self.revision, generation=self.generation, digest=self.digest)


_envelopes = msgspec.json.Decoder(Envelope)


def envelope_of(stamp: Stamp, node: NodeName, plan: bytes) -> bytes:
    """A plan file with these bytes of a plan in it."""
    envelope = Envelope(
        api_version=API_VERSION,
        node=node,
        revision=stamp.revision,
        generation=stamp.generation,
        digest=stamp.digest,
        plan=msgspec.Raw(plan),
    )
    return msgspec.json.encode(envelope) + b"\n"


def read_publication(path: Path, node: NodeName) -> Publication:
    """Raises PlanRejected, and OSError where the file cannot be read."""
    if path.stat().st_size > MAX_BYTES:
        raise PlanRejected(f"{path}: it is larger than {MAX_BYTES} bytes, no plan is")
    content = path.read_bytes()
    try:
        envelope = _envelopes.decode(content)
    except (ValueError, msgspec.MsgspecError) as error:
        raise PlanRejected(f"{path}: not a plan: {error}") from error
    try:
        plan = _plan(path, envelope, node)
    except PlanRejected as error:
        error.stamp = envelope.stamp
        raise
    return Publication(
        revision=envelope.revision,
        generation=envelope.generation,
        digest=envelope.digest,
        plan=plan,
        content=content,
    )


def _plan(path: Path, envelope: Envelope, node: NodeName) -> NodePlan:
    if envelope.api_version != API_VERSION:
        raise PlanRejected(
            f"{path}: apiVersion {envelope.api_version[:80]!r}: this agent knows {API_VERSION};"
            " controller and agent must be of one release"
        )
    if envelope.node != node:
        raise PlanRejected(f"{path}: it is for node {envelope.node[:80]!r}, this is node {node!r}")
    plan_bytes = bytes(envelope.plan)
    if codec.digest_of(plan_bytes) != envelope.digest:
        raise PlanRejected(f"{path}: the plan is not the one of digest {envelope.digest[:80]!r}")
    try:
        plan = codec.decode_plan(plan_bytes)
    except ValueError as error:
        raise PlanRejected(f"{path}: not a plan: {error}") from error
    if plan.name != node:
        raise PlanRejected(f"{path}: the plan inside is for node {plan.name!r}, this is node {node!r}")
    return plan
