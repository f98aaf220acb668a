from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest

from agent.node_network import NodeNetwork, PlanDamaged, decode, part_data, plan_bytes
from agent.plan_file import MAX_BYTES, Stamp
from compiler import codec
from kube.api import Json, ObjectRef
from kube.kinds import NODE_NETWORK_PARTS
from tests.agent.cluster import body_of
from tests.compiler.sample_plans import node_plan

PLAN = node_plan()
BYTES = codec.encode_plan(PLAN).strip()
PART = ObjectRef(resource=NODE_NETWORK_PARTS, name="node-a.0")


def _network(body: Json, **spec: object) -> NodeNetwork:
    document: Any = json.loads(json.dumps(body))
    document["metadata"] |= {"uid": "u1", "generation": 7}
    document["spec"] |= spec
    return decode(json.dumps(document).encode())


def _damage(network: NodeNetwork, *rest: str) -> str:
    with pytest.raises(PlanDamaged) as caught:
        plan_bytes(network, rest)
    return str(caught.value).removeprefix("NodeNetwork node-a: ")


def _packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()


def _data(part: Json) -> str:
    return part_data(PART, json.dumps(part).encode())


def test_a_plan_of_the_controller_is_read_as_it_was_made() -> None:
    body, _ = body_of(PLAN, revision="abc1234", generation=12)
    network = _network(body)
    assert (network.name, network.uid, network.generation) == ("node-a", "u1", 7)
    assert network.stamp == Stamp(revision="abc1234", generation=12, digest=codec.digest(PLAN))
    assert plan_bytes(network, ()) == BYTES


def test_a_plan_in_parts_is_put_together_in_their_order() -> None:
    body, parts = body_of(PLAN, parts=3)
    network = _network(body)
    assert [network.part(index).name for index in range(network.parts)] == [
        "node-a.0",
        "node-a.1",
        "node-a.2",
    ]
    assert plan_bytes(network, map(_data, parts)) == BYTES


def test_parts_in_another_order_are_no_plan() -> None:
    body, parts = body_of(PLAN, parts=2)
    assert _damage(_network(body), *map(_data, reversed(parts))).startswith("its plan ")


def test_a_part_that_is_missing_is_no_plan() -> None:
    body, parts = body_of(PLAN, parts=2)
    assert _damage(_network(body), _data(parts[0])).startswith("its plan ")


def test_another_plan_than_the_digest_names_is_refused() -> None:
    body, _ = body_of(PLAN)
    other = _packed(codec.encode_plan(node_plan(services=())))
    damage = f"its plan is not the one of digest '{codec.digest(PLAN)[:19]}'"
    assert _damage(_network(body, plan=other)) == damage
    assert _damage(_network(body, plan=other, parts=1)) == f"{damage}; its parts may be of another plan"


@pytest.mark.parametrize(
    ("plan", "damage"),
    [
        ("", "it holds no plan"),
        ("!", "its plan cannot be unpacked: "),
        (base64.b64encode(b"elephant").decode(), "its plan cannot be unpacked: "),
        (base64.b64encode(gzip.compress(BYTES)[:-9]).decode(), "its plan is cut, or something follows it"),
        (
            base64.b64encode(gzip.compress(BYTES) + gzip.compress(b"more")).decode(),
            "its plan is cut, or something follows it",
        ),
    ],
)
def test_what_cannot_be_unpacked_is_refused(plan: str, damage: str) -> None:
    assert _damage(_network(body_of(PLAN)[0], plan=plan)).startswith(damage)


def test_what_grows_beyond_any_plan_is_not_unpacked() -> None:
    bomb = gzip.compress(bytes(MAX_BYTES + 1), mtime=0)
    damage = _damage(_network(body_of(PLAN)[0], plan=base64.b64encode(bomb).decode()))
    assert damage == f"its plan is larger than {MAX_BYTES} bytes, no plan is"


def test_more_parts_than_a_node_may_read_are_refused() -> None:
    assert _damage(_network(body_of(PLAN)[0], parts=17)) == "it has 17 parts, where 16 are allowed"


def test_a_spec_that_cannot_be_read_leaves_the_object_to_report_on() -> None:
    network = _network(body_of(PLAN)[0], generation="elephant")
    assert (network.name, network.generation) == ("node-a", 7)
    assert _damage(network).startswith("its spec is not one: Expected `int`")


def test_a_status_of_another_hand_counts_as_none() -> None:
    document: Any = json.loads(json.dumps(body_of(PLAN)[0]))
    document["status"] = {"conditions": "elephant"}
    assert decode(json.dumps(document).encode()).status is None


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b'{"metadata": {"name": 7}}'])
def test_what_is_no_object_is_refused(raw: bytes) -> None:
    with pytest.raises(PlanDamaged):
        decode(raw)


def test_a_part_without_data_is_named() -> None:
    with pytest.raises(PlanDamaged) as caught:
        part_data(PART, b'{"spec": {}}')
    assert str(caught.value) == (
        "NodeNetworkPart node-a.0: Object missing required field `data` - at `$.spec`"
    )
