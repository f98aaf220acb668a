"""The publication in the API server: whole, found again, and never overwritten by a deposed leader."""

from __future__ import annotations

import base64

import msgspec
import pytest

from compiler import codec
from compiler.allocations import Allocations, NodeAllocation
from compiler.names import NodeName, NodeNumber
from controller.actions import KeepAllocations, KeepCommit, WithdrawPlan
from controller.cluster.leadership import Deposed, GuardedApi
from controller.cluster.node_networks import version_of
from controller.cluster.objects import ResourceKey, decode_node
from controller.cluster.publisher import ClusterPublisher
from controller.cluster.records import CHUNK_BYTES, Records
from controller.publication import PublicationError
from controller.snapshot import Snapshot
from kube.api import ApiError, Invalid, ObjectRef
from kube.api import Cause as ApiCause
from kube.fake import FakeApi
from kube.kinds import CONFIG_MAPS, NAMESPACES, NODE_NETWORK_PARTS, NODE_NETWORKS
from kube.resource import Resource
from tests.contracts.test_publisher import FIRST, A, B, publish

NAMESPACE = "atoll-system"


@pytest.fixture
def api() -> FakeApi:
    api = FakeApi()
    api.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
    return api


def publisher(api: FakeApi) -> ClusterPublisher:
    """A controller that has just begun to lead."""
    return ClusterPublisher(api=api, records=Records(api=api, namespace=NAMESPACE))


def allocations(generation: int) -> Allocations:
    return Allocations(generation=generation, nodes={A: NodeAllocation(number=NodeNumber(1))})


def node_network(api: FakeApi, node: NodeName) -> ObjectRef:
    return ObjectRef(resource=NODE_NETWORKS, name=node)


def watched(of: ClusterPublisher, api: FakeApi, node: NodeName) -> dict[NodeName, object]:
    """Let the watch tell of the node; return what has become of its plan by other hands."""
    key = ResourceKey(kind="NodeNetwork", namespace="", name=node)
    try:
        found = decode_node(key, api.get(node_network(api, node)))
    except ApiError:
        return dict(of.nodes.take({node: None}))
    return dict(of.nodes.take({node: found}))


def test_a_new_leader_goes_on_from_what_the_one_before_left(api: FakeApi) -> None:
    first = publisher(api)
    first.recover()
    files = {"cluster.yaml": b"a: 1\n", "cluster:virtualnetworks/a/b.json": b"{}"}
    first.execute(KeepCommit(revision=FIRST, files=files))
    first.execute(KeepAllocations(allocations=allocations(3)))
    first.execute(publish(A, 1))
    first.finish()

    found = publisher(api).recover()
    assert found.commit == Snapshot(revision=FIRST, files=files)
    assert found.allocations == allocations(3)
    assert found.plans[A].digest == publish(A, 1).digest


def test_a_record_that_does_not_fit_into_one_object_is_in_several(api: FakeApi) -> None:
    # Text that does not compress: four bits of each byte are news.
    large = "".join(f"{(n * 2654435761) % 2**32:08x}" for n in range(400_000)).encode()
    Records(api=api, namespace=NAMESPACE).write("commit", large)
    names = [item["metadata"]["name"] for item in msgspec.json.decode(api.list(CONFIG_MAPS))["items"]]
    assert len(names) > 2
    assert Records(api=api, namespace=NAMESPACE).read("commit") == large
    assert len(large) > 2 * CHUNK_BYTES


def test_what_no_longer_belongs_to_a_record_is_removed(api: FakeApi) -> None:
    large = "".join(f"{(n * 2654435761) % 2**32:08x}" for n in range(400_000)).encode()
    records = Records(api=api, namespace=NAMESPACE)
    records.write("commit", large)
    records.write("commit", b"small")
    names = [item["metadata"]["name"] for item in msgspec.json.decode(api.list(CONFIG_MAPS))["items"]]
    assert names == ["atoll-record-commit"]


def test_a_deposed_controller_cannot_overwrite_allocations(api: FakeApi) -> None:
    old, new = publisher(api), publisher(api)
    old.recover()
    new.recover()
    new.execute(KeepAllocations(allocations=allocations(2)))
    with pytest.raises(Deposed):
        old.execute(KeepAllocations(allocations=allocations(1)))
    assert publisher(api).recover().allocations == allocations(2)


