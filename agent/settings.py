"""What one agent process is told at its start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.addresses import QUIET_SECONDS
from agent.installation import Installation
from compiler.names import NodeName
from kube.api import Api
from serving.server import Address

REPAIR_SECONDS: Final = 10.0
RULESET_REPAIR_SECONDS: Final = 300.0
GRACE_SECONDS: Final = 300.0
PATIENCE_SECONDS: Final = 60.0
SWEEP_SECONDS: Final = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    node: NodeName
    socket: Path
    state: Path
    """The agent's own: leases and the last good plan. Mode 0700."""
    plans: Path | None = None
    """The controller's directory: plans/<node>.json are taken from it, agents/<node>.json go there."""
    api: Api | None = None
    """In the directory's place on a cluster: the API server, as this node."""
    metrics: Address | None = None
    """Where /metrics, /healthz and /readyz are answered; None for nowhere."""
    installation: Installation | None = None
    """Of the CNI plugin; None where somebody else installs it, or nobody."""
    twin: bool = False
    """On a simulated kernel, enforcing nothing."""
    grace: float = GRACE_SECONDS
    """Seconds that a network stays after it was last needed."""
    patience: float = PATIENCE_SECONDS
    """Seconds that an ADD waits for a plan with its pod, and for an address."""
    quiet: float = QUIET_SECONDS
    """Seconds between an address's release and its next use."""
    sweep: float = SWEEP_SECONDS
    """Seconds between two looks for leases of pods that are gone without a word."""
    repair: float = REPAIR_SECONDS
    """Seconds between two looks at links and routes."""
    ruleset_repair: float = RULESET_REPAIR_SECONDS
    """Seconds between two looks at the whole table."""

    @property
    def directory(self) -> Path:
        """Where plans come from and reports go; on a cluster the bridge keeps it in step."""
        return self.plans or self.state / "bus"
