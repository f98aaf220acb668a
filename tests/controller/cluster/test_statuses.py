"""What operators read of a network, a router and the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from compiler.catalogue import found
from compiler.names import NetworkNumber, NodeName, ObjectName
from compiler.problem import Origin
from controller.cluster.conflict import Contested, conflict
from controller.cluster.coverage import Coverage, Failure
from controller.cluster.deletion import Hold
from controller.cluster.resource_status import (
    MAX_COUNT,
    Condition,
    NetworkStatus,
    NodeCount,
    RouterStatus,
    SubnetUse,
)
from controller.cluster.statuses import (
    NetworkFacts,
    RouterFacts,
    Standing,
    addresses_used,
    config_status,
    network_status,
    router_status,
    subnet_uses,
)
from tests.compiler.declared import name, network, router
from tests.controller.cluster.mirroring import key

NOW, LATER = "2026-01-02T12:00:00Z", "2026-01-02T13:00:00Z"
RED = network("team-a/red", "10.1.0.0/24")
C1, C2 = "1a2b3c4d5e6f7a8b9c0d", "2b3c4d5e6f7a8b9c0d1e"
TWO = NodeName("node-2")
FULL = Coverage(needed=4, ready=4)
STANDING = Standing(generation=1, coverage=FULL, attempted=C1, applied=C1, changed_in=C1)
BROKEN = found(
    "ATL411",
    origin=Origin(path="networks.yaml", line=4, column=9),
    subject="VirtualNetwork team-a/red",
    reason="it overlaps",
    remedy="Choose another",
)
WARNING = found(
    "ATL753", origin=None, subject="VirtualNetwork team-a/red", reason="it fills", remedy="Add one"
)


def status(standing: Standing, previous: NetworkStatus | None = None, *, now: str = NOW) -> NetworkStatus:
    facts = NetworkFacts(standing=standing, network=RED, number=NetworkNumber(7), pods=2)
    return network_status(facts, previous, now=now)


def told(conditions: Sequence[Condition]) -> list[str]:
    return [f"{one.type}={one.status} {one.reason}: {one.message}" for one in conditions]


def of(standing: Standing) -> list[str]:
    return told(status(standing).conditions)


IN_SYNC = "InSync=True MatchesGit: As commit 1a2b3c4d5e6f declares it"


def test_a_network_in_force_everywhere_is_ready() -> None:
    made = status(STANDING)
    assert told(made.conditions) == [
        "Ready=True InForce: In force on 4 of 4 nodes, commit 1a2b3c4d5e6f",
        IN_SYNC,
    ]
    assert (made.number, made.pods, made.nodes) == (7, 2, NodeCount(ready=4, needed=4))
    assert (made.last_attempted_revision, made.last_applied_revision) == (C1, C1)
    assert made.observed_generation == 1


def test_a_network_that_no_node_needs_is_ready() -> None:
    assert of(replace(STANDING, coverage=Coverage()))[0] == (
        "Ready=True InForce: In force on no node, for none needs it, commit 1a2b3c4d5e6f"
    )


def test_nodes_that_are_still_applying_are_named() -> None:
    waiting = Coverage(needed=9, ready=5, waiting=(NodeName("node-1"), TWO, NodeName("node-3")))
    assert of(replace(STANDING, coverage=waiting)) == [
        "Ready=False Applying: In force on 5 of 9 nodes, commit 1a2b3c4d5e6f; "
        "node-1, node-2, node-3 and 1 more are applying",
        "Reconciling=True Applying: In force on 5 of 9 nodes, commit 1a2b3c4d5e6f; "
        "node-1, node-2, node-3 and 1 more are applying",
        IN_SYNC,
    ]


def test_a_node_that_failed_is_named_with_its_error_and_nothing_moves_any_more() -> None:
    failed = Coverage(
        needed=4, ready=3, failed=1, failures=(Failure(node=TWO, error="apply failed: no room"),)
    )
    text = "In force on 3 of 4 nodes, commit 1a2b3c4d5e6f; node-2: apply failed: no room"
    assert of(replace(STANDING, coverage=failed)) == [
        f"Ready=False NodesFailed: {text}",
        f"Stalled=True NodesFailed: {text}",
        IN_SYNC,
    ]


def test_while_others_are_applying_a_failure_is_no_stall() -> None:
    mixed = Coverage(
        needed=4, ready=2, failed=1, failures=(Failure(node=TWO, error="no room"),), waiting=(NodeName("n"),)
    )
    assert [one.partition(":")[0] for one in of(replace(STANDING, coverage=mixed))] == [
        "Ready=False NodesFailed",
        "Reconciling=True NodesFailed",
        "InSync=True MatchesGit",
    ]


def test_nodes_that_the_rollout_has_not_reached_are_counted() -> None:
    held = Coverage(needed=4, ready=1, held=3)
    assert of(replace(STANDING, coverage=held))[0] == (
        "Ready=False AwaitingRollout: In force on 1 of 4 nodes, commit 1a2b3c4d5e6f; "
        "3 nodes not reached by the rollout"
    )


def test_a_warning_is_told_beside() -> None:
    assert of(replace(STANDING, problems=(WARNING,)))[0] == (
        "Ready=True InForce: In force on 4 of 4 nodes, commit 1a2b3c4d5e6f; "
        "warning: ATL753: VirtualNetwork team-a/red: it fills. Add one"
    )


def test_a_refused_commit_leaves_the_network_ready_and_out_of_sync() -> None:
    assert of(replace(STANDING, attempted=C2, problems=(BROKEN,))) == [
        "Ready=True InForce: In force on 4 of 4 nodes, commit 1a2b3c4d5e6f",
        "InSync=False CommitRefused: Commit 2b3c4d5e6f7a is refused: networks.yaml:4:9: ATL411: "
        "VirtualNetwork team-a/red: it overlaps. Choose another",
    ]


def test_a_foreign_network_with_an_error_is_stalled() -> None:
    foreign = replace(STANDING, in_git=False, changed_in="", problems=(BROKEN,))
    text = (
        "networks.yaml:4:9: ATL411: VirtualNetwork team-a/red: it overlaps. Choose another; "
        "its last good version stays in force"
    )
    assert of(foreign) == [f"Ready=False Invalid: {text}", f"Stalled=True Invalid: {text}"]


def test_a_foreign_network_says_nothing_of_git() -> None:
    foreign = replace(STANDING, in_git=False, attempted="", applied="", changed_in="")
    assert of(foreign) == ["Ready=True InForce: In force on 4 of 4 nodes"]
    assert status(foreign).last_applied_revision == ""


def test_before_any_commit_a_network_waits() -> None:
    assert of(replace(STANDING, in_git=False, in_force=False, applied="")) == [
        "Ready=False AwaitingCommit: Not in force yet: it waits for a commit that compiles",
        "Reconciling=True AwaitingCommit: Not in force yet: it waits for a commit that compiles",
    ]


def test_a_conflict_names_the_field_the_manager_and_the_way_out() -> None:
    contested = conflict(key("team-a/red"), [Contested(field=".spec.egress", manager="kubectl-edit")])
    assert of(replace(STANDING, conflict=contested))[-1] == (
        "InSync=False ConflictWithGit: Git says otherwise, and rules: .spec.egress is owned by kubectl-edit. "
        "Take the field out of what `kubectl-edit` applies, or change it in Git"
    )


def test_what_could_not_be_written_is_out_of_sync() -> None:
    assert of(replace(STANDING, write_error="namespace team-a does not exist"))[-1] == (
        "InSync=False NotWritten: namespace team-a does not exist"
    )


@pytest.mark.parametrize(
    ("hold", "text"),
    [
        (
            Hold(users=tuple(name(f"team-a/p{n}") for n in range(5))),
            "Ready=False InUse: Deletion waits while 5 pods use it: team-a/p0, team-a/p1, team-a/p2 "
            "and 2 more; delete them, or name it in spec.confirmDeletionOf of the ClusterConfig",
        ),
        (
            Hold(unconfirmed=40),
            "Ready=False DeletionUnconfirmed: Deletion waits, for 40 networks are being deleted at once: "
            "name it in spec.confirmDeletionOf of the ClusterConfig",
        ),
        (None, "Ready=False Deleting: Deletion is under way"),
    ],
)
def test_a_deletion_that_waits_says_for_what(hold: Hold | None, text: str) -> None:
    assert of(replace(STANDING, in_git=False, terminating=True, hold=hold))[0] == text


def test_a_deletion_of_what_git_declares_says_that_it_comes_back() -> None:
    assert of(replace(STANDING, terminating=True))[0] == (
        "Ready=False Deleting: Deleted by hand while Git declares it: it stays in force, "
        "and the resource comes back"
    )


def test_the_time_of_a_condition_moves_only_when_it_turns() -> None:
    first = status(STANDING)
    waiting = replace(STANDING, coverage=Coverage(needed=4, ready=3, waiting=(TWO,)))
    second = status(waiting, first, now=LATER)
    assert [(one.type, one.last_transition_time) for one in second.conditions] == [
        ("Ready", LATER),
        ("Reconciling", LATER),
        ("InSync", NOW),
    ]


def test_a_commit_that_changes_nothing_of_the_network_changes_nothing_of_its_status() -> None:
    first = status(STANDING)
    assert status(replace(STANDING, attempted=C2, applied=C2), first, now=LATER) is first


def test_a_commit_that_changes_the_resource_is_told() -> None:
    first = status(STANDING)
    second = status(replace(STANDING, attempted=C2, applied=C2, changed_in=C2), first, now=LATER)
    assert second.last_applied_revision == C2
    assert second.conditions[0].message == "In force on 4 of 4 nodes, commit 2b3c4d5e6f7a"
    assert second.conditions[0].last_transition_time == NOW


def test_the_next_thing_that_changes_tells_the_commit_in_force() -> None:
    first = status(STANDING)
    later = replace(STANDING, attempted=C2, applied=C2, coverage=Coverage(needed=5, ready=5))
    assert status(later, first, now=LATER).last_applied_revision == C2


def test_the_request_for_work_is_echoed() -> None:
    assert status(replace(STANDING, requested_at="monday")).last_handled_reconcile_at == "monday"


def test_addresses_are_counted_without_the_ends_of_a_subnet() -> None:
    declared = network("team-a/red", "10.1.0.0/29", "10.2.0.0/31")
    used = addresses_used(declared, [ip_address("10.1.0.2"), ip_address("10.1.0.3"), ip_address("10.9.0.1")])
    assert used == {ip_network("10.1.0.0/29"): 2, ip_network("10.2.0.0/31"): 0}
    assert subnet_uses(declared, used) == (
        SubnetUse(subnet="10.1.0.0/29", total=6, used=2, free=4),
        SubnetUse(subnet="10.2.0.0/31", total=2, used=0, free=2),
    )


def test_a_subnet_of_ipv6_has_no_more_addresses_than_the_api_can_count() -> None:
    (use,) = subnet_uses(network("team-a/red", "fd00:1::/64"), {})
    assert (use.total, use.free) == (MAX_COUNT, MAX_COUNT)


def test_as_many_pods_fit_as_the_scarcer_family_has_addresses() -> None:
    dual = network("team-a/red", "10.1.0.0/29", "10.1.1.0/29", "fd00:1::/64")
    facts = NetworkFacts(standing=STANDING, network=dual, used={ip_network("10.1.0.0/29"): 5})
    assert network_status(facts, None, now=NOW).free == 7


MESH = router("team-a/all", "mesh")
HUB = router("team-a/hub", "hub")
SPOKE = name("team-b/spoke")


def routed(**facts: object) -> RouterStatus:
    given: dict[str, object] = {"standing": STANDING, "router": HUB, "networks": 2, **facts}
    return router_status(RouterFacts(**given), None, now=NOW)  # type: ignore[arg-type]  # keywords by name


def test_a_router_says_whom_it_connects_and_whom_it_waits_for() -> None:
    made = routed(connected=(name("team-b/z"), name("team-b/a")), waiting_for=(SPOKE,))
    assert (made.networks, made.connected, made.waiting_for) == (
        2,
        ("team-b/a", "team-b/z"),
        ("team-b/spoke",),
    )
    assert told(made.conditions)[0] == (
        "Ready=True InForce: In force on 4 of 4 nodes, commit 1a2b3c4d5e6f; "
        "it waits for the consent of team-b/spoke"
    )


def test_a_router_that_only_waits_is_not_ready_and_not_stalled() -> None:
    assert told(routed(waiting_for=(SPOKE,)).conditions) == [
        "Ready=False AwaitingConsent: Connects nothing yet, commit 1a2b3c4d5e6f; "
        "it waits for the consent of team-b/spoke",
        IN_SYNC,
    ]


@pytest.mark.parametrize(("networks", "ready"), [(1, "False"), (2, "True")])
def test_a_mesh_of_two_networks_connects_by_itself(networks: int, ready: str) -> None:
    made = routed(router=MESH, networks=networks, waiting_for=(SPOKE,))
    assert made.conditions[0].status == ready


def test_a_router_that_connects_nothing_and_waits_for_nobody_is_in_force() -> None:
    assert routed(networks=0).conditions[0].reason == "InForce"


def test_a_configuration_has_a_status_too() -> None:
    assert told(config_status(STANDING, None, now=NOW).conditions) == [
        "Ready=True InForce: In force, commit 1a2b3c4d5e6f",
        IN_SYNC,
    ]


def test_a_very_long_message_is_cut() -> None:
    long = Coverage(needed=2, ready=1, failed=1, failures=(Failure(node=TWO, error="x" * 9000),))
    assert len(status(replace(STANDING, coverage=long)).conditions[0].message) == 2000


def test_pods_in_messages_are_named_as_objects() -> None:
    hold = Hold(users=(ObjectName(namespace="team-a", name="web"),))
    text = of(replace(STANDING, in_git=False, terminating=True, hold=hold))[0]
    assert text.startswith("Ready=False InUse: Deletion waits while 1 pod uses it: team-a/web;")
