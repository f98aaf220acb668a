"""What was proved, of what, and on which assumptions: the same for the same inputs, byte by byte."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final

ASSUMPTIONS: Final = (
    "The kernel does what Linux 6.1 and newer are known to do with VRFs, VXLAN, nftables and routing rules.",
    "Connection tracking says one of six things of a packet: new, original, reply, an error about either, "
    "invalid. Replies and related errors exist only for connections whose first packet was let through.",
    "The underlay gives a node only packets whose outer source is who sent them.",
    "Nodes hold what was compiled for them, nothing else uses interface groups 1 to 131072, and no other "
    "software accepts, drops or rewrites packets of networks.",
    "Pods have addresses of the blocks of their network on their node; each block is judged by one of them.",
    "What happens outside Atoll's devices, in the default network and beyond, is not looked at.",
    "Layers above transport, and the contents of packets, are not looked at.",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """How much was looked at; sums over nodes."""

    nodes: int = 0
    networks: int = 0
    """Networks on nodes, present or carried."""
    entries: int = 0
    """Places where packets come in: ports, VXLANs, host links, the default network, the node itself."""
    classes: int = 0
    """Sets of packets that fare alike."""
    regions: int = 0
    """Pieces of them held against what was declared."""
    pairs_open: int = 0
    """Ordered pairs of networks present on a node and visible to it that may talk."""
    pairs_closed: int = 0
    services: int = 0
    """Ports of Services, as clients on nodes meet them."""
    unwitnessed: int = 0
    """Networks with pods on a node that has no port to judge them by."""
    contested: int = 0
    """Pieces about which the declarations say nothing definite."""

    def __add__(self, other: Counts) -> Counts:
        return Counts(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    revision: str
    """The Git commit; "" for a plain directory."""
    digest: str
    """Of everything that was judged; "" where the caller gave none."""
    counts: Counts
    assumptions: tuple[str, ...] = ASSUMPTIONS


def digest_of(texts: Mapping[str, bytes]) -> str:
    """SHA-256 over names and contents, in the order of the names."""
    whole = hashlib.sha256()
    for name in sorted(texts):
        for part in (name.encode(), texts[name]):
            whole.update(len(part).to_bytes(8, "big"))
            whole.update(part)
    return whole.hexdigest()
