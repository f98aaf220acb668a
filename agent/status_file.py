"""What the agent says of itself, for the controller and for people: DIR/agents/<node>.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.files import replace_file
from compiler.names import NodeName

API_VERSION: Final = "atoll.dev/v1alpha1"


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentStatus:
    node: NodeName
    ready: bool
    """A plan is in force, and it is the newest that was published."""
    revision: str
    """Git commit of the plan in force; "" before the first."""
    generation: int
    digest: str
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    networks: int
    attachments: int
    leaving: tuple[str, ...]
    """Devices' names of networks that are no longer planned and still within their grace."""
    transactions: int
    """nft transactions since the agent's start."""


def write_status(directory: Path, status: AgentStatus) -> None:
    """Replaces the node's file atomically. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    content = {
        "apiVersion": API_VERSION,
        "kind": "AgentStatus",
        "node": status.node,
        "ready": status.ready,
        "revision": status.revision,
        "generation": status.generation,
        "digest": status.digest,
        "errors": list(status.errors),
        "warnings": list(status.warnings),
        "networks": status.networks,
        "attachments": status.attachments,
        "leaving": list(status.leaving),
        "transactions": status.transactions,
    }
    replace_file(directory / f"{status.node}.json", (json.dumps(content, indent=2) + "\n").encode())
