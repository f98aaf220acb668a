"""All nodes' agents at once: whatever plan a NodeNetwork holds is reported as applied, without delay.

A real agent has its own watch and takes its time; what the controller and the API server get from it is
the same, one patch of the status for each new plan.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from agent.node_status import READY, AppliedPlan, Condition, NodeStatus
from agent.status_file import AddressUse, Reason
from controller.state import timestamp
from kube.api import Api, ApiError, ObjectRef
from kube.kinds import NODE_NETWORKS

CONNECTIONS = 4


class _Metadata(msgspec.Struct):
    name: str
    generation: int


class _Network(msgspec.Struct):
    name: str
    blocks: list[str] = []


class _Spec(msgspec.Struct):
    revision: str
    generation: int
    digest: str
    networks: list[_Network] = []


class _NodeNetwork(msgspec.Struct):
    metadata: _Metadata
    spec: _Spec


@dataclass(kw_only=True)
class Agents:
    api: Api
    _newest: dict[str, int] = field(default_factory=dict)
    """By node, the generation of the object."""
    _workers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(CONNECTIONS))

    def take(self, raw: bytes) -> None:
        """The object is new or has changed; in another thread its node says that it has the plan."""
        found = msgspec.json.decode(raw, type=_NodeNetwork)
        if self._newest.get(found.metadata.name) != found.metadata.generation:
            self._newest[found.metadata.name] = found.metadata.generation
            self._workers.submit(self._report, found)

    def _report(self, found: _NodeNetwork) -> None:
        if self._newest.get(found.metadata.name) != found.metadata.generation:
            return  # a newer plan is there
        ref = ObjectRef(resource=NODE_NETWORKS, name=found.metadata.name)
        try:
            self.api.patch(ref, status_of(found).merge_patch(), subresource="status")
        except ApiError as error:
            print(f"the agent of {found.metadata.name}: {error}", file=sys.stderr)


def status_of(found: _NodeNetwork) -> NodeStatus:
    """As a real agent has it that has applied the plan without a fault."""
    spec = found.spec
    plan = f"plan of commit {spec.revision[:12]} (generation {spec.generation})"
    now = timestamp(datetime.now(UTC))
    own = [network for network in spec.networks if network.blocks]
    return NodeStatus(
        observed_generation=found.metadata.generation,
        conditions=(
            Condition(
                type=READY,
                status="True",
                observed_generation=found.metadata.generation,
                last_transition_time=now,
                reason=Reason.APPLIED,
                message=f"The {plan} is in force.",
            ),
        ),
        applied=AppliedPlan(revision=spec.revision, generation=spec.generation, digest=spec.digest, at=now),
        networks=len(spec.networks),
        attachments=len(own),
        addresses=tuple(AddressUse(network=network.name, used=1) for network in own),
        agent_version="simulated",
    )
