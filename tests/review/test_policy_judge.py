"""A change under the policy before it: each deed a guard can refuse, approvals, and ways around."""

from __future__ import annotations

import pytest

from review.policy_judge import breach_problem
from review.policy_report import headline, judgement_lines, judgement_record, verdict_of
from tests.compiler.repository import cluster, network, router
from tests.review.changes import Files, acts, judged, policy

LABELLED = network().replace("team-a}", "team-a, labels: {data: card}}")
BLUE = network("subnets: [10.2.0.0/24]", name="blue")
EVERY = (
    "{name: cards, networks: {matchLabels: {data: card}}, approvers: [team/security],"
    " refuse: [newPeers, lostPeers, egress, infrastructure, namespaces, removal]}"
)
BASE: Files = {"policy.yaml": policy(EVERY), "red.yaml": LABELLED, "blue.yaml": BLUE}


def red(spec: str) -> Files:
    """The base with another spec of the guarded network."""
    return BASE | {"red.yaml": LABELLED.replace("subnets: [10.1.0.0/24]", f"subnets: [10.1.0.0/24], {spec}")}


def test_what_touches_no_guarded_network_is_kept() -> None:
    after = BASE | {"blue.yaml": BLUE.replace("0/24]}", "0/24], egress: snat}")}
    judgement = judged(BASE, BASE | {"green.yaml": network("subnets: [10.3.0.0/24]", name="green")})
    assert acts(judged(BASE, after)) == []
    assert (judgement.kept, verdict_of(judgement)) == (True, "kept")


@pytest.mark.parametrize(
    ("after", "act"),
    [
        (
            BASE | {"all.yaml": router()},
            "guard cards: team-a/red may newly talk to team-a/blue (all.yaml:1)",
        ),
        (red("egress: snat"), "guard cards: team-a/red may newly leave the cluster (red.yaml:1)"),
        (
            red("infrastructure: {services: [dns, api, logging/logs]}"),
            "guard cards: team-a/red newly reaches logging/logs of the default network (red.yaml:1)",
        ),
        (
            BASE | {"cluster.yaml": cluster(dns="{service: kube-system/other}")},
            "guard cards: team-a/red reaches dns at another place (cluster.yaml:1)",
        ),
        (
            red("allowedNamespaces: {matchLabels: {team: x}}"),
            "guard cards: team-a/red may admit pods of more namespaces (red.yaml:1)",
        ),
        (
            {path: text for path, text in BASE.items() if path != "red.yaml"},
            "guard cards: team-a/red is removed (red.yaml:1)",
        ),
        (
            BASE | {"red.yaml": network()},
            "guard cards: team-a/red is taken out of the guard (red.yaml:1)",
        ),
    ],
)
def test_each_deed_that_a_guard_can_refuse_is_found(after: Files, act: str) -> None:
    judgement = judged(BASE, after)
    assert acts(judgement) == [act]
    assert (judgement.kept, verdict_of(judgement)) == (False, "broken")


def test_losing_a_peer_can_be_guarded_too() -> None:
    assert acts(judged(BASE | {"all.yaml": router()}, BASE)) == [
        "guard cards: team-a/red no longer talks to team-a/blue (all.yaml:1)"
    ]


@pytest.mark.parametrize(
    "after",
    [
        red("infrastructure: {services: []}"),
        red("allowedNamespaces: {matchLabels: {team: x, tier: y}}"),
        BASE | {"red.yaml": LABELLED.replace("10.1.0.0", "10.9.0.0")},
    ],
)
def test_narrower_is_no_breach(after: Files) -> None:
    before = red("allowedNamespaces: {matchLabels: {team: x}}")
    assert acts(judged(before, after)) == []


def test_another_selector_of_namespaces_counts_as_wider() -> None:
    before = red("allowedNamespaces: {matchLabels: {team: x}}")
    assert len(acts(judged(before, red("allowedNamespaces: {matchLabels: {team: z}}")))) == 1


def test_ranges_taken_from_the_cluster_widen_egress() -> None:
    before = red("egress: snat") | {"cluster.yaml": cluster()}
    after = before | {"cluster.yaml": cluster().replace("[192.168.0.0/24]", "[192.168.0.0/25]")}
    assert acts(judged(before, after)) == [
        "guard cards: team-a/red may leave to 192.168.0.0/24, no longer a range of the cluster "
        "(cluster.yaml:1)"
    ]


def test_a_new_network_is_guarded_by_the_labels_it_comes_with() -> None:
    before = {"policy.yaml": policy(EVERY), "blue.yaml": BLUE}
    after = before | {"red.yaml": LABELLED, "all.yaml": router()}
    assert acts(judged(before, after)) == [
        "guard cards: team-a/red may newly talk to team-a/blue (all.yaml:1)"
    ]


def test_taking_the_label_away_in_the_same_change_does_not_help() -> None:
    assert acts(judged(BASE, BASE | {"red.yaml": network(), "all.yaml": router()})) == [
        "guard cards: team-a/red is taken out of the guard (red.yaml:1)",
        "guard cards: team-a/red may newly talk to team-a/blue (all.yaml:1)",
    ]


