"""A node's plan as a NodeNetwork: compressed, the rest of a very large one in NodeNetworkParts.

A plan's JSON shrinks to a twentieth; what an object may hold, some 1.5 MB, is enough for almost every node.
Parts are written before the NodeNetwork that counts them. A reader that meets new parts with an
old NodeNetwork, or the reverse, sees a digest that does not fit, and waits for the next event.
"""

from __future__ import annotations

import base64
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from compiler.model import Prefix
from compiler.plan import NetworkPlan, NodePlan
from controller.actions import PublishPlan
from controller.plan_text import encode_plan
from kube.api import Json
from kube.kinds import NODE_NETWORK_PARTS, NODE_NETWORKS

CHUNK = 700_000
"""Characters of base64 in one object."""
LEVEL = 5
"""Of gzip: half the time of its default, and 4% more bytes."""
MAX_PARTS = 16
"""An agent may read no further ones: 12 MB compressed, some 200 MB of plan."""
MAX_BYTES = 256 * 1024 * 1024

LABEL_NODE = "atoll.dev/node"
LABELS = {"app.kubernetes.io/managed-by": "atoll"}


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanObjects:
    """Bodies for server-side apply, parts first."""

    parts: tuple[Json, ...]
    node_network: Json


class PlanTooLarge(Exception):
    """The text says for which node, and how large the plan is."""


def objects_of(action: PublishPlan, *, epoch: int, chunk: int = CHUNK) -> PlanObjects:
    """Return a plan as objects; `epoch` is that of the leader that writes. Raise PlanTooLarge."""
    plan = action.plan
    text = base64.b64encode(gzip.compress(encode_plan(plan).strip(), compresslevel=LEVEL, mtime=0)).decode()
    pieces = [text[at : at + chunk] for at in range(0, len(text), chunk)]
    if len(pieces) > MAX_PARTS + 1:
        raise PlanTooLarge(f"the plan of node {plan.name} has {len(text)} bytes, compressed, too many")
    parts = tuple(_part(plan.name, index, piece) for index, piece in enumerate(pieces[1:]))
    spec = {
        "epoch": epoch,
        "revision": action.revision,
        "generation": action.generation,
        "digest": action.digest,
        "number": plan.number,
        "address": str(plan.address),
        "networks": [_network(plan, network) for network in plan.networks],
        "parts": len(parts),
        "plan": pieces[0],
    }
    body = {
        "apiVersion": NODE_NETWORKS.api_version,
        "kind": NODE_NETWORKS.kind,
        "metadata": {"name": plan.name, "labels": LABELS},
        "spec": spec,
    }
    return PlanObjects(parts=parts, node_network=body)


def _part(node: str, index: int, data: str) -> Json:
    return {
        "apiVersion": NODE_NETWORK_PARTS.api_version,
        "kind": NODE_NETWORK_PARTS.kind,
        "metadata": {"name": part_name(node, index), "labels": LABELS},
        "spec": {"data": data},
    }


def part_name(node: str, index: int) -> str:
    return f"{node}.{index}"


def _network(plan: NodePlan, network: NetworkPlan) -> Json:
    blocks = [_text(block.prefix) for block in network.blocks if block.node == plan.number]
    return {
        "name": str(network.name),
        "number": network.number,
        "presence": network.presence.value,
        "blocks": blocks,
    }


@lru_cache(maxsize=1 << 16)
def _text(prefix: Prefix) -> str:
    """Kept, because an IPv6 prefix takes ten times as long to spell as to look up."""
    return str(prefix)


def plan_bytes(pieces: Iterator[str]) -> bytes:
    """Return the plan's JSON from `plan` and the parts' `data`. Raise ValueError where it is not one."""
    try:
        compressed = base64.b64decode("".join(pieces), validate=True)
        with gzip.GzipFile(fileobj=io.BytesIO(compressed)) as stream:
            content = stream.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(str(error)) from None
    if len(content) > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES} bytes")
    return content
