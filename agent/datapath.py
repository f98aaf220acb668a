"""What the agent's process works on: the kernel's links, its nftables, and the events of both."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from agent.kernel import Kernel
from agent.monitor import Events
from agent.nft import Nft

_log = logging.getLogger("atoll.agent")


class FeaturesMissing(Exception):
    """This kernel cannot do what a datapath needs. The log names each feature with its remedy."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Datapath:
    kernel: Kernel
    nft: Nft
    monitor: Callable[[], Events]
    """Called when the last good plan is in force again: events from then on may be of another hand."""
    warnings: tuple[str, ...]
    """What on this node is in the way of something, without being in the way of the isolation."""
    twin: bool = False
    """All of it is simulated."""


def real_datapath() -> Datapath:
    """This network namespace's own. Raises FeaturesMissing."""
    # Here, for a twin runs on machines that have neither libnftables nor the right to ask the kernel.
    from agent.links import Links
    from agent.monitor import Monitor
    from agent.nft import Libnftables
    from agent.preflight import missing_features, warnings

    findings = missing_features()
    for finding in findings:
        _log.error("missing: %s", finding)
    if findings:
        raise FeaturesMissing(f"{len(findings)} kernel features are missing, named above with their remedies")
    return Datapath(
        kernel=Links(),
        nft=Libnftables(),
        monitor=Monitor,
        warnings=tuple(str(warning) for warning in warnings()),
    )
