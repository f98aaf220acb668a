"""Canonical JSON: exact both ways, strict on the way in."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from compiler.allocations import Allocations, NetworkAllocation, NodeAllocation
from compiler.codec import (
    Malformed,
    decode_allocations,
    decode_plan,
    decode_reachability,
    digest,
    digest_of,
    encode_allocations,
    encode_plan,
    encode_reachability,
)
from compiler.model import Egress
from compiler.names import NetworkNumber, NodeName, NodeNumber
from compiler.plan import PodBinding
from compiler.problem import Origin
from compiler.reachability import NetworkReach, Peer, Reachability
from compiler.routers import Cause, Waiting
from tests.compiler.sample_plans import DNS, RED, named, node_plan

PLAN = node_plan(
    pods=(
        PodBinding(name=named("team-a/web-0"), uid="1b4e28ba", network=NetworkNumber(1)),
        PodBinding(name=named("team-a/lost"), uid="2fa1", network=None, refusal="No network `read`."),
    )
)

ALLOCATIONS = Allocations(
    generation=7,
    confirmed=5,
    networks={
        named("team-a/red"): NetworkAllocation(
            number=NetworkNumber(1),
            blocks={ip_network("10.1.0.16/28"): NodeName("node-b"), ip_network("fd01::/122"): NodeName("a")},
            retired_blocks={ip_network("10.1.0.0/28"): (NodeName("node-a"), 6)},
        )
    },
    nodes={NodeName("node-b"): NodeAllocation(number=NodeNumber(2), retired_in=7)},
)


def test_a_plan_comes_back_equal() -> None:
    assert decode_plan(encode_plan(PLAN)) == PLAN


def test_allocations_come_back_equal() -> None:
    assert decode_allocations(encode_allocations(ALLOCATIONS)) == ALLOCATIONS


def test_allocations_read_as_people_expect() -> None:
    assert json.loads(encode_allocations(ALLOCATIONS)) == {
        "format": 1,
        "generation": 7,
        "confirmed": 5,
        "networks": {
            "team-a/red": {
                "number": 1,
                "blocks": {"10.1.0.16/28": "node-b", "fd01::/122": "a"},
                "retiredBlocks": {"10.1.0.0/28": ["node-a", 6]},
                "retiredIn": None,
            }
        },
        "nodes": {"node-b": {"number": 2, "retiredIn": 7}},
    }


def test_the_order_of_mappings_does_not_show() -> None:
    turned = replace(ALLOCATIONS.networks[named("team-a/red")])
    blocks = dict(reversed(list(turned.blocks.items())))
    other = replace(ALLOCATIONS, networks={named("team-a/red"): replace(turned, blocks=blocks)})
    assert encode_allocations(other) == encode_allocations(ALLOCATIONS)


def test_the_digest_is_of_the_document_without_white_space_around_it() -> None:
    assert digest(PLAN) == digest_of(b"\n " + encode_plan(PLAN))
    assert digest(PLAN) != digest(node_plan())
    assert digest(PLAN).startswith("sha256:")


def spoilt(**changes: Any) -> bytes:
    document = json.loads(encode_plan(PLAN))
    network = document["networks"][0]
    for name, value in changes.items():
        network[name] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"\xff", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"format": 2}', "format: 2, where this release knows 1"),
        (spoilt(number="1"), "'1' is not of type int @ $.networks[0].number"),
        (spoilt(number=True), "True is not of type int @ $.networks[0].number"),
        (spoilt(name="red"), "'red' is not namespace/name @ $.networks[0].name"),
        (spoilt(egress="all"), "'all' is not a valid Egress @ $.networks[0].egress"),
        (spoilt(blocks=[{"prefix": "10.0.0.1/8", "node": 1}]), "10.0.0.1/8 has host bits set"),
        (spoilt(colour="red"), "colour"),
    ],
)
def test_what_atoll_did_not_write_is_refused_with_its_place(data: bytes, complaint: str) -> None:
    with pytest.raises(Malformed) as refused:
        decode_plan(data)
    assert complaint in str(refused.value)


def test_the_bytes_are_those_of_json_with_an_indent_of_one() -> None:
    sentence = 'caf\u00e9 \u2028 \U0001f41f " \\ / \x01 \x1f \x7f \b\f\n\r\t'
    plan = replace(PLAN, pods=(replace(PLAN.pods[0], refusal=sentence),))
    data = encode_plan(plan)
    assert data == json.dumps(json.loads(data), ensure_ascii=False, indent=1).encode() + b"\n"
    assert decode_plan(data) == plan


def test_a_missing_field_is_named() -> None:
    document = json.loads(encode_plan(PLAN))
    del document["datapath"]
    with pytest.raises(Malformed, match="the field 'datapath' is missing"):
        decode_plan(json.dumps(document).encode())


def test_text_that_could_leave_a_comment_is_refused() -> None:
    document = json.loads(encode_plan(PLAN))
    document["remotes"][0]["name"] = 'node" : drop; }'
    with pytest.raises(Malformed, match="is not a name"):
        decode_plan(json.dumps(document).encode())


def test_an_address_with_a_zone_is_refused_for_a_zone_is_any_text() -> None:
    document = json.loads(encode_plan(PLAN))
    document["remotes"][0]["address"] = "fe80::1%} ; flush ruleset ; {"
    with pytest.raises(Malformed, match=r"has a zone.* @ \$\.remotes\[0\]\.address"):
        decode_plan(json.dumps(document).encode())


@pytest.mark.parametrize("value", [5, "fd41::/111", None])
def test_a_range_is_text_and_of_its_family(value: object) -> None:
    document = json.loads(encode_plan(PLAN))
    document["datapath"]["hostLinksV4"] = value
    with pytest.raises(Malformed, match=r"is not .* @ \$\.datapath\.hostLinksV4"):
        decode_plan(json.dumps(document).encode())


def test_large_plans_come_back_equal() -> None:
    blocks = tuple(
        replace(RED.blocks[0], prefix=ip_network((int(ip_network("10.1.0.0/28")[0]) + 16 * n, 28)))
        for n in range(5000)
    )
    large = node_plan(replace(RED, blocks=blocks, infrastructure=DNS, peers=()))
    assert decode_plan(encode_plan(large)) == large


def test_reachability_comes_back_with_paths_and_selectors_as_they_were() -> None:
    place = Origin(path="team a/networks.yaml", line=7, column=3)
    cause = Cause(routers=(named("team-a/mesh"),), types=("mesh",), origins=(place,))
    network = NetworkReach(
        name=named("team-a/red"),
        origin=place,
        peers=(Peer(name=named("team-a/blue"), causes=(cause,)),),
        infrastructure=("dns",),
        egress=Egress.SNAT,
        allowed_namespaces="team in (a, b)",
    )
    awaited = Waiting(
        importer=named("team-a/spoke"), awaited=named("shared/hub"), origin=place, awaited_origin=place
    )
    reachability = Reachability(networks=(network,), waiting=(awaited,))
    assert decode_reachability(encode_reachability(reachability)) == reachability
