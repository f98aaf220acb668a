"""Pushes told of by a Git server, on the replica that leads and on one that stands by."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import time
from http import HTTPStatus

import pytest

from controller.cluster.objects import REQUESTED_AT
from kube.api import ObjectRef
from tests.cluster.chart import NAMESPACE
from tests.cluster.replicas import ThreadReplica
from tests.cluster.stage import SOURCE, Stage, applied
from tests.cluster.watching import SECONDS, stays
from tests.controller.files import RED, RED_AND_BLUE

SECRET = b"known to the Git server"
HOOK = {"webhook": {"secretRef": {"name": "hook"}}}


@pytest.fixture
def replica(stage: Stage) -> ThreadReplica:
    """It leads, knows the secret, and would look again in an hour."""
    stage.put_secret("hook", {"token": SECRET})
    first = stage.repository.commit(RED)
    stage.follow(HOOK)
    replica = stage.controller()
    stage.until_applied(first)
    return listening(replica)


def listening(replica: ThreadReplica) -> ThreadReplica:
    """It has read the secret: nothing but an answer tells."""
    end = time.monotonic() + SECONDS
    while push(replica, "", event="ping") is not HTTPStatus.OK:
        assert time.monotonic() < end
        time.sleep(0.1)
    return replica


def push(
    replica: ThreadReplica,
    revision: str,
    *,
    event: str = "push",
    secret: bytes = SECRET,
    ref: str = "refs/heads/main",
    source: str = f"{NAMESPACE}/{SOURCE.name}",
) -> HTTPStatus:
    """As GitHub tells of it."""
    body = json.dumps({"ref": ref, "after": revision}).encode()
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": event,
        "X-Hub-Signature-256": "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest(),
    }
    connection = http.client.HTTPConnection("127.0.0.1", replica.webhooks, timeout=30)
    try:
        connection.request("POST", f"/hook/{source}", body, headers)
        return HTTPStatus(connection.getresponse().status)
    finally:
        connection.close()


def requested(stage: Stage, ref: ObjectRef = SOURCE) -> object:
    return stage.get(ref)["metadata"].get("annotations", {}).get(REQUESTED_AT)


def test_a_signed_push_is_looked_at_at_once(stage: Stage, replica: ThreadReplica) -> None:
    second = stage.repository.commit(RED_AND_BLUE)
    assert push(replica, second) is HTTPStatus.ACCEPTED
    stage.until_applied(second)


def test_a_push_with_a_wrong_signature_changes_nothing(stage: Stage, replica: ThreadReplica) -> None:
    asked = stage.host.requests
    second = stage.repository.commit(RED_AND_BLUE)
    assert push(replica, second, secret=b"guessed") is HTTPStatus.FORBIDDEN
    stays(stage.api, SOURCE, lambda it: applied(it) != second, "at the first commit", seconds=1.5)
    assert requested(stage) is None
    assert stage.host.requests == asked


def test_a_push_to_another_branch_changes_nothing(stage: Stage, replica: ThreadReplica) -> None:
    assert push(replica, "1" * 40, ref="refs/heads/feature") is HTTPStatus.OK
    assert requested(stage) is None


def test_a_source_that_is_not_there_answers_like_a_wrong_signature(replica: ThreadReplica) -> None:
    assert push(replica, "1" * 40, source=f"{NAMESPACE}/other") is HTTPStatus.FORBIDDEN


def test_a_replica_that_stands_by_passes_a_push_on_to_the_one_that_leads(
    stage: Stage, replica: ThreadReplica
) -> None:
    standby = listening(stage.controller("standby"))
    second = stage.repository.commit(RED_AND_BLUE)
    assert push(standby, second) is HTTPStatus.ACCEPTED
    stage.until_applied(second)
    assert not standby.story.events("leading")


def test_many_pushes_at_once_are_few_looks(stage: Stage, replica: ThreadReplica) -> None:
    asked = stage.host.requests
    second = stage.repository.commit(RED_AND_BLUE)
    assert {push(replica, second) for _ in range(20)} == {HTTPStatus.ACCEPTED}
    stage.until_applied(second)
    assert stage.host.requests - asked < 20
