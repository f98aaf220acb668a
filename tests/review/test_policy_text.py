"""`policy.yaml`: what it may say, and every mistake with its place and remedy."""

from __future__ import annotations

import pytest

from compiler.problem import Origin
from review.policy import Approvers, Guard, Guarded, Policy
from review.policy_text import idle_guards, read_policy
from tests.compiler.declared import EVERYTHING, where
from tests.compiler.repository import accepted, network, problems
from tests.review.changes import policy

GUARD = "{name: closed, refuse: [newPeers], approvers: [team/security]}"


def said(text: str, path: str = "policy.yaml") -> list[str]:
    return [str(problem) for problem in read_policy({path: text.encode()}).problems]


def read(text: str) -> Policy:
    reading = read_policy({"policy.yaml": text.encode()})
    assert reading.problems == ()
    assert reading.policy is not None
    return reading.policy


def test_a_guard_names_networks_deeds_and_people() -> None:
    guard = (
        "{name: cards, reason: Audited., networks: {matchLabels: {data: card}}, namespaces: [payments],"
        " refuse: [newPeers, egress], approvers: [team/security, Dave], approvals: 2}"
    )
    assert read(policy(guard)) == Policy(
        guards=(
            Guard(
                name="cards",
                reason="Audited.",
                networks=where(data="card"),
                namespaces=frozenset({"payments"}),
                refuses=frozenset({Guarded.NEW_PEERS, Guarded.EGRESS}),
                approvers=Approvers(people=frozenset({"alice", "bob", "dave"}), needed=2),
                origin=Origin(path="policy.yaml", line=8, column=6),
            ),
        ),
        changes=Approvers(people=frozenset({"carol"})),
        origin=Origin(path="policy.yaml", line=1, column=1),
    )


def test_a_guard_that_selects_nothing_is_about_every_network_and_nobody_may_approve() -> None:
    (guard,) = read(policy("{name: still, refuse: [removal]}")).guards
    assert (guard.networks, guard.namespaces, guard.approvers) == (EVERYTHING, frozenset(), Approvers())


def test_without_a_file_there_is_no_policy_and_no_problem() -> None:
    reading = read_policy({"red.yaml": network().encode()})
    assert (reading.policy, reading.problems, reading.content) == (None, (), b"")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "spec: {",
            "policy.yaml:1:8: error ATL104: policy.yaml: a value is missing, or a `[` or `{` is not closed. "
            "Write the value, or close the bracket.",
        ),
        (
            network(),
            "policy.yaml: error ATL225: policy.yaml: it holds no ReviewPolicy. Correct the file.",
        ),
        (
            policy("{name: a, refuse: [newPears]}"),
            "policy.yaml:8:25: error ATL208: ReviewPolicy review: `spec.guards[0].refuse[0]` is `newPears`, "
            "and must be `newPeers`, `lostPeers`, `egress`, `infrastructure`, `namespaces` or `removal`. "
            "Write `newPeers` if that was meant.",
        ),
        (
            policy(changes="['@carol']"),
            "policy.yaml:6:25: error ATL224: ReviewPolicy review: `spec.changes.approvers[0]`, `@carol`, is "
            "neither a user name nor `team/name`. Write the user name, or team/ and the name of a team of "
            "spec.teams.",
        ),
        (
            policy(changes="[team/unknown]"),
            "policy.yaml:6:25: error ATL304: ReviewPolicy review: `spec.teams` has no team `unknown`. Add "
            "the team to spec.teams, or correct the name.",
        ),
        (
            policy("{name: a, refuse: [egress], approvers: [alice], approvals: 2}"),
            "policy.yaml:8:65: error ATL320: ReviewPolicy review: the approvals needed are 2, the approvers "
            "1. Name more people, or ask for fewer approvals.",
        ),
        (
            policy(f"{GUARD}, {GUARD}"),
            "policy.yaml:8:70: error ATL225: ReviewPolicy review: the guard closed has the name of the one "
            "at policy.yaml:8:6. Correct the file.",
        ),
        (
            policy() + "---\n" + policy(),
            "policy.yaml:10:1: error ATL225: policy.yaml: it holds a second ReviewPolicy. Correct the file.",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place_and_remedy(text: str, sentence: str) -> None:
    assert sentence in said(text)
    assert read_policy({"policy.yaml": text.encode()}).policy is None


def test_two_files_are_one_too_many() -> None:
    files = {"policy.yaml": policy().encode(), "networks/policy.yaml": policy().encode()}
    reading = read_policy(files)
    assert [str(problem) for problem in reading.problems] == [
        "policy.yaml: error ATL225: policy.yaml: there is a policy at networks/policy.yaml already. "
        "Correct the file."
    ]
    assert reading.policy is None


def test_the_compiler_leaves_the_policy_alone() -> None:
    assert problems({"policy.yaml": policy(GUARD), "red.yaml": network()}) == []


def test_in_another_file_a_policy_is_an_error() -> None:
    assert problems({"rules.yaml": policy()}) == [
        "rules.yaml:1:1: error ATL223: ReviewPolicy review: it stands in rules.yaml. Move it to policy.yaml, "
        "beside the ClusterConfig."
    ]


def test_a_guard_over_no_network_is_a_warning() -> None:
    declared = accepted({"red.yaml": network()})
    told = list(idle_guards(read(policy("{name: far, namespaces: [team-z], refuse: [egress]}")), declared))
    assert [str(problem) for problem in told] == [
        "policy.yaml:8:6: warning ATL319: ReviewPolicy: guard far selects no network. Correct the selector, "
        "or remove the guard."
    ]
    assert list(idle_guards(read(policy(GUARD)), declared)) == []
