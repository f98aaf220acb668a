from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.plan_file import PlanRejected, read_publication
from compiler import codec
from compiler.names import NodeName
from tests.agent.node import plan_with_pods

NODE = NodeName("node-a")
PLAN = plan_with_pods()
BYTES = codec.encode_plan(PLAN).strip()


def _envelope(plan: bytes = BYTES, **changes: object) -> bytes:
    facts: dict[str, object] = {
        "apiVersion": "atoll.dev/v1alpha1",
        "node": "node-a",
        "revision": "abc1234",
        "generation": 7,
        "digest": codec.digest_of(plan),
    }
    return json.dumps({**facts, **changes})[:-1].encode() + b', "plan": ' + plan + b"}\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "node-a.json"


def _rejected(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(PlanRejected) as caught:
        read_publication(path, NODE)
    return str(caught.value).removeprefix(f"{path}: ")


def test_a_published_plan_is_read_as_it_was_made(path: Path) -> None:
    path.write_bytes(_envelope())
    publication = read_publication(path, NODE)
    assert publication.plan == PLAN
    assert (publication.revision, publication.generation) == ("abc1234", 7)
    assert publication.digest == codec.digest(PLAN)
    assert publication.content == path.read_bytes()


def test_what_is_not_json_is_rejected(path: Path) -> None:
    assert _rejected(path, b"elephant").startswith("not a plan: JSON is malformed")


def test_an_envelope_that_lacks_a_field_is_rejected_by_its_name(path: Path) -> None:
    assert _rejected(path, b'{"apiVersion": "atoll.dev/v1alpha1"}') == (
        "not a plan: Object missing required field `node`"
    )


def test_a_plan_of_another_release_is_rejected(path: Path) -> None:
    assert _rejected(path, _envelope(apiVersion="atoll.dev/v9")) == (
        "apiVersion 'atoll.dev/v9': this agent knows atoll.dev/v1alpha1;"
        " controller and agent must be of one release"
    )


def test_a_plan_for_another_node_is_rejected(path: Path) -> None:
    assert _rejected(path, _envelope(node="node-b")) == "it is for node 'node-b', this is node 'node-a'"


def test_a_plan_inside_the_envelope_of_another_node_is_rejected(path: Path) -> None:
    other = codec.encode_plan(plan_with_pods()).strip().replace(b'"node-a"', b'"node-c"')
    assert _rejected(path, _envelope(other)) == (
        "the plan inside is for node 'node-c', this is node 'node-a'"
    )


def test_a_plan_changed_on_its_way_is_rejected(path: Path) -> None:
    content = _envelope().replace(b"14789", b"14790")
    assert _rejected(path, content) == f"the plan is not the one of digest '{codec.digest_of(BYTES)}'"


def test_a_plan_that_is_not_one_is_rejected(path: Path) -> None:
    assert _rejected(path, _envelope(b'{"format": "atoll/1"}')).startswith("not a plan: ")


def test_a_cut_file_is_rejected(path: Path) -> None:
    assert _rejected(path, _envelope()[:-200]).startswith("not a plan: ")
