"""A simulated API server as a node's agent meets it, and a controller that publishes plans to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.node_network import NodeNetwork, decode
from compiler import codec
from compiler.names import NodeName
from compiler.plan import NodePlan
from controller.actions import PublishPlan
from controller.cluster.objects import FIELD_MANAGER
from controller.cluster.plan_object import objects_of
from controller.snapshot import Revision
from kube.api import Json, Key, ObjectRef
from kube.fake import FakeApi
from kube.kinds import NODE_NETWORK_PARTS, NODE_NETWORKS

NODE = NodeName("node-a")
REF = ObjectRef(resource=NODE_NETWORKS, name=NODE)
SECONDS = 30.0
"""For what happens at once on an idle machine."""


def body_of(
    plan: NodePlan, *, revision: str = "c0ffee0123456789", generation: int = 1, parts: int = 0
) -> tuple[Json, tuple[Json, ...]]:
    """A NodeNetwork as the controller writes it, and its parts; cut smaller than it would for `parts`."""
    action = PublishPlan(
        plan=plan, revision=Revision(revision), generation=generation, digest=codec.digest(plan)
    )
    whole: Any = objects_of(action, epoch=1).node_network
    text = whole["spec"]["plan"]
    size = -(-len(text) // (parts + 1))
    first, *rest = (text[at : at + size] for at in range(0, len(text), size))
    bodies = tuple(part_body(f"{plan.name}.{index}", data) for index, data in enumerate(rest))
    return {**whole, "spec": {**whole["spec"], "plan": first, "parts": len(rest)}}, bodies


def part_body(name: str, data: str) -> Json:
    return {
        "apiVersion": "atoll.dev/v1alpha1",
        "kind": "NodeNetworkPart",
        "metadata": {"name": name},
        "spec": {"data": data},
    }


@dataclass
class Cluster:
    agent: FakeApi = field(default_factory=FakeApi)

    def __post_init__(self) -> None:
        self.controller = self.agent.beside(FIELD_MANAGER)

    def publish(
        self, plan: NodePlan, *, revision: str = "c0ffee0123456789", generation: int = 1, parts: int = 0
    ) -> NodeNetwork:
        body, rest = body_of(plan, revision=revision, generation=generation, parts=parts)
        for part in rest:
            self.put_part(part)
        return self.put(body)

    def put(self, body: Json) -> NodeNetwork:
        self.controller.apply(REF, body, field_manager=FIELD_MANAGER, force=True)
        return self.network()

    def put_part(self, body: Any) -> None:
        ref = ObjectRef(resource=NODE_NETWORK_PARTS, name=body["metadata"]["name"])
        self.controller.apply(ref, body, field_manager=FIELD_MANAGER, force=True)

    def network(self) -> NodeNetwork:
        return decode(json.dumps(self._document()).encode())

    def status(self) -> Mapping[str, Any]:
        found: dict[str, Any] = self._document().get("status", {})
        return found

    def until(self, condition: Callable[[Mapping[str, Any]], bool], what: str) -> Mapping[str, Any]:
        """The NodeNetwork's status, once it fulfils the condition."""
        changed = self.agent.server.store.changed
        with changed:
            assert changed.wait_for(lambda: condition(self.status()), SECONDS), f"{what}: {self.status()}"
            return self.status()

    def until_ready(self, revision: str) -> Mapping[str, Any]:
        return self.until(
            lambda status: ready(status) == "True" and status["applied"]["revision"] == revision,
            f"ready with {revision}",
        )

    def _document(self) -> dict[str, Any]:
        stored = self.agent.server.store.find(NODE_NETWORKS, Key("", NODE))
        return json.loads(json.dumps(stored.body)) if stored else {}


def condition_of(status: Mapping[str, Any], kind: str = "Ready") -> Mapping[str, Any]:
    return next((one for one in status.get("conditions", ()) if one["type"] == kind), {})


def ready(status: Mapping[str, Any]) -> str:
    return str(condition_of(status).get("status", ""))
