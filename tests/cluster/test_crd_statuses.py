"""What controller and agents write, the real API server keeps whole: a field that no CRD has would vanish."""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec
import pytest

from agent.node_status import AppliedPlan, NodeStatus
from agent.node_status import Condition as AgentCondition
from agent.status_file import AddressUse
from compiler import codec
from compiler.parse import parse
from controller.actions import PublishPlan
from controller.cluster import resource_status as statuses
from controller.cluster.declared import declared_in
from controller.cluster.objects import FIELD_MANAGER
from controller.cluster.plan_object import objects_of
from controller.snapshot import Revision
from controller.status import ProblemRecord
from kube.api import Json, ObjectRef
from kube.kinds import NODE_NETWORK_PARTS, NODE_NETWORKS
from tests.cluster.scene import Cluster
from tests.cluster.test_crd_behaviour import created, node
from tests.cluster.test_crds import ACCEPTED, Candidate, config, network, router, source
from tests.compiler.repository import CLUSTER
from tests.compiler.sample_plans import node_plan

COMMIT = "4f1c8a9e2d7b6c5a3f0e1d2c4b5a69788f7e6d5c"
AT = "2026-01-02T03:04:05Z"
READY = statuses.Condition(
    type="Ready",
    status="True",
    observed_generation=1,
    last_transition_time=AT,
    reason="InForce",
    message="In force on 1 of 1 node, commit 4f1c8a9e2d7b",
)
PROBLEM = ProblemRecord(
    code="ATL406",
    severity="error",
    path="networks/shop.yaml",
    line=9,
    column=5,
    subject="VirtualNetwork shop/storefront",
    reason="the subnet 10.244.0.0/24 overlaps the pod range 10.244.0.0/16",
    remedy="Choose another subnet",
)
FULL: list[tuple[Candidate, statuses.ResourceStatus]] = [
    (
        network(),
        statuses.NetworkStatus(
            observed_generation=1,
            conditions=(READY,),
            last_attempted_revision=COMMIT,
            last_applied_revision=COMMIT,
            last_handled_reconcile_at="now",
            number=5,
            addresses=(
                statuses.SubnetUse(subnet="10.1.0.0/24", total=254, used=3, free=251),
                statuses.SubnetUse(subnet="fd00::/48", total=2**63 - 1, used=3, free=2**63 - 1),
            ),
            free=251,
            nodes=statuses.NodeCount(ready=0, needed=1),
            pods=3,
        ),
    ),
    (
        router(),
        statuses.RouterStatus(
            observed_generation=1,
            conditions=(READY,),
            last_attempted_revision=COMMIT,
            last_applied_revision=COMMIT,
            last_handled_reconcile_at="now",
            networks=2,
            connected=("shared-services/hub",),
            waiting_for=("payments/hub",),
            nodes=statuses.NodeCount(ready=1, needed=1),
        ),
    ),
    (
        config(),
        statuses.ConfigStatus(
            observed_generation=1,
            conditions=(READY,),
            last_attempted_revision=COMMIT,
            last_applied_revision=COMMIT,
            last_handled_reconcile_at="now",
        ),
    ),
    (
        source(),
        statuses.SourceStatus(
            observed_generation=1,
            conditions=(READY,),
            last_handled_reconcile_at="now",
            last_attempted_revision=COMMIT,
            last_applied_revision=COMMIT,
            last_seen_revision=COMMIT,
            generation=4,
            confirmed=3,
            nodes=statuses.NodeTotal(ready=0, total=3),
            rollout=statuses.RolloutStatus(revision=COMMIT, stage="Canary", released=1, total=3, since=AT),
            problems=(PROBLEM,) * 20,
            problem_count=31,
            inventory=statuses.Inventory(entries=("ClusterConfig/cluster", "VirtualNetwork/shop/storefront")),
        ),
    ),
]