def test_labels_on_a_record_are_nobodys_loss(api: FakeApi) -> None:
    one = publisher(api)
    one.execute(KeepAllocations(allocations=allocations(1)))
    ref = ObjectRef(resource=CONFIG_MAPS, name="atoll-record-allocations", namespace=NAMESPACE)
    api.beside("backup").patch(ref, {"metadata": {"labels": {"backup": "yes"}}})
    one.execute(KeepAllocations(allocations=allocations(2)))
    assert publisher(api).recover().allocations == allocations(2)


def test_damaged_allocations_are_never_taken_for_none(api: FakeApi) -> None:
    publisher(api).execute(KeepAllocations(allocations=allocations(1)))
    ref = ObjectRef(resource=CONFIG_MAPS, name="atoll-record-allocations", namespace=NAMESPACE)
    api.patch(ref, {"binaryData": {"content": "AAAA"}})
    with pytest.raises(PublicationError, match="Restore it from a backup"):
        publisher(api).recover()


def test_who_does_not_lead_writes_nothing(api: FakeApi) -> None:
    guarded = GuardedApi(api=api, leads=lambda: False)
    idle = ClusterPublisher(api=guarded, records=Records(api=guarded, namespace=NAMESPACE))
    idle.recover()
    idle.execute(publish(A, 1))
    with pytest.raises(Deposed):
        idle.finish()
    assert all(request.startswith(("GET", "LIST")) for request in api.requests[1:])


def test_each_leader_writes_a_higher_epoch(api: FakeApi) -> None:
    for expected in (1, 2, 3):
        leader = publisher(api)
        leader.recover()
        leader.execute(publish(A, expected))
        leader.finish()
        body = msgspec.json.decode(api.get(node_network(api, A)))
        assert body["spec"]["epoch"] == expected


def test_a_plan_refused_for_its_epoch_ends_the_leader(api: FakeApi) -> None:
    leader = publisher(api)
    leader.recover()
    cause = ApiCause(reason="FieldValueForbidden", field="spec.epoch", message="is older")
    api.refusals.append(Invalid("is older", status=422, causes=(cause,)))
    leader.execute(publish(A, 1))
    with pytest.raises(Deposed):
        leader.finish()


def test_a_plan_that_the_server_refuses_stops_no_other(api: FakeApi) -> None:
    leader = publisher(api)
    leader.recover()
    api.refusals.append(Invalid("too large", status=422))
    leader.execute(publish(A, 1))
    leader.execute(publish(B, 2))
    with pytest.raises(PublicationError, match=r"plan of node-[ab]: .*too large"):
        leader.finish()
    assert len(leader.recover().plans) == 1


def test_our_own_writes_are_no_news(api: FakeApi) -> None:
    leader = publisher(api)
    leader.recover()
    leader.execute(publish(A, 1))
    leader.finish()
    assert watched(leader, api, A) == {}


def test_a_report_of_the_agent_is_no_drift(api: FakeApi) -> None:
    leader = publisher(api)
    leader.recover()
    leader.execute(publish(A, 1))
    leader.finish()
    api.beside("agent").patch(node_network(api, A), {"status": {"networks": 1}}, subresource="status")
    assert watched(leader, api, A) == {}


def test_a_plan_that_another_hand_changed_is_noticed(api: FakeApi) -> None:
    leader = publisher(api)
    leader.recover()
    leader.execute(publish(A, 1))
    leader.finish()
    api.beside("kubectl-edit").patch(node_network(api, A), {"spec": {"plan": "AAAA"}})
    stamps = watched(leader, api, A)
    assert getattr(stamps[A], "digest", None) == ""


def test_a_node_network_that_another_hand_deleted_is_noticed(api: FakeApi) -> None:
    leader = publisher(api)
    leader.recover()
    leader.execute(publish(A, 1))
    leader.finish()
    api.delete(node_network(api, A))
    assert watched(leader, api, A) == {A: None}


def test_a_withdrawal_of_ours_is_no_drift(api: FakeApi) -> None:
    leader = publisher(api)
    leader.recover()
    leader.execute(publish(A, 1))
    leader.execute(WithdrawPlan(node=A))
    leader.finish()
    assert watched(leader, api, A) == {}


def test_a_plan_spoilt_while_nobody_led_is_published_anew(api: FakeApi) -> None:
    leader = publisher(api)
    leader.execute(publish(A, 1))
    leader.finish()
    api.patch(node_network(api, A), {"spec": {"plan": "AAAA"}})
    assert publisher(api).recover().plans[A].digest == ""


def test_a_large_plan_is_split_into_parts(api: FakeApi) -> None:
    action = publish(A, 1)
    leader = publisher(api)
    leader.chunk = 100
    leader.execute(action)
    leader.finish()
    body = msgspec.json.decode(api.get(node_network(api, A)))
    assert body["spec"]["parts"] > 1
    assert publisher(api).recover().plans[A].digest == action.digest == codec.digest(action.plan)


