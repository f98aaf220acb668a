"""`atoll status NAME`: one network or node from its declaration to its nodes; and the same for machines."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from cli.status_account import NoSuchName
from cli.status_story import story
from tests.cli.status_scene import (
    Thing,
    event,
    failed,
    network,
    node,
    router,
    told,
    unready,
    waiting_pod,
)

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "operations.md"


# --- one network, one node ---

STORY_OF_A_NETWORK = """\
All well

VirtualNetwork shop/storefront, number 5
  declared    networks/shop.yaml:1, last changed by commit 4f1c8a9e2d7b
  state       InForce, for 3 min
              In force
  pods        3
  subnet      10.20.0.0/22: 3 used, 1,019 free
  nodes       2 of 2

On nodes (1)
  NODE    STATE    COMMIT        PRESENCE  USED  BLOCKS
  node-1  Applied  4f1c8a9e2d7b  present   3     10.20.0.0/28

Routers (1)
  ROUTER      STATE    TYPE   DECLARED  CONNECTED WITH       WAITS FOR
  shop/spoke  InForce  spoke            shared-services/hub"""


def elsewhere() -> tuple[Thing, ...]:
    """What does not concern shop/storefront."""
    other = node("node-2")
    bare = replace(other, content={"spec": {**dict(other.content["spec"]), "networks": []}})  # type: ignore[call-overload]
    return network("pay/ledger", unready("Invalid", "no")), bare, router("pay/spoke")


def test_the_story_of_a_network_tells_where_it_is_declared_and_where_it_is() -> None:
    report = told(network(), router(), node("node-1"), *elsewhere(), name="shop/storefront")

    assert "\n".join(line.plain for line in story(report)) == STORY_OF_A_NETWORK


STORY_OF_A_NODE = """\
Not well: 1 error

error: NodeNetwork node-1: ApplyFailed, not well for 3 min
  | VXLAN device atoll0: File exists. Remove the device of that name that is not Atoll's; \
commit 0a1b2c3d4e5f stays in force
  = mend on the node what the error names; the agent tries again by itself

NodeNetwork node-1, number 1
  address     192.0.2.11
  state       ApplyFailed, for 3 min
              VXLAN device atoll0: File exists. Remove the device of that name that is not Atoll's; \
no plan is in force.
  planned     commit 4f1c8a9e2d7b, generation 4, written 31 min ago
  in force    commit 0a1b2c3d4e5f, generation 3, an older plan, for 2 h
  agent       0.1.0
  error       VXLAN device atoll0: File exists. Remove the device of that name that is not Atoll's.
  pods        3 attached

Networks here (1)
  NETWORK          PRESENCE  USED  BLOCKS
  shop/storefront  present   3     10.20.0.0/28"""


def test_the_story_of_a_node_tells_what_it_should_have_and_what_it_has() -> None:
    report = told(
        failed(), node("node-2"), network("shop/storefront", unready("Invalid", "no")), name="node-1"
    )

    assert "\n".join(line.plain for line in story(report)) == STORY_OF_A_NODE


def test_a_story_has_the_events_of_its_objects_alone() -> None:
    own = {"kind": "VirtualNetwork", "namespace": "shop", "name": "storefront", "uid": "1"}
    other = {"kind": "VirtualNetwork", "namespace": "pay", "name": "ledger", "uid": "2"}
    things = (event("a", own, "InForce", "yes"), event("b", other, "InForce", "no"))

    assert [one.note for one in told(network(), *things, name="storefront").events] == ["yes"]


def test_a_network_that_only_the_cluster_has_is_told_as_such() -> None:
    report = told(replace(network(), annotations={}), name="storefront")

    assert "  declared    by this object alone, by no commit" in [line.plain for line in story(report)]


def test_a_misspelt_name_is_answered_with_the_likely_one() -> None:
    with pytest.raises(NoSuchName) as refused:
        told(network(), node(), name="shop/storefrnt")

    assert str(refused.value) == (
        "'shop/storefrnt': no network and no node has this name. Is shop/storefront meant?"
    )


def test_a_name_that_several_networks_have_is_answered_with_all_of_them() -> None:
    with pytest.raises(NoSuchName) as refused:
        told(network("a/net"), network("b/net"), name="net")

    assert str(refused.value) == "'net': several networks have this name: a/net, b/net. Give one of these."


# --- for machines ---


def test_json_has_the_documented_shape() -> None:
    document = json.loads(msgspec.json.encode(told(network(), router(), node(), *waiting_pod())))

    assert {
        key: sorted(value[0]) for key, value in document.items() if isinstance(value, list) and value
    } == {
        "findings": ["level", "message", "next", "reason", "since", "subjects"],
        "sources": [
            *("applied", "attempted", "counts", "inSync", "name", "nodes", "path", "problemCount"),
            *("problems", "ref", "rollout", "seen", "state", "suspended", "url", "verified"),
        ],
        "networks": [
            *("addresses", "deleting", "free", "inSync", "name", "nodes", "number", "origin", "pods"),
            *("revision", "state"),
        ],
        "routers": [
            *("connected", "deleting", "inSync", "name", "networks", "nodes", "origin", "revision", "state"),
            *("type", "waitingFor"),
        ],
        "nodes": [
            *("address", "agentVersion", "applied", "carries", "errors", "leaving", "name", "networks"),
            *("number", "planned", "pods", "state", "upToDate", "warnings"),
        ],
        "events": ["at", "note", "reason", "regarding", "type"],
    }
    assert sorted(document) == [
        *("at", "controller", "events", "findings", "networks", "nodes", "routers", "sources", "unread"),
        "well",
    ]
    assert (document["at"], document["well"]) == ("2026-01-02T03:04:05Z", False)


def test_the_guide_names_every_field() -> None:
    rows = [line for line in GUIDE.read_text().splitlines() if line.startswith("| `")]
    documented = {field: row for row in rows for field in row.partition(" | ")[0].strip("| ").split(", ")}
    document = json.loads(msgspec.json.encode(told(network(), router(), node(), *waiting_pod())))

    assert [field for field in document if f"`{field}`" not in documented] == []
    for field, value in document.items():
        inner = value[0] if isinstance(value, list) and value else value
        for key in inner if isinstance(inner, dict) else ():
            assert f"`{key}`" in documented[f"`{field}`"], (field, key)


def test_json_lists_every_network_whatever_is_shown_to_people() -> None:
    report = told(*(network(f"shop/net-{number:03}") for number in range(200)))

    assert len(json.loads(msgspec.json.encode(report))["networks"]) == 200
