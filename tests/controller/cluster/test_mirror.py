"""Resources follow Git, and nothing else is touched."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from compiler.model import Egress
from compiler.names import ObjectName
from controller.cluster.actions import Apply, GiveUp, Prune, describe
from controller.cluster.conflict import Contested
from controller.cluster.declared import resource_of
from controller.cluster.mirror import additions, mirror, next_inventory
from controller.cluster.objects import IN_USE, Observed, Undecodable, decode
from kube.api import Json
from kube.kinds import VIRTUAL_NETWORKS
from tests.compiler.declared import cluster_config, network, router, where
from tests.controller.cluster.mirroring import Stage, key

RED = network("team-a/red", "10.1.0.0/24", line=1)
SEA = network("team-a/sea", "10.2.0.0/24", line=9)
BY_HAND = {
    "metadata": {"name": "blue"},
    "spec": {"subnets": ["10.3.0.0/24"], "egress": "none"},
}


def by_hand(stage: Stage) -> None:
    stage.api.beside("kubectl").create(VIRTUAL_NETWORKS, BY_HAND, namespace="team-a")


def test_everything_that_a_commit_declares_is_applied_the_configuration_first() -> None:
    stage = Stage()
    stage.commit("c1", router("team-a/all", "mesh"), RED, cluster_config())
    assert stage.turn() == [
        "apply ClusterConfig/cluster of commit c1",
        "apply VirtualNetwork/team-a/red of commit c1",
        "apply VirtualNetworkRouter/team-a/all of commit c1",
    ]
    assert stage.get(key("team-a/red")).metadata.revision == "c1"


def test_a_second_turn_finds_nothing_to_do() -> None:
    stage = Stage()
    stage.commit("c1", router("team-a/all", "mesh"), RED, cluster_config())
    stage.turn()
    assert stage.turn() == []


def test_a_new_leader_finds_nothing_to_do() -> None:
    stage = Stage()
    stage.commit("c1", RED, cluster_config())
    stage.turn()
    stage.restart()
    assert stage.turn() == []


def test_a_commit_rewrites_only_what_it_changes() -> None:
    stage = Stage()
    stage.commit("c1", RED, SEA)
    stage.turn()
    stage.commit("c2", RED, network("team-a/sea", "10.2.0.0/24", egress=Egress.SNAT))
    assert stage.turn() == ["apply VirtualNetwork/team-a/sea of commit c2"]
    assert stage.get(key("team-a/red")).metadata.revision == "c1"
    assert stage.get(key("team-a/sea")).metadata.revision == "c2"


def test_a_line_that_moves_in_its_file_is_no_change() -> None:
    stage = Stage()
    stage.commit("c1", RED)
    stage.turn()
    stage.commit("c2", network("team-a/red", "10.1.0.0/24", line=77))
    assert stage.turn() == []


def test_a_label_that_goes_is_taken_from_the_resource() -> None:
    stage = Stage()
    stage.commit("c1", network("team-a/red", "10.1.0.0/24", tier="web"))
    stage.turn()
    stage.commit("c2", RED)
    assert stage.turn() == ["apply VirtualNetwork/team-a/red of commit c2"]
    assert stage.get(key("team-a/red")).metadata.labels == {}
    assert stage.turn() == []


def test_labels_that_others_add_are_theirs() -> None:
    stage = Stage()
    stage.commit("c1", RED)
    stage.turn()
    stage.edit(key("team-a/red"), {"metadata": {"labels": {"owner": "somebody"}}})
    assert stage.turn() == []


def test_a_field_that_another_manager_took_is_tried_once_and_reported() -> None:
    stage = Stage()
    stage.commit("c1", RED)
    stage.turn()
    stage.edit(key("team-a/red"), {"spec": {"egress": "snat"}})
    assert stage.turn() == ["apply VirtualNetwork/team-a/red of commit c1"]
    assert stage.executor.conflicts[key("team-a/red")].fields == (
        Contested(field=".spec.egress", manager="kubectl-edit"),
    )
    assert stage.turn() == []
    assert stage.body(key("team-a/red"))["spec"] == {
        "egress": "snat",
        "infrastructure": {"services": ["dns", "api"]},
        "subnets": ["10.1.0.0/24"],
    }


def test_a_conflict_is_tried_again_when_the_object_changes() -> None:
    stage = Stage()
    stage.commit("c1", RED)
    stage.turn()
    stage.edit(key("team-a/red"), {"spec": {"egress": "snat"}})
    stage.turn()
    stage.edit(key("team-a/red"), {"spec": {"egress": "none"}})
    assert stage.turn() == ["apply VirtualNetwork/team-a/red of commit c1"]
    assert stage.executor.conflicts == {}


def test_a_conflict_is_tried_again_when_the_declaration_changes() -> None:
    stage = Stage()
    stage.commit("c1", RED)
    stage.turn()
    stage.edit(key("team-a/red"), {"spec": {"egress": "snat"}})
    stage.turn()
    stage.commit("c2", network("team-a/red", "10.1.0.0/24", egress=Egress.SNAT))
    assert stage.turn() == ["apply VirtualNetwork/team-a/red of commit c2"]
    assert stage.executor.conflicts == {}
    assert stage.turn() == []


def test_a_status_that_is_written_is_no_reason_to_apply_again() -> None:
    stage = Stage()
    stage.commit("c1", RED)
    stage.turn()
    stage.edit(key("team-a/red"), {"spec": {"egress": "snat"}})
    stage.turn()
    stage.api.patch(key("team-a/red").ref, {"status": {"pods": 3}}, subresource="status")
    assert stage.turn() == []


def test_a_field_that_others_add_and_git_leaves_out_is_reported_once_applied() -> None:
    stage = Stage()
    stage.commit("c1", RED)
    stage.turn()
    stage.edit(key("team-a/red"), {"spec": {"allowedNamespaces": {}}})
    stage.turn()
    assert [one.field for one in stage.executor.conflicts[key("team-a/red")].fields] == [
        ".spec.allowedNamespaces"
    ]
    assert stage.turn() == []


def test_the_order_of_a_list_is_no_difference() -> None:
    declared = resource_of(network("team-a/red", "10.1.0.0/24", "fd00:1::/64"))
    spec = declared.spec.replace(b'"10.1.0.0/24","fd00:1::/64"', b'"fd00:1::/64","10.1.0.0/24"')
    stands = decode(declared.key, b'{"metadata": {"uid": "u"}, "spec": ' + spec + b"}")
    assert isinstance(stands, Observed)
    assert stands.spec != declared.spec
    assert additions(declared, stands) is None


def test_what_git_no_longer_declares_is_pruned() -> None:
    stage = Stage()
    stage.commit("c1", RED, SEA, cluster_config())
    stage.turn()
    stage.commit("c2", RED, cluster_config())
    assert stage.turn() == ["prune VirtualNetwork/team-a/sea"]
    assert stage.turn() == ["release finalizer of VirtualNetwork/team-a/sea"]
    assert stage.keys() == ["ClusterConfig/cluster", "VirtualNetwork/team-a/red"]
    stage.turn()
    assert [str(one) for one in stage.inventory] == ["ClusterConfig/cluster", "VirtualNetwork/team-a/red"]


def test_the_inventory_holds_what_is_to_be_made_before_it_is_made() -> None:
    stage = Stage()
    stage.commit("c1", RED)
    stage.decide()
    assert stage.inventory == (key("team-a/red"),)


def test_what_the_inventory_does_not_list_is_never_pruned() -> None:
    stage = Stage()
    stage.commit("c1", RED, SEA)
    stage.turn()
    stage.inventory = ()
    stage.commit("c2", RED)
    assert stage.turn() == []
    assert key("team-a/sea") not in stage.inventory


def test_an_object_by_hand_is_left_alone_but_for_the_finalizer() -> None:
    stage = Stage()
    by_hand(stage)
    stage.commit("c1", RED)
    assert stage.turn() == [
        "add finalizer to VirtualNetwork/team-a/blue",
        "apply VirtualNetwork/team-a/red of commit c1",
    ]
    assert stage.get(key("team-a/blue")).metadata.finalizers == (IN_USE,)
    assert stage.turn() == []


def test_only_the_keys_that_were_touched_are_looked_at() -> None:
    stage = Stage()
    stage.commit("c1", RED, SEA)
    assert [describe(one) for one in stage.decide(keys={key("team-a/sea")})] == [
        "apply VirtualNetwork/team-a/sea of commit c1"
    ]


def test_an_object_that_cannot_be_understood_stops_no_other() -> None:
    declared = {one.key: one for one in map(resource_of, (RED, SEA))}
    broken = Undecodable(key=key("team-a/red"), reason="spec is no object")
    actions = mirror(declared, {broken.key: broken}, (broken.key,), revision="c1")
    assert [describe(one) for one in actions] == ["apply VirtualNetwork/team-a/sea of commit c1"]
    assert next_inventory((), {broken.key: broken}, (broken.key,)) == (broken.key,)


def owned(manager: str, *fields: str, labels: tuple[str, ...] = ()) -> Json:
    """An entry of managedFields."""
    spec: Json = {f"f:{name}": {} for name in fields}
    metadata: Json = {"f:labels": {".": {}, **{f"f:{name}": {} for name in labels}}}
    fields_v1 = {"f:spec": spec, "f:metadata": metadata}
    return {"manager": manager, "operation": "Apply", "fieldsV1": fields_v1}


OURS = owned("atoll-controller", "subnets", "egress")
STATUS = {"manager": "atoll", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {}}}
FLUX_WHOLE = owned("flux", "subnets", "egress")
FLUX_PART = owned("flux", "egress")


def observed(*owners: Json) -> Observed:
    """Network team-a/red, as its declaration has it."""
    metadata = {
        "uid": "u",
        "resourceVersion": "7",
        "finalizers": ["atoll.dev/in-use"],
        "annotations": {"atoll.dev/origin": "networks.yaml:1", "atoll.dev/revision": "c1"},
        "managedFields": owners,
    }
    body = {"metadata": metadata, "spec": msgspec.Raw(resource_of(RED).spec)}
    found = decode(key("team-a/red"), msgspec.json.encode(body))
    assert isinstance(found, Observed)
    return found


def test_an_object_that_others_declare_whole_is_given_up_not_deleted() -> None:
    stands = observed(OURS, FLUX_WHOLE)
    actions = mirror({}, {stands.key: stands}, (stands.key,), revision="c2")
    assert actions == (GiveUp(key=stands.key, uid="u", over="7"),)


def test_an_object_that_would_not_be_whole_without_us_is_deleted() -> None:
    stands = observed(OURS, FLUX_PART, STATUS)
    actions = mirror({}, {stands.key: stands}, (stands.key,), revision="c2")
    assert actions == (Prune(key=stands.key, uid="u", over="7"),)


def test_an_object_that_is_no_longer_ours_is_not_pruned_and_leaves_the_inventory() -> None:
    stands = observed(FLUX_WHOLE)
    assert mirror({}, {stands.key: stands}, (stands.key,), revision="c2") == ()
    assert next_inventory((), {stands.key: stands}, (stands.key,)) == ()


def test_what_another_made_just_as_git_declares_it_is_applied_to_be_ours_too() -> None:
    declared, stands = resource_of(RED), observed(FLUX_WHOLE)
    actions = mirror({declared.key: declared}, {stands.key: stands}, (), revision="c2")
    assert actions == (Apply(key=declared.key, declared=declared, revision="c1", stands=stands),)


def test_a_declaration_in_another_file_tells_so() -> None:
    declared = resource_of(RED)
    stands = observed(OURS)
    assert mirror({declared.key: declared}, {stands.key: stands}, (), revision="c2") == ()
    moved = replace(declared, path="other.yaml")
    actions = mirror({moved.key: moved}, {stands.key: stands}, (), revision="c2")
    assert [describe(one) for one in actions] == ["apply VirtualNetwork/team-a/red of commit c2"]


def test_a_label_that_we_own_and_no_longer_declare_is_applied_away() -> None:
    ours = owned("atoll-controller", "subnets", labels=("tier",))
    declared, stands = resource_of(RED), observed(ours)
    actions = mirror({declared.key: declared}, {stands.key: stands}, (), revision="c2")
    assert [describe(one) for one in actions] == ["apply VirtualNetwork/team-a/red of commit c1"]


def test_a_network_that_git_declares_and_somebody_deletes_comes_back() -> None:
    stage = Stage()
    stage.commit("c1", RED)
    stage.turn()
    stage.users = {ObjectName(namespace="team-a", name="red"): (ObjectName(namespace="team-a", name="web"),)}
    stage.delete(key("team-a/red"))
    assert stage.turn() == ["release finalizer of VirtualNetwork/team-a/red"]
    stage.clock.seconds += 10
    assert stage.turn() == ["apply VirtualNetwork/team-a/red of commit c1"]
    assert not stage.get(key("team-a/red")).metadata.terminating


def test_selectors_in_applied_routers_are_stable() -> None:
    stage = Stage()
    stage.commit("c1", router("team-a/all", "hub", where(tier="web"), imports=[(where(a="b"), where())]))
    stage.turn()
    stage.restart()
    assert stage.turn() == []


def test_before_it_is_known_which_commit_is_in_force_nothing_is_pruned() -> None:
    stage = Stage()
    stage.commit("c1", RED)
    stage.turn()
    by_hand(stage)
    actions = mirror(None, stage.observed(), stage.inventory, revision="")
    assert [describe(one) for one in actions] == ["add finalizer to VirtualNetwork/team-a/blue"]
