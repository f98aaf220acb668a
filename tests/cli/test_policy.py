"""`atoll policy`: the policy before a change decides, names that approved are options."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.commands import atoll
from tests.contracts.git_workbench import DiskWorkbench
from tests.controller.files import RED_AND_BLUE
from tests.review.changes import policy

GUARD = "{name: closed, reason: Audited., refuse: [newPeers], approvers: [team/security]}"
BASE = RED_AND_BLUE | {"policy.yaml": policy(GUARD).encode()}
ROUTER = b"""\
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetworkRouter
metadata: {name: all, namespace: team-a}
spec: {type: mesh, virtualNetworkSelector: {}}
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Its tip connects two guarded networks, and its policy of then guards nothing."""
    bench = DiskWorkbench(tmp_path)
    bench.commit(BASE)
    bench.commit(BASE | {"all.yaml": ROUTER})
    return bench.path


def test_a_broken_guard_is_the_exit_code_and_told_with_the_way_out(repository: Path) -> None:
    outcome = atoll("policy", "main^", "main", "--repo", repository)

    assert (outcome.code, outcome.errors) == (1, "")
    assert outcome.out == (
        "Needs approval: this change breaks guard closed (1 of alice, bob).\n"
        "  ATL611 guard closed (policy.yaml:8): Audited.\n"
        "    team-a/blue may newly talk to team-a/red (all.yaml:1)\n"
        "    team-a/red may newly talk to team-a/blue (all.yaml:1)\n"
        "    It needs 1 approval of alice, bob, or leave it out.\n"
    )


def test_with_the_approval_it_passes(repository: Path) -> None:
    outcome = atoll("policy", "main^", "--repo", repository, "--approved-by", "eve", "--approved-by", "bob")

    assert (outcome.code, outcome.out.splitlines()[-1]) == (0, "    Approved by bob.")


def test_machines_get_the_verdict_as_json(repository: Path) -> None:
    outcome = atoll("policy", "main^", "main", "--repo", repository, "--format", "json")

    document = json.loads(outcome.out)
    assert (document["base"], document["head"]) == ("main^", "main")
    assert document["policy"]["verdict"] == "broken"
    assert [problem["code"] for problem in document["problems"]] == ["ATL611"]
    (breach,) = document["policy"]["breaches"]
    assert {key: breach[key] for key in ("guard", "approvers", "approvals", "approvedBy", "approved")} == {
        "guard": "closed",
        "approvers": ["alice", "bob"],
        "approvals": 1,
        "approvedBy": [],
        "approved": False,
    }


def test_without_a_policy_there_is_nothing_to_say(tmp_path: Path) -> None:
    bench = DiskWorkbench(tmp_path)
    bench.commit(RED_AND_BLUE)

    outcome = atoll("policy", "main", "main", "--repo", bench.path)

    assert (outcome.code, outcome.out) == (0, "BASE has no policy.yaml: nothing is guarded.\n")


def test_a_commit_with_errors_cannot_be_judged(tmp_path: Path) -> None:
    bench = DiskWorkbench(tmp_path)
    bench.commit(BASE)
    bench.commit(BASE | {"all.yaml": b"kind: VirtualNetwork\n"})

    outcome = atoll("policy", "main^", "main", "--repo", bench.path)

    assert (outcome.code, outcome.errors) == (
        1,
        "atoll: HEAD has errors. Look at them with atoll validate.\n",
    )


def test_where_base_cannot_be_understood_every_guard_counts_as_broken(tmp_path: Path) -> None:
    bench = DiskWorkbench(tmp_path)
    bench.commit(BASE | {"all.yaml": b"kind: VirtualNetwork\n"})
    bench.commit(BASE)

    outcome = atoll("policy", "main^", "main", "--repo", bench.path)
    approved = atoll("policy", "main^", "main", "--repo", bench.path, "--approved-by", "bob")

    assert (outcome.code, outcome.out.splitlines()[1:3]) == (
        1,
        [
            "  ATL611 guard closed (policy.yaml:8): Audited.",
            "    what it guarded before cannot be read, so nobody knows what changes (policy.yaml:8)",
        ],
    )
    assert approved.code == 0


def test_the_first_policy_may_come_with_the_first_declarations(tmp_path: Path) -> None:
    bench = DiskWorkbench(tmp_path)
    bench.commit({"README": b"none yet"})
    bench.commit({f"networks/{path}": content for path, content in BASE.items()})

    outcome = atoll("policy", "main^", "main", "--repo", bench.path, "--path", "networks")

    assert (outcome.code, outcome.out) == (0, "This change brings the first policy.\n")
