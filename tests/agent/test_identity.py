"""The exchange on a simulated server; tests/cluster/test_agent.py does it on the real one."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Mapping

import pytest
import urllib3

from agent.identity import NODES_NAMESPACE, NodeToken, NoIdentity, exchanged
from kube.api import ApiError, Forbidden, Json
from kube.connection import Connection
from kube.fake import FakeApi
from kube.kinds import NAMESPACES, SERVICE_ACCOUNTS
from kube.resource import Resource
from tests.agent.cluster import NODE
from tests.agent.node import Clock


class Exchange(FakeApi):
    """Gives JSON Web Tokens, numbered, and keeps what it was asked for."""

    life = 3600.0
    asked: list[Json]

    def create(
        self, resource: Resource, body: Json, *, namespace: str = "", name: str = "", subresource: str = ""
    ) -> bytes:
        answer = json.loads(
            super().create(resource, body, namespace=namespace, name=name, subresource=subresource)
        )
        if subresource == "token":
            self.asked.append(body)
            answer["status"]["token"] = _jwt({"iat": 5000, "exp": 5000 + self.life, "n": len(self.asked)})
        return json.dumps(answer).encode()


class Scene:
    def __init__(self) -> None:
        self.clock = Clock()
        self.api = Exchange()
        self.api.asked = []
        self.api.create(NAMESPACES, {"metadata": {"name": NODES_NAMESPACE}})
        self.api.create(SERVICE_ACCOUNTS, {"metadata": {"name": NODE}}, namespace=NODES_NAMESPACE)
        self.token = NodeToken(
            api=self.api, node=NODE, namespace=NODES_NAMESPACE, clock=self.clock, chance=random.Random(1)
        )

    def number(self) -> int:
        """Which token it is."""
        payload = self.token().split(".")[1]
        return int(json.loads(base64.urlsafe_b64decode(payload + "=="))["n"])


def _jwt(claims: Mapping[str, object]) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{payload}.c2lnbmF0dXJl"


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_the_token_is_asked_for_an_hour_and_ends_with_the_node(scene: Scene) -> None:
    scene.token()
    assert scene.api.asked == [
        {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "expirationSeconds": 3600,
                "boundObjectRef": {"apiVersion": "v1", "kind": "Node", "name": "node-a"},
            },
        }
    ]


def test_a_token_is_used_until_it_is_time(scene: Scene) -> None:
    first = scene.number()
    scene.clock.now += 3600 * 0.74
    assert (first, scene.number(), len(scene.api.asked)) == (1, 1, 1)


def test_a_token_is_renewed_long_before_its_end(scene: Scene) -> None:
    scene.token()
    scene.clock.now += 3600 * 0.86
    assert scene.number() == 2


def test_agents_do_not_renew_all_at_once() -> None:
    def renewed_after(seed: int) -> int:
        scene = Scene()
        scene.token = NodeToken(
            api=scene.api,
            node=NODE,
            namespace=NODES_NAMESPACE,
            clock=scene.clock,
            chance=random.Random(seed),
        )
        start = scene.clock.now
        while scene.number() == 1:
            scene.clock.now += 1
        return int(scene.clock.now - start)

    moments = {renewed_after(seed) for seed in range(10)}
    assert len(moments) > 5
    assert all(2700 <= moment <= 3061 for moment in moments)


def test_the_servers_word_on_the_life_of_a_token_counts(scene: Scene) -> None:
    scene.api.life = 600
    scene.token()
    scene.clock.now += 600 * 0.86
    assert scene.number() == 2


def test_while_it_cannot_be_renewed_the_last_token_is_used_to_its_end(scene: Scene) -> None:
    scene.token()
    scene.api.outage = True
    scene.clock.now += 3599
    assert scene.number() == 1
    scene.clock.now += 1
    with pytest.raises(NoIdentity):
        scene.token()


def test_a_server_that_is_away_is_not_asked_with_every_request(scene: Scene) -> None:
    scene.token()
    scene.api.outage = True
    scene.clock.now += 3400
    scene.api.requests.clear()
    for _ in range(100):
        scene.token()
    assert len(scene.api.requests) == 1


def test_after_an_outage_there_is_a_new_token(scene: Scene) -> None:
    scene.token()
    scene.api.outage = True
    scene.clock.now += 7200
    with pytest.raises(NoIdentity):
        scene.token()
    scene.api.outage = False
    scene.clock.now += 60
    assert scene.number() == 2


def test_a_node_without_an_account_is_told_who_makes_it(scene: Scene) -> None:
    token = NodeToken(
        api=scene.api, node=NODE, namespace="kube-system", clock=scene.clock, chance=random.Random(1)
    )
    with pytest.raises(NoIdentity) as caught:
        token()
    assert caught.value.message == (
        'no token of ServiceAccount kube-system/node-a: 404 NotFound: serviceaccounts "node-a" not found.'
        " The controller makes this account for Node node-a: look whether that exists, and whether the"
        " controller runs"
    )


def test_a_refusal_is_told_with_where_the_rule_stands(scene: Scene) -> None:
    refused: ApiError = Forbidden(
        "the agent on node node-b may ask for its own", status=403, reason="Forbidden"
    )
    scene.api.refusals.append(refused)
    with pytest.raises(NoIdentity) as caught:
        scene.token()
    assert caught.value.message == (
        "no token of ServiceAccount atoll-nodes/node-a: 403 Forbidden: the agent on node node-b may ask for"
        " its own. The chart's agent-rbac.yaml and agent-admission.yaml say who may ask for it"
    )


def test_a_token_that_the_server_refuses_is_not_used_again(scene: Scene) -> None:
    agent = Connection(
        server="https://192.0.2.1",
        pool=urllib3.PoolManager(),
        authorization=lambda: "Bearer mounted",
        without_certificate=urllib3.PoolManager,
    )
    connection = exchanged(agent, scene.token)
    first = connection.authorization()
    assert first == f"Bearer {scene.token()}"
    assert connection.reload is not None
    assert connection.reload().authorization() != first
    assert len(scene.api.asked) == 2


def test_a_token_of_another_form_lives_as_long_as_was_asked_for(scene: Scene) -> None:
    token = NodeToken(api=scene.api.beside("agent"), node=NODE, namespace=NODES_NAMESPACE, clock=scene.clock)
    first = token()
    scene.clock.now += 2699
    assert token() == first
