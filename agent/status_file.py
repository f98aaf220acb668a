"""What the agent says of itself, for the controller and for people: DIR/agents/<node>.json."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from agent.files import replace_file
from agent.plan_file import Stamp
from compiler.names import NodeName

API_VERSION: Final = "atoll.dev/v1alpha1"


class Reason(StrEnum):
    """Why the agent is ready, or is not."""

    APPLIED = "Applied"
    NO_PLAN = "NoPlan"
    PLAN_REJECTED = "PlanRejected"
    """The newest plan is not one that this agent can apply."""
    APPLY_FAILED = "ApplyFailed"
    """The kernel refused it."""
    REPAIR_FAILED = "RepairFailed"
    """Another hand has changed what is in force, and the kernel refuses to have it back."""


class AddressUse(msgspec.Struct, frozen=True, kw_only=True):
    network: str
    """namespace/name."""
    used: int
    """Pods of this node with an address of each of the network's IP versions."""


class AddressWish(msgspec.Struct, frozen=True, kw_only=True):
    """Pods wait for addresses of a network whose blocks here are full."""

    network: str
    """namespace/name."""
    addresses: int
    """That the node needs in its blocks, those that it has included."""


class AgentStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    api_version: str = API_VERSION
    kind: str = "AgentStatus"
    node: NodeName
    ready: bool
    """A plan is in force, and it is the newest that was published."""
    reason: str = ""
    """A Reason; text, since another release's agent may know more of them."""
    revision: str
    """Git commit of the plan in force; "" before the first."""
    generation: int
    digest: str
    attempted: Stamp | None = None
    """The newest plan that was looked at, in force or not."""
    applied_at: str = ""
    """RFC 3339, UTC: when the plan in force came into force in this process; "" before the first."""
    apply_seconds: float = 0.0
    """What that took."""
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    networks: int
    attachments: int
    addresses: tuple[AddressUse, ...] = ()
    """Of networks that are present here, or still have pods here; by name."""
    wanted: tuple[AddressWish, ...] = ()
    """By network; empty while nobody waits."""
    leaving: tuple[str, ...]
    """Devices' names of networks that are no longer planned and still within their grace, and pods' ports
    with an address that was taken from this node.
    """
    transactions: int
    """nft transactions since the agent's start."""
    version: str = ""
    twin: bool = False
    """Kernel and nftables are simulated: nothing is enforced."""
    api_problem: str = ""
    """What keeps the agent from the API server's newest plan; "" for nothing, and without a cluster."""

    @property
    def in_force(self) -> Stamp | None:
        stamp = Stamp(revision=self.revision, generation=self.generation, digest=self.digest)
        return stamp if self.digest else None


_statuses = msgspec.json.Decoder(AgentStatus)


def write_status(directory: Path, status: AgentStatus) -> None:
    """Replaces the node's file atomically. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    content = msgspec.json.format(msgspec.json.encode(status), indent=2)
    replace_file(directory / f"{status.node}.json", content + b"\n")


def read_status(directory: Path, node: NodeName) -> AgentStatus | None:
    """What was written last; None where there is nothing that can be read."""
    try:
        return _statuses.decode((directory / f"{node}.json").read_bytes())
    except (OSError, msgspec.DecodeError):
        return None
