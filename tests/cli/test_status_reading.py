"""`atoll status` reads each kind once, says what it cannot read, and ends in the documented exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.status_account import report
from cli.status_board import Board
from cli.status_overview import overview
from cli.status_reading import read_all
from cli.status_report import Report, Unread
from kube.api import Gone, Unauthorized, Unreachable
from kube.fake import FakeApi
from kube.kinds import NAMESPACES, NODE_NETWORKS, PODS
from tests.cli.commands import atoll
from tests.cli.status_scene import (
    NAMESPACE,
    NOW,
    Thing,
    ago,
    board,
    lease,
    network,
    node,
    router,
    source,
    waiting_pod,
)


def page(of: Report, *, everything: bool = False) -> str:
    return "\n".join(line.plain for line in overview(of, everything=everything))


# --- reading ---


def filled(*things: Thing) -> FakeApi:
    api = FakeApi()
    for namespace in sorted({NAMESPACE, *(thing.namespace for thing in things)} - {"", "default"}):
        api.create(NAMESPACES, {"metadata": {"name": namespace}})
    for thing in things:
        thing.put(api)
    api.requests.clear()
    return api


def read(api: FakeApi) -> Board:
    return read_all(api, NAMESPACE)


def test_everything_is_read_with_one_list_for_each_kind() -> None:
    api = filled(lease(), source(), network(), router(), node())
    facts = read(api).facts(NOW)

    assert (len(facts.sources), len(facts.networks), len(facts.routers), len(facts.nodes)) == (1, 1, 1, 1)
    assert facts.lease is not None
    assert sorted(api.requests) == [
        "LIST clusterconfigs.atoll.dev",
        "LIST events.events.k8s.io",
        "LIST leases.coordination.k8s.io atoll-system",
        "LIST networksources.atoll.dev atoll-system",
        "LIST nodenetworks.atoll.dev",
        "LIST virtualnetworkrouters.atoll.dev",
        "LIST virtualnetworks.atoll.dev",
    ]


def test_nodes_come_in_small_pages_for_their_plans_are_large() -> None:
    api = filled(*(node(f"node-{number}") for number in range(1, 61)))

    assert len(read(api).facts(NOW).nodes) == 60
    assert api.requests.count("LIST nodenetworks.atoll.dev") == 3


def test_a_list_that_the_server_forgot_meanwhile_is_begun_anew() -> None:
    api = filled(lease(), source(), network(), router(), node())
    api.refusals.append(Gone("The provided continue parameter is too old", status=410))
    facts = read(api).facts(NOW)

    assert facts.gaps == ()
    assert (len(facts.sources), len(facts.networks), len(facts.routers), len(facts.nodes)) == (1, 1, 1, 1)


def test_pods_are_read_only_where_one_may_wait() -> None:
    pod, why = waiting_pod()
    api = filled(pod, why)

    assert read(api).facts(NOW).pending
    assert "LIST pods" in api.requests


def test_a_kind_that_is_not_installed_is_said_in_a_line_and_the_rest_is_told() -> None:
    api = filled(lease(), source(), network())
    api.server.served.discard(NODE_NETWORKS)
    told_of = report(read(api).facts(NOW))

    assert told_of.unread == (
        Unread(
            resource="nodenetworks.atoll.dev",
            reason="not installed: kubectl apply --server-side -f schemas/crds/",
        ),
    )
    assert not told_of.well
    assert len(told_of.networks) == 1
    assert (
        "\nnot read: nodenetworks.atoll.dev: not installed: kubectl apply --server-side -f schemas/crds/\n"
    ) in page(told_of)


def test_that_pods_cannot_be_read_leaves_all_well() -> None:
    filled_board = board([lease(renewed=ago(seconds=0)), source(), network()])
    filled_board.cannot_read(PODS, "not allowed")
    told_of = report(filled_board.facts(NOW))

    assert told_of.well
    assert [one.resource for one in told_of.unread] == ["pods"]


def test_an_api_server_that_is_away_is_no_story() -> None:
    api = filled()
    api.outage = True

    with pytest.raises(Unreachable):
        read(api)


def test_a_bearer_that_nobody_knows_is_told_no_story() -> None:
    api = filled()
    api.refusals.extend(Unauthorized("Unauthorized", status=401) for _ in range(7))

    with pytest.raises(Unauthorized):
        read(api)


# --- the command ---


def test_an_api_server_out_of_reach_ends_in_3(tmp_path: Path) -> None:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "here", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "nobody", "user": {"token": "none"}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "nobody"}}],
        "current-context": "here",
    }
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps(config))
    outcome = atoll("status", "--kubeconfig", kubeconfig)

    assert (outcome.code, outcome.out) == (3, "")
    assert outcome.errors.startswith(
        "atoll: the API server at https://127.0.0.1:1 gives no answer to work with: GET /apis/"
    )
    assert outcome.errors.count("\n") == 1


def test_without_a_kubeconfig_it_ends_in_3(tmp_path: Path) -> None:
    outcome = atoll("status", "--kubeconfig", tmp_path / "none")

    assert outcome.code == 3
    assert "not a usable kubeconfig" in outcome.errors
