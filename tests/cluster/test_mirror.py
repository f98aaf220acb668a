"""The mirror, the statuses and the events on a real API server: its own rules of ownership decide."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import pytest

from compiler.model import Egress, LabelSelector
from compiler.names import ObjectName
from controller.cluster.actions import GiveUp, WriteStatus
from controller.cluster.conflict import Contested
from controller.cluster.declared import Source
from controller.cluster.objects import (
    IN_USE,
    ObservedSource,
    ResourceKey,
    decode_source,
)
from controller.cluster.resource_status import (
    Condition,
    ConfigStatus,
    Inventory,
    NetworkStatus,
    NodeCount,
    NodeTotal,
    ResourceStatus,
    RolloutStatus,
    RouterStatus,
    SourceStatus,
    SubnetUse,
)
from controller.cluster.transitions import ClusterEvent, Subject
from controller.status import ProblemRecord
from kube.api import Json, ObjectRef
from kube.kinds import (
    NETWORK_SOURCES,
    NODE_NETWORKS,
)
from tests.cluster.scene import Cluster
from tests.compiler.declared import cluster_config, network, place, router, where
from tests.controller.cluster.mirroring import Mirroring


@dataclass(kw_only=True, slots=True)
class Stage(Mirroring):
    cluster: Cluster
    team: str
    """A namespace."""

    def turn(self) -> list[str]:
        return [line.replace(self.team, "team") for line in Mirroring.turn(self)]

    def key(self, name: str, kind: str = "VirtualNetwork") -> ResourceKey:
        return ResourceKey(kind=kind, namespace=self.team, name=name)

    def patch(self, name: str, patch: Json, *, manager: str = "kubectl-patch") -> None:
        self.cluster.plane.kubectl(
            "patch", "vn", name, "-n", self.team, "--type=merge", f"--field-manager={manager}", "-p",
            json.dumps(patch),
        )  # fmt: skip

    def apply_as(self, manager: str, name: str, spec: Json) -> None:
        """Apply a network server-side as another GitOps engine would."""
        key = self.key(name)
        body = {
            "apiVersion": "atoll.dev/v1alpha1",
            "kind": "VirtualNetwork",
            "metadata": {"name": name, "namespace": self.team},
            "spec": spec,
        }
        self.cluster.api.apply(key.ref, body, field_manager=manager, force=False)


@pytest.fixture
def stage(cluster: Cluster) -> Stage:
    return Stage(api=cluster.api, cluster=cluster, team=cluster.namespace())


def red(stage: Stage) -> Source:
    return network(f"{stage.team}/red", "10.1.0.0/24", "fd00:1::/64")


def everything(stage: Stage) -> tuple[Source, ...]:
    """Every field that a declaration can have."""
    config = replace(
        cluster_config(dns=place("kube-system/dns", "192.0.2.53", ports=(("UDP", 53),))),
        confirm_deletion_of=(ObjectName(namespace=stage.team, name="old"),),
    )
    selector = where(tier="web", **{"example.org/stage": "test"})
    return (
        config,
        network(
            f"{stage.team}/red",
            "fd00:1::/64",
            "10.1.0.0/24",
            allowed=LabelSelector(),
            infrastructure=(ObjectName(namespace="kube-system", name="dns"),),
            tier="web",
        ),
        network(f"{stage.team}/sea", "10.2.0.0/24", infrastructure=(), egress=Egress.SNAT),
        router(
            f"{stage.team}/hub", "hub", selector, imports=[(selector, where(a="b")), (where(c="d"), None)]
        ),
        router(f"{stage.team}/all", "mesh"),
    )


def test_what_is_applied_is_what_stands_and_nobody_applies_it_again(stage: Stage) -> None:
    stage.commit("c1", *everything(stage))
    assert len(stage.turn()) == 5
    assert stage.last.failures == ()
    for key, declared in stage.declared.items():
        assert stage.get(key).spec == declared.spec
    assert stage.turn() == []
    stage.restart()
    assert stage.turn() == []
    assert stage.executor.conflicts == {}


def test_a_field_that_somebody_edits_is_reported_with_its_manager_and_not_forced(stage: Stage) -> None:
    stage.commit("c1", red(stage))
    stage.turn()
    stage.patch("red", {"spec": {"egress": "snat"}})
    assert stage.turn() == ["apply VirtualNetwork/team/red of commit c1"]
    assert stage.executor.conflicts[stage.key("red")].fields == (
        Contested(field=".spec.egress", manager="kubectl-patch"),
    )
    assert stage.turn() == []
    assert json.loads(stage.get(stage.key("red")).spec)["egress"] == "snat"


def test_a_conflict_ends_when_the_other_takes_the_field_back(stage: Stage) -> None:
    stage.commit("c1", red(stage))
    stage.turn()
    stage.patch("red", {"spec": {"egress": "snat"}})
    stage.turn()
    stage.patch("red", {"spec": {"egress": "none"}})
    assert stage.turn() == ["apply VirtualNetwork/team/red of commit c1"]
    assert stage.executor.conflicts == {}
    assert stage.turn() == []


def test_a_subnet_that_somebody_adds_is_reported(stage: Stage) -> None:
    stage.commit("c1", red(stage))
    stage.turn()
    stage.patch("red", {"spec": {"subnets": ["10.1.0.0/24", "fd00:1::/64", "10.9.0.0/24"]}})
    stage.turn()
    assert stage.executor.conflicts[stage.key("red")].fields == (
        Contested(field=".spec.subnets", manager="kubectl-patch"),
    )
    assert stage.turn() == []


def test_a_field_that_git_leaves_out_and_somebody_adds_is_reported(stage: Stage) -> None:
    stage.commit("c1", red(stage))
    stage.turn()
    stage.patch("red", {"spec": {"allowedNamespaces": {}}})
    stage.turn()
    assert stage.executor.conflicts[stage.key("red")].fields == (
        Contested(field=".spec.allowedNamespaces", manager="kubectl-patch"),
    )
    assert stage.turn() == []


def test_what_git_takes_out_of_a_declaration_goes(stage: Stage) -> None:
    labelled = network(f"{stage.team}/red", "10.1.0.0/24", allowed=LabelSelector(), tier="web")
    stage.commit("c1", labelled)
    stage.turn()
    stage.restart()
    stage.commit("c2", network(f"{stage.team}/red", "10.1.0.0/24"))
    assert stage.turn() == ["apply VirtualNetwork/team/red of commit c2"]
    left = stage.get(stage.key("red"))
    assert left.metadata.labels == {}
    assert "allowedNamespaces" not in json.loads(left.spec)
    assert stage.turn() == []


def test_subnets_in_another_order_are_applied_once(stage: Stage) -> None:
    stage.commit("c1", network(f"{stage.team}/red", "10.1.0.0/24", "10.2.0.0/24"))
    stage.turn()
    stage.commit("c2", network(f"{stage.team}/red", "10.2.0.0/24", "10.1.0.0/24"))
    assert stage.turn() == ["apply VirtualNetwork/team/red of commit c2"]
    assert stage.executor.conflicts == {}
    assert stage.turn() == []


def test_what_is_pruned_is_gone_and_leaves_the_inventory(stage: Stage) -> None:
    stage.commit("c1", *everything(stage))
    stage.turn()
    stage.commit("c2", *everything(stage)[:2])
    assert stage.turn() == [
        "prune VirtualNetwork/team/sea",
        "prune VirtualNetworkRouter/team/all",
        "prune VirtualNetworkRouter/team/hub",
    ]
    assert stage.turn() == ["release finalizer of VirtualNetwork/team/sea"]
    assert stage.turn() == []
    assert [str(key) for key in stage.inventory] == [
        "ClusterConfig/cluster",
        f"VirtualNetwork/{stage.team}/red",
    ]


def test_a_network_that_pods_use_outlives_kubectl_delete(stage: Stage) -> None:
    stage.apply_as("kubectl", "blue", {"subnets": ["10.3.0.0/24"]})
    assert stage.turn() == ["add finalizer to VirtualNetwork/team/blue"]
    stage.users = {
        ObjectName(namespace=stage.team, name="blue"): (ObjectName(namespace=stage.team, name="web"),)
    }
    stage.cluster.plane.kubectl("delete", "vn", "blue", "-n", stage.team, "--wait=false")
    assert stage.turn() == []
    assert stage.get(stage.key("blue")).metadata.terminating
    stage.users = {}
    assert stage.turn() == ["release finalizer of VirtualNetwork/team/blue"]
    assert stage.observed() == {}


def test_what_another_engine_declares_too_is_left_to_it(stage: Stage) -> None:
    stage.commit("c1", red(stage))
    stage.turn()
    stage.apply_as("flux", "red", json.loads(stage.get(stage.key("red")).spec))
    stage.commit("c2")
    assert stage.turn() == ["give up VirtualNetwork/team/red"]
    assert stage.turn() == ["add finalizer to VirtualNetwork/team/red"]
    left = stage.get(stage.key("red"))
    assert left.metadata.ours is None
    assert (left.metadata.revision, left.metadata.origin, left.metadata.finalizers) == ("", "", (IN_USE,))
    assert stage.turn() == []
    assert stage.inventory == ()


def test_giving_up_what_is_gone_makes_nothing(stage: Stage) -> None:
    stage.commit("c1", red(stage))
    stage.turn()
    metadata = stage.get(stage.key("red")).metadata
    stage.commit("c2")
    stage.turn()
    stage.turn()
    done = stage.executor.execute(
        [GiveUp(key=stage.key("red"), uid=metadata.uid, over=metadata.resource_version)]
    )
    assert done.failures == ()
    assert stage.observed() == {}


def test_a_namespace_that_is_missing_stops_no_other_network(stage: Stage) -> None:
    stage.commit("c1", network("nowhere/red", "10.1.0.0/24"), red(stage))
    stage.turn()
    (failure,) = stage.last.failures
    assert failure.error == (
        "namespace nowhere does not exist; create it, or take what is declared in it out of Git"
    )
    assert [str(key) for key in stage.observed()] == [f"VirtualNetwork/{stage.team}/red"]


def test_what_the_schema_refuses_is_told_in_its_words(stage: Stage) -> None:
    stage.commit("c1", network(f"{stage.team}/{'x' * 70}", "10.1.0.0/24"), red(stage))
    stage.turn()
    (failure,) = stage.last.failures
    assert "has more than 63 characters" in failure.error


CONDITION = Condition(
    type="Ready",
    status="True",
    observed_generation=1,
    last_transition_time="2026-01-02T12:00:00Z",
    reason="InForce",
    message="In force",
)
NETWORK = NetworkStatus(
    observed_generation=1,
    conditions=(CONDITION,),
    last_attempted_revision="c1",
    last_applied_revision="c1",
    last_handled_reconcile_at="now",
    number=7,
    addresses=(SubnetUse(subnet="fd00:1::/64", total=2**63 - 1, used=1, free=2**63 - 2),),
    free=0,
    nodes=NodeCount(ready=0, needed=1),
    pods=0,
)
ROUTER = RouterStatus(
    observed_generation=1,
    conditions=(CONDITION,),
    last_attempted_revision="c1",
    last_applied_revision="c1",
    last_handled_reconcile_at="now",
    networks=0,
    connected=("a/b",),
    waiting_for=("c/d",),
    nodes=NodeCount(ready=0, needed=0),
)
CONFIG = ConfigStatus(
    observed_generation=1,
    conditions=(CONDITION,),
    last_attempted_revision="c1",
    last_applied_revision="c1",
    last_handled_reconcile_at="now",
)
SOURCE = SourceStatus(
    observed_generation=1,
    conditions=(CONDITION,),
    last_handled_reconcile_at="now",
    last_attempted_revision="c2",
    last_applied_revision="c1",
    last_seen_revision="c2",
    generation=12,
    confirmed=11,
    nodes=NodeTotal(ready=1, total=2),
    rollout=RolloutStatus(revision="c1", stage="Canary", released=1, total=2, since="2026-01-02T12:00:00Z"),
    problems=(
        ProblemRecord(
            code="ATL411",
            severity="error",
            path="n.yaml",
            line=1,
            column=2,
            subject="s",
            reason="r",
            remedy="m",
        ),
    ),
    problem_count=1,
    inventory=Inventory(entries=("VirtualNetwork/a/b",)),
)


def written(stage: Stage, key: ResourceKey, before: ResourceStatus | None, status: ResourceStatus) -> None:
    done = stage.executor.execute([WriteStatus(key=key, over="", before=before, status=status)])
    assert done.failures == ()


def test_every_field_of_a_status_stands_in_the_definitions_and_goes_again(stage: Stage) -> None:
    stage.commit("c1", *everything(stage))
    stage.turn()
    cases: list[tuple[ResourceKey, ResourceStatus, ResourceStatus]] = [
        (stage.key("red"), NETWORK, NetworkStatus(number=7)),
        (stage.key("hub", "VirtualNetworkRouter"), ROUTER, RouterStatus(networks=1)),
        (
            ResourceKey(kind="ClusterConfig", namespace="", name="cluster"),
            CONFIG,
            ConfigStatus(conditions=(CONDITION,)),
        ),
    ]
    for key, status, later in cases:
        written(stage, key, None, status)
        assert stage.get(key).status == status
        stage.restart()
        written(stage, key, status, later)
        assert stage.get(key).status == later
    assert stage.turn() == []


def source(stage: Stage) -> ResourceKey:
    key = ResourceKey(kind="NetworkSource", namespace=stage.team, name="main")
    body = {
        "apiVersion": "atoll.dev/v1alpha1",
        "kind": "NetworkSource",
        "metadata": {"name": "main"},
        "spec": {"url": "https://git.example.org/networks", "rollout": {"canary": {}, "share": "25%"}},
    }
    stage.cluster.api.create(NETWORK_SOURCES, body, namespace=stage.team)
    return key


def test_every_field_of_a_sources_status_stands_in_the_definition(stage: Stage) -> None:
    key = source(stage)
    written(stage, key, None, SOURCE)
    found = decode_source(key, stage.cluster.api.get(key.ref))
    assert isinstance(found, ObservedSource)
    assert found.status == SOURCE
    assert found.spec.rollout is not None
    assert found.spec.rollout.share == "25%"


def test_kubectl_describe_shows_the_events_of_every_kind(stage: Stage) -> None:
    stage.commit("c1", red(stage), cluster_config())
    stage.turn()
    node = {
        "apiVersion": "atoll.dev/v1alpha1",
        "kind": "NodeNetwork",
        "metadata": {"name": "node-1"},
        "spec": {
            "revision": "c1",
            "generation": 1,
            "digest": f"sha256:{'0' * 64}",
            "number": 1,
            "address": "192.0.2.1",
            "plan": "H4sI",
        },
    }
    stage.cluster.api.create(NODE_NETWORKS, node)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web"},
        "spec": {"containers": [{"name": "web", "image": "web"}], "automountServiceAccountToken": False},
    }
    stage.cluster.plane.kubectl("create", "-n", stage.team, "-f", "-", input=json.dumps(pod))
    cases = (
        (stage.key("red"), ("vn", "red", "-n", stage.team)),
        (ResourceKey(kind="ClusterConfig", namespace="", name="cluster"), ("acc", "cluster")),
        (ResourceKey(kind="NodeNetwork", namespace="", name="node-1"), ("nn", "node-1")),
        (ResourceKey(kind="Pod", namespace=stage.team, name="web"), ("pod", "web", "-n", stage.team)),
    )
    events = [
        ClusterEvent(
            regarding=Subject(key=key, uid=uid_of(stage, key.ref)),
            reason="InForce",
            action="Apply",
            note=f"In force: {key.kind}",
        )
        for key, _ in cases
    ]
    assert stage.executor.execute(events=events).failures == ()
    for key, arguments in cases:
        shown = stage.cluster.plane.kubectl("describe", *arguments)
        line = next(line for line in shown.splitlines() if "InForce" in line)
        assert line.split() == [
            "Normal",
            "InForce",
            line.split()[2],
            "atoll.dev/controller",
            "In",
            "force:",
            key.kind,
        ]


def uid_of(stage: Stage, ref: ObjectRef) -> str:
    return str(json.loads(stage.cluster.api.get(ref))["metadata"]["uid"])