def written(cluster: Cluster, ref: ObjectRef, status: Json) -> Mapping[str, object]:
    """The status that stands after a write of it."""
    after = json.loads(cluster.api.patch(ref, {"status": status}, subresource="status"))
    found: Mapping[str, object] = after["status"]
    return found


@pytest.mark.parametrize(("candidate", "status"), FULL, ids=lambda part: getattr(part, "kind", ""))
def test_a_status_of_the_controller_is_kept_whole(
    cluster: Cluster, candidate: Candidate, status: statuses.ResourceStatus
) -> None:
    assert all(getattr(status, field) not in (None, (), "", 0) for field in status.__struct_fields__)
    sent = json.loads(msgspec.json.encode(status))
    assert written(cluster, created(cluster, candidate), sent) == sent


def test_a_status_of_an_agent_is_kept_whole(cluster: Cluster) -> None:
    status = NodeStatus(
        observed_generation=1,
        conditions=(
            AgentCondition(
                type="Ready", status="True", last_transition_time=AT, reason="Applied", message="In force."
            ),
        ),
        applied=AppliedPlan(revision=COMMIT, generation=4, digest=f"sha256:{'0' * 64}", at=AT),
        errors=("no",),
        warnings=("beware",),
        leaving=("av5",),
        networks=2,
        attachments=3,
        addresses=(AddressUse(network="shop/storefront", used=3),),
        agent_version="0.1.0",
    )
    sent = json.loads(msgspec.json.encode(status))
    assert written(cluster, created(cluster, node()), sent) == sent


def test_an_agent_that_has_just_started_may_say_so(cluster: Cluster) -> None:
    patch = NodeStatus(applied=AppliedPlan(digest=f"sha256:{'0' * 64}")).merge_patch()
    ref = created(cluster, node())
    after = json.loads(cluster.api.patch(ref, patch, subresource="status"))
    assert after["status"]["applied"]["at"] == ""


def test_a_plan_is_kept_whole(cluster: Cluster) -> None:
    plan = node_plan()
    action = PublishPlan(
        plan=plan, revision=Revision(COMMIT), generation=4, digest=codec.digest_of(codec.encode_plan(plan))
    )
    body = objects_of(action, epoch=1).node_network
    ref = ObjectRef(resource=NODE_NETWORKS, name=plan.name)
    stored = json.loads(cluster.api.apply(ref, body, field_manager=FIELD_MANAGER, force=False))
    assert stored["spec"] == body["spec"]


def test_a_part_of_a_plan_is_kept_whole(cluster: Cluster) -> None:
    ref = ObjectRef(resource=NODE_NETWORK_PARTS, name="node-a.0")
    body = {
        "apiVersion": "atoll.dev/v1alpha1",
        "kind": "NodeNetworkPart",
        "metadata": {"name": "node-a.0"},
        "spec": {"data": "H4sI"},
    }
    stored = json.loads(cluster.api.apply(ref, body, field_manager=FIELD_MANAGER, force=False))
    assert stored["spec"] == {"data": "H4sI"}


DECLARED = [candidate for candidate in ACCEPTED if candidate.kind != "NetworkSource"]


@pytest.mark.parametrize("candidate", DECLARED, ids=str)
def test_what_git_declares_is_kept_whole(cluster: Cluster, candidate: Candidate) -> None:
    files = {"candidate.json": json.dumps(candidate.body).encode()}
    if candidate.kind != "ClusterConfig":
        files["cluster.yaml"] = CLUSTER.encode()
    declarations = parse(files, revision=COMMIT).declarations
    assert declarations is not None
    for declared in declared_in(declarations).values():
        body = declared.body(COMMIT)
        stored = json.loads(
            cluster.api.apply(declared.key.ref, body, field_manager=FIELD_MANAGER, force=False)
        )
        assert stored["spec"] == body["spec"]
        assert stored["metadata"].get("finalizers", []) == list(declared.finalizers)
