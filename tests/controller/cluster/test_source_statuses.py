"""What operators read of a NetworkSource."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compiler.catalogue import found
from compiler.names import NodeName
from compiler.problem import Origin, Problem
from controller.cluster.conflict import Contested, conflict
from controller.cluster.coverage import Coverage, Failure
from controller.cluster.resource_status import NodeTotal, RolloutStatus
from controller.cluster.source_statuses import Signatures, SourceFacts, source_status
from tests.controller.cluster.mirroring import key

NOW = "2026-01-02T12:00:00Z"
C1, C2 = "1a2b3c4d5e6f7a8b9c0d", "2b3c4d5e6f7a8b9c0d1e"
FACTS = SourceFacts(
    generation=1,
    seen=C1,
    attempted=C1,
    applied=C1,
    allocations=12,
    confirmed=11,
    coverage=Coverage(needed=4, ready=4),
    inventory=(key("team-a/red"), key("team-a/sea")),
)
GIT = found("ATL801", origin=None, subject="repository x", reason="no route", remedy="Look at the network")


def broken(line: int) -> Problem:
    origin = Origin(path="n.yaml", line=line, column=1)
    return found("ATL411", origin=origin, subject="VirtualNetwork a/b", reason="overlaps", remedy="Move it")


def told(facts: SourceFacts) -> list[str]:
    made = source_status(facts, None, now=NOW)
    return [f"{one.type}={one.status} {one.reason}: {one.message}" for one in made.conditions]


IN_SYNC = "InSync=True MatchesGit: 2 resources as commit 1a2b3c4d5e6f declares"


def test_a_source_whose_commit_is_everywhere_is_ready() -> None:
    assert told(FACTS) == ["Ready=True Applied: Commit 1a2b3c4d5e6f in force on 4 of 4 nodes", IN_SYNC]
    made = source_status(FACTS, None, now=NOW)
    assert made.inventory is not None
    assert made.inventory.entries == ("VirtualNetwork/team-a/red", "VirtualNetwork/team-a/sea")
    assert (made.generation, made.confirmed, made.problem_count) == (12, 11, 0)
    assert made.nodes == NodeTotal(ready=4, total=4)


def test_a_refused_commit_names_its_first_error_and_what_stays() -> None:
    text = (
        "Commit 2b3c4d5e6f7a is refused: n.yaml:1:1: ATL411: VirtualNetwork a/b: overlaps. Move it "
        "(and 1 error more); commit 1a2b3c4d5e6f stays in force"
    )
    refused = replace(FACTS, seen=C2, attempted=C2, problems=(broken(1), broken(2)))
    assert told(refused) == [
        f"Ready=False CommitRefused: {text}",
        f"Stalled=True CommitRefused: {text}",
        IN_SYNC,
    ]


def test_the_first_problems_are_listed_errors_first_and_all_counted() -> None:
    warning = found("ATL753", origin=None, subject="a", reason="b", remedy="c")
    many = (warning, *(broken(n) for n in range(30)))
    made = source_status(replace(FACTS, problems=many), None, now=NOW)
    assert made.problem_count == 31
    assert [one.line for one in made.problems] == list(range(20))


def test_an_unreachable_repository_is_retried_and_changes_nothing() -> None:
    text = "ATL801: repository x: no route. Look at the network; commit 1a2b3c4d5e6f stays in force"
    assert told(replace(FACTS, unreachable=GIT))[:2] == [
        f"Ready=False SourceUnreachable: {text}",
        f"Reconciling=True SourceUnreachable: {text}",
    ]


def test_a_first_look_that_failed_says_that_nothing_is_in_force() -> None:
    empty = SourceFacts(generation=1, unreachable=GIT)
    assert told(empty)[0].endswith("Look at the network; nothing is in force")


def test_a_source_that_nobody_has_looked_at_is_recovering() -> None:
    assert told(SourceFacts(generation=1)) == [
        "Ready=False Recovering: The controller has started; no commit is in force yet",
        "Reconciling=True Recovering: The controller has started; no commit is in force yet",
    ]


def test_an_unsigned_commit_stalls_the_source() -> None:
    signatures = Signatures(verified=False, message="Commit 2b3c4d5e6f7a carries no signature")
    assert told(replace(FACTS, signatures=signatures)) == [
        "Ready=False VerificationFailed: Commit 2b3c4d5e6f7a carries no signature; "
        "commit 1a2b3c4d5e6f stays in force",
        "Stalled=True VerificationFailed: Commit 2b3c4d5e6f7a carries no signature; "
        "commit 1a2b3c4d5e6f stays in force",
        "SourceVerified=False VerificationFailed: Commit 2b3c4d5e6f7a carries no signature",
        IN_SYNC,
    ]


@pytest.mark.parametrize(
    ("signatures", "text"),
    [
        (Signatures(verified=True, message="Signed by ops"), "SourceVerified=True Verified: Signed by ops"),
        (
            Signatures(verified=None),
            "SourceVerified=Unknown NotVerifiedYet: No commit has been looked at",
        ),
    ],
)
def test_signatures_have_a_condition_of_their_own(signatures: Signatures, text: str) -> None:
    assert text in told(replace(FACTS, signatures=signatures))


def test_a_younger_source_is_stalled_and_says_nothing_else() -> None:
    text = "NetworkSource ops/main is older, and one counts: delete this one or that one"
    assert told(replace(FACTS, superseded_by="ops/main")) == [
        f"Ready=False Superseded: {text}",
        f"Stalled=True Superseded: {text}",
    ]


def test_a_suspended_source_is_as_ready_as_what_is_in_force() -> None:
    assert told(replace(FACTS, suspended=True))[0] == (
        "Ready=True Suspended: Suspended: no commit is looked at; "
        "commit 1a2b3c4d5e6f in force on 4 of 4 nodes"
    )


def test_an_invalid_source_says_why() -> None:
    assert told(replace(FACTS, invalid="Secret ops/git does not exist"))[1] == (
        "Stalled=True InvalidSource: Secret ops/git does not exist; commit 1a2b3c4d5e6f stays in force"
    )


def test_a_rollout_tells_its_stage() -> None:
    rollout = RolloutStatus(revision="c" * 40, stage="Canary", released=1, total=4)
    rolling = replace(FACTS, rollout=rollout, coverage=Coverage(needed=4, ready=1, held=3))
    assert told(rolling)[0] == (
        "Ready=False RollingOut: Commit cccccccccccc goes out: stage Canary, 1 of 4 nodes released; "
        "3 nodes not reached by the rollout; commit 1a2b3c4d5e6f stays in force on the others"
    )


def test_a_halted_rollout_says_why() -> None:
    halted = replace(
        FACTS,
        halted="node-2 did not become ready within 2m",
        coverage=Coverage(
            needed=4, held=3, failed=1, failures=(Failure(node=NodeName("node-2"), error="no room"),)
        ),
    )
    text = (
        "Rollout of commit 1a2b3c4d5e6f halted: node-2 did not become ready within 2m; "
        "commit 1a2b3c4d5e6f in force on 0 of 4 nodes; node-2: no room; 3 nodes not reached by the rollout"
    )
    assert told(halted)[:2] == [
        f"Ready=False RolloutHalted: {text}",
        f"Stalled=True RolloutHalted: {text}",
    ]


def test_conflicts_are_summed_up() -> None:
    conflicts = [
        conflict(key(f"team-a/n{n}"), [Contested(field=".spec.egress", manager="flux")]) for n in range(5)
    ]
    assert told(replace(FACTS, conflicts=conflicts))[-1] == (
        "InSync=False ConflictWithGit: Others keep VirtualNetwork team-a/n0, VirtualNetwork team-a/n1, "
        "VirtualNetwork team-a/n2 and 2 more different from commit 1a2b3c4d5e6f: "
        ".spec.egress is owned by flux. Take the field out of what `flux` applies, or change it in Git"
    )


def test_what_could_not_be_written_is_summed_up() -> None:
    errors = {key("team-z/red"): "namespace team-z does not exist", key("team-z/sea"): "the same"}
    assert told(replace(FACTS, write_errors=errors))[-1] == (
        "InSync=False NotWritten: VirtualNetwork team-z/red: namespace team-z does not exist; 1 resource more"
    )