def parts(api: FakeApi) -> list[str]:
    return [item["metadata"]["name"] for item in msgspec.json.decode(api.list(NODE_NETWORK_PARTS))["items"]]


def test_parts_that_a_smaller_plan_does_not_need_are_removed(api: FakeApi) -> None:
    leader = publisher(api)
    leader.chunk = 100
    leader.execute(publish(A, 1))
    leader.finish()
    before = len(parts(api))
    leader.chunk = 300
    leader.execute(publish(A, 2))
    leader.finish()
    body = msgspec.json.decode(api.get(node_network(api, A)))
    assert len(parts(api)) == body["spec"]["parts"] < before


def test_parts_go_with_their_node_also_under_another_leader(api: FakeApi) -> None:
    first = publisher(api)
    first.chunk = 100
    first.execute(publish(A, 1))
    first.finish()
    second = publisher(api)
    second.recover()
    second.execute(WithdrawPlan(node=A))
    assert parts(api) == []


def test_a_withdrawal_that_was_interrupted_is_done_again_as_a_whole(api: FakeApi) -> None:
    leader = publisher(api)
    leader.chunk = 100
    leader.execute(publish(A, 1))
    leader.finish()
    api.lost_answers = 1
    with pytest.raises(PublicationError):
        leader.execute(WithdrawPlan(node=A))
    assert A in leader.recover().plans
    leader.execute(WithdrawPlan(node=A))
    assert parts(api) == []
    assert leader.recover().plans == {}


def test_a_node_network_that_cannot_be_understood_stops_no_leader(api: FakeApi) -> None:
    leader = publisher(api)
    leader.execute(publish(A, 1))
    leader.execute(publish(B, 2))
    leader.finish()
    api.patch(node_network(api, A), {"spec": {"generation": "many"}})
    found = publisher(api).recover().plans
    assert found[A].digest == ""
    assert found[B].digest == publish(B, 2).digest


def test_a_plan_whose_compressed_bytes_are_spoilt_is_published_anew(api: FakeApi) -> None:
    leader = publisher(api)
    leader.execute(publish(A, 1))
    leader.finish()
    body = msgspec.json.decode(api.get(node_network(api, A)))
    plan = bytearray(base64.b64decode(body["spec"]["plan"]))
    plan[len(plan) // 2] ^= 0xFF
    api.patch(node_network(api, A), {"spec": {"plan": base64.b64encode(plan).decode()}})
    assert publisher(api).recover().plans[A].digest == ""


@pytest.mark.parametrize("answered", range(5))
def test_an_api_server_that_goes_away_is_one_line_for_the_operator(api: FakeApi, answered: int) -> None:
    leader = publisher(api)
    leader.chunk = 100
    leader.execute(publish(A, 1))
    leader.finish()
    asked: list[str] = []

    def count(verb: str, resource: Resource, code: str) -> None:
        asked.append(verb)
        api.outage = len(asked) >= answered

    api.outage = answered == 0
    counting = GuardedApi(api=api, leads=lambda: True, told=count)
    with pytest.raises(PublicationError, match="Connection refused"):
        ClusterPublisher(api=counting, records=Records(api=counting, namespace=NAMESPACE)).recover()


@pytest.mark.parametrize("spoilt", [b"", b"{", b"[]", b'{"revision":1}'])
def test_a_damaged_commit_is_never_taken_for_none(api: FakeApi, spoilt: bytes) -> None:
    records = Records(api=api, namespace=NAMESPACE)
    records.write("commit", spoilt)
    with pytest.raises(PublicationError, match="Restore it from a backup"):
        publisher(api).recover()


def test_a_record_whose_compressed_bytes_are_spoilt_is_damaged(api: FakeApi) -> None:
    publisher(api).execute(KeepAllocations(allocations=allocations(1)))
    ref = ObjectRef(resource=CONFIG_MAPS, name="atoll-record-allocations", namespace=NAMESPACE)
    content = bytearray(base64.b64decode(msgspec.json.decode(api.get(ref))["binaryData"]["content"]))
    content[15] ^= 0xFF
    api.patch(ref, {"binaryData": {"content": base64.b64encode(content).decode()}})
    with pytest.raises(PublicationError, match="Restore it from a backup"):
        publisher(api).recover()


def test_a_version_that_is_no_number_is_older_than_everything(api: FakeApi) -> None:
    assert version_of("12") == 12
    assert version_of("") == version_of("v1") == version_of("-3") == version_of("²") == 0