def test_relaxing_the_policy_in_the_same_change_does_not_help() -> None:
    after = BASE | {"policy.yaml": policy(), "all.yaml": router()}
    assert acts(judged(BASE, after, approved_by=("alice",))) == [
        "ReviewPolicy: the policy that judges this change is altered by it (policy.yaml:1)",
        "guard cards: team-a/red may newly talk to team-a/blue (all.yaml:1)",
    ]
    assert judged(BASE, after, approved_by=("alice",)).kept is False
    assert judged(BASE, after, approved_by=("alice", "carol")).kept is True


def test_removing_the_policy_needs_the_approval_of_its_owners() -> None:
    after = {path: text for path, text in BASE.items() if path != "policy.yaml"}
    judgement = judged(BASE, after)
    assert acts(judgement) == [
        "ReviewPolicy: the policy that judges this change is removed by it (policy.yaml:1)"
    ]
    assert judged(BASE, after, approved_by=("carol",)).kept is True


def test_the_first_policy_judges_nothing_yet() -> None:
    before = {"red.yaml": LABELLED, "blue.yaml": BLUE}
    judgement = judged(before, BASE | {"all.yaml": router()})
    assert (judgement.kept, judgement.introduced, verdict_of(judgement)) == (True, True, "none")
    assert headline(judgement) == "This change brings the first policy."


def test_a_policy_that_cannot_be_read_lets_nothing_pass() -> None:
    broken = BASE | {"policy.yaml": "kind: ReviewPolicy\n"}
    for before, after in ((broken, broken), (BASE, broken), (broken, BASE)):
        judgement = judged(before, after)
        assert (judgement.kept, verdict_of(judgement)) == (False, "unreadable")


@pytest.mark.parametrize(
    ("approved_by", "kept"),
    [((), False), (("mallory",), False), (("Alice",), True), (("alice", "bob"), True)],
)
def test_approvals_count_by_name_whatever_the_case(approved_by: tuple[str, ...], kept: bool) -> None:
    assert judged(BASE, red("egress: snat"), approved_by=approved_by).kept is kept


def test_one_person_approves_once() -> None:
    two = BASE | {"policy.yaml": policy(EVERY.replace("[team/security]", "[team/security], approvals: 2"))}
    after = red("egress: snat") | {"policy.yaml": two["policy.yaml"]}
    assert judged(two, after, approved_by=("alice", "ALICE")).kept is False
    assert judged(two, after, approved_by=("alice", "bob")).kept is True


def test_without_approvers_nobody_can_approve() -> None:
    sealed = policy("{name: sealed, refuse: [egress]}")
    judgement = judged(
        BASE | {"policy.yaml": sealed}, red("egress: snat") | {"policy.yaml": sealed}, approved_by=("alice",)
    )
    assert judgement.kept is False
    assert judgement.breaches[0].ways_out == "Leave it out: the policy names nobody who may approve it"
    assert headline(judgement) == (
        "Needs approval: this change breaks guard sealed (which nobody may approve)."
    )


def test_a_breach_is_told_as_errors_are() -> None:
    judgement = judged(BASE, BASE | {"all.yaml": router()})
    assert str(breach_problem(judgement.breaches[0])) == (
        "all.yaml:1:1: error ATL611: guard cards at policy.yaml:8: team-a/red may newly talk to team-a/blue. "
        "It needs 1 approval of alice, bob, or leave it out."
    )


def test_the_text_opens_with_the_verdict() -> None:
    guard = EVERY.replace("name: cards", "name: cards, reason: 'Audited.'")
    before = BASE | {"policy.yaml": policy(guard)}
    judgement = judged(before, before | {"all.yaml": router()}, approved_by=("bob",))
    assert list(judgement_lines(judgement)) == [
        "Every guarded rule that this change breaks is approved.",
        "  ATL611 guard cards (policy.yaml:8): Audited.",
        "    team-a/red may newly talk to team-a/blue (all.yaml:1)",
        "    Approved by bob.",
    ]


def test_in_json_the_lists_are_cut_and_the_verdict_is_not() -> None:
    many = {
        f"n{k}.yaml": network(f"subnets: [10.1.{k}.0/24]", name=f"n{k}").replace(
            "team-a}", "team-a, labels: {data: card}}"
        )
        for k in range(12)
    }
    before = many | {"policy.yaml": policy(EVERY)}
    record = judgement_record(judged(before, before | {"all.yaml": router()}))
    assert (record.verdict, record.judged_by) == ("broken", "policy.yaml:1")
    (breach,) = record.breaches
    assert (len(breach.acts), breach.more_acts) == (100, 32)
    assert (breach.approvers, breach.approvals, breach.approved) == (("alice", "bob"), 1, False)


def test_a_change_of_the_policy_is_told_as_errors_are() -> None:
    judgement = judged(BASE, BASE | {"policy.yaml": policy()})
    assert str(breach_problem(judgement.breaches[0])) == (
        "policy.yaml:1:1: error ATL612: ReviewPolicy at policy.yaml:1: the policy that judges this change is "
        "altered by it. It needs 1 approval of carol, or leave it out."
    )
