"""While the agent is away the CNI plugin reads its last good plan (cni/plan.go): what that relies on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from agent.plan_file import Stamp, envelope_of
from compiler import codec
from compiler.names import DEFAULT_NETWORK, NodeName
from compiler.plan import PodBinding
from tests.compiler.sample_plans import RED, named, node_plan

EXAMPLE = Path(__file__).parents[2] / "cni" / "testdata" / "plan.json"
"""Read by the plugin's own tests."""
PODS = (
    PodBinding(name=named("shop/cart-0"), uid="uid-1", network=DEFAULT_NETWORK),
    PodBinding(name=named("shop/db-0"), uid="uid-2", network=RED.number),
    PodBinding(
        name=named("shop/lost-0"), uid="uid-3", network=None, refusal="its network <gone> is not declared"
    ),
    PodBinding(name=named("shop/odd-0"), uid="", network=DEFAULT_NETWORK),
)


def written() -> bytes:
    plan = codec.encode_plan(node_plan(RED, pods=PODS))
    stamp = Stamp(revision="0badcafe", generation=7, digest=codec.digest_of(plan))
    return envelope_of(stamp, NodeName("node-a"), plan)


def relied_on(content: bytes) -> dict[str, Any]:
    envelope = json.loads(content)
    plan = envelope["plan"]
    pods = [{key: pod[key] for key in ("name", "uid", "network")} for pod in plan["pods"]]
    return {"digest": envelope["digest"][:7], "format": plan["format"], "pods": pods}


def test_the_plugins_example_says_what_the_agent_would_write() -> None:
    assert relied_on(EXAMPLE.read_bytes()) == relied_on(written())


def test_the_digest_is_of_the_plan_as_it_stands_in_the_file() -> None:
    for content in (EXAMPLE.read_bytes(), written()):
        plan = content[content.index(b'"plan":') + len(b'"plan":') : content.rindex(b"}")]
        assert codec.digest_of(plan) == json.loads(content)["digest"]
