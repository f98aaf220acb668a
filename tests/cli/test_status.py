"""`atoll status`: each state of a cluster is told in a sentence, with what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cli.status_account import report
from cli.status_overview import overview
from cli.status_report import Finding, Level, Report, Unread
from kube.api import Key
from kube.kinds import VIRTUAL_NETWORKS
from tests.cli.status_scene import (
    BEFORE,
    COMMIT,
    NOW,
    Thing,
    ago,
    behind,
    board,
    condition,
    failed,
    lease,
    network,
    node,
    only,
    problem,
    ready,
    router,
    source,
    told,
    unready,
    waiting_pod,
)


def page(of: Report, *, everything: bool = False) -> str:
    return "\n".join(line.plain for line in overview(of, everything=everything))


# --- in order ---

IN_ORDER = """\
All well

Controller
  leader      controller-a_1, for 2 h
  renewed     1 s ago; changes of office: 1

NetworkSource atoll-system/networks
  repository  https://git.example.org/networks.git, branch main
  in force    4f1c8a9e2d7b on 2 of 2 nodes
  seen        4f1c8a9e2d7b, the one in force
  signatures  not demanded

Networks (1)
  NETWORK          STATE    PODS  ADDRESSES   NODES
  shop/storefront  InForce  3     3 of 1,022  2 of 2

Routers (1)
  ROUTER      STATE    TYPE   NETWORKS  CONNECTED WITH       WAITS FOR
  shop/spoke  InForce  spoke  1         shared-services/hub

Nodes (2)
  NODE    STATE    COMMIT        SINCE   NETWORKS  PODS  ERRORS  WARNINGS
  node-1  Applied  4f1c8a9e2d7b  30 min  1         3     0       0
  node-2  Applied  4f1c8a9e2d7b  30 min  1         3     0       0"""


def test_a_cluster_in_order_fits_on_a_page() -> None:
    report = told(network(), router(), node("node-1"), node("node-2"))

    assert page(report) == IN_ORDER
    assert report.well


# --- the NetworkSource ---


def refused() -> Thing:
    message = "Commit 4f1c8a9e2d7b is refused: networks/shop.yaml:9:7: ATL402: ..."
    return source(
        unready("CommitRefused", message),
        lastAppliedRevision=BEFORE,
        problems=[problem()],
        problemCount=3,
    )


def test_a_refused_commit_is_told_with_what_stays_in_force() -> None:
    assert only(refused()) == Finding(
        level=Level.ERROR,
        subjects=("NetworkSource atoll-system/networks",),
        reason="CommitRefused",
        message="commit 4f1c8a9e2d7b is refused, with 3 problems; commit 0a1b2c3d4e5f stays in force",
        next="mend what is listed under Problems, and push; `atoll validate` tells it before",
        since=ago(minutes=3),
    )


def test_problems_are_listed_with_place_and_remedy() -> None:
    assert page(told(refused())).endswith(
        """
Problems (3)
  networks/shop.yaml:9:7: error ATL402: VirtualNetwork shop/storefront: `10.20.0.5/22` has bits set beyond \
its first 22
    = Write `10.20.0.0/22`"""
    )


def test_of_many_problems_the_first_are_listed_and_the_rest_counted() -> None:
    text = page(told(replace(refused(), status={**(refused().status or {}), "problems": [problem()] * 20})))

    assert text.count("error ATL402") == 5


def test_a_git_host_that_is_away_hides_no_commit_that_was_refused_before() -> None:
    away = unready("SourceUnreachable", "ATL802: it cannot be read; commit 0a1b2c3d4e5f stays in force")
    found = told(source(away, lastAppliedRevision=BEFORE, problems=[problem()])).findings

    assert [one.reason for one in found] == ["CommitRefused", "SourceUnreachable"]


def test_what_a_refused_commit_means_to_each_object_is_told_once_at_the_source() -> None:
    refusal = condition("InSync", "False", "CommitRefused", "Commit 4f1c8a9e2d7b is refused: ...")

    assert only(refused(), network("shop/storefront", ready(), refusal)).reason == "CommitRefused"


def test_the_story_of_a_network_tells_that_its_change_is_refused() -> None:
    refusal = condition("InSync", "False", "CommitRefused", "Commit 4f1c8a9e2d7b is refused: ...")
    finding = only(refused(), network("shop/storefront", ready(), refusal), name="storefront")

    assert finding.subjects == ("VirtualNetwork shop/storefront",)


def test_a_repository_out_of_reach_names_the_command_that_asks_anew() -> None:
    away = unready("SourceUnreachable", "ATL802: it cannot be read; commit 4f1c8a9e2d7b stays in force")

    assert only(source(away)).next == (
        "nodes keep what they have, and it is tried again by itself; once the host is back, this asks at "
        "once: kubectl -n atoll-system annotate --overwrite networksource networks "
        'reconcile.atoll.dev/requestedAt="$(date)"'
    )


def test_a_rollout_on_its_way_is_waited_for() -> None:
    message = "Stage Canary, 1 of 2 nodes released; node-1 is applying; warning: cluster.yaml:5:1: ATL315"
    rollout = {
        "revision": COMMIT,
        "stage": "Canary",
        "released": 1,
        "total": 2,
        "since": ago(seconds=9),
    }
    report = told(source(unready("RollingOut", message), lastAppliedRevision=BEFORE, rollout=rollout))

    assert report.well
    assert [(one.level, one.message) for one in report.findings] == [
        (Level.WAITING, "Stage Canary, 1 of 2 nodes released; node-1 is applying")
    ]
    assert "\n  rollout     4f1c8a9e2d7b, stage Canary: 1 of 2 nodes released, begun 9 s ago" in page(report)


HALT = "node node-1 was not ready within 120 s, and its agent gave no reason"


def halted(*conditions: Mapping[str, object]) -> Thing:
    return source(
        *conditions,
        lastAppliedRevision=BEFORE,
        rollout={"revision": COMMIT, "stage": "Halted"},
        problems=[{**problem(), "code": "ATL820", "reason": HALT}],
    )


def test_a_halted_rollout_says_why_and_how_to_go_on() -> None:
    finding = only(halted(unready("RolloutHalted", f"Rollout halted: {HALT}")))

    assert (finding.level, finding.reason) == (Level.ERROR, "RolloutHalted")
    assert finding.message == f"commit 4f1c8a9e2d7b: {HALT}; commit 0a1b2c3d4e5f stays in force"
    assert finding.next.startswith("`atoll status` of the node that is named tells more; push another commit")


def test_a_git_host_that_is_away_hides_no_rollout_that_halted_before() -> None:
    found = told(halted(unready("SourceUnreachable", "ATL802: it cannot be read"))).findings

    assert [one.reason for one in found] == ["RolloutHalted", "SourceUnreachable"]


def test_a_commit_without_an_allowed_signature_is_told_as_that() -> None:
    message = "commit 4f1c8a9e2d7b is not signed; commit 0a1b2c3d4e5f stays in force"
    report = told(
        source(
            unready("VerificationFailed", message),
            condition("SourceVerified", "False", "VerificationFailed", "commit 4f1c8a9e2d7b is not signed"),
            lastAppliedRevision=BEFORE,
            problems=[problem()],
        )
    )

    assert [one.reason for one in report.findings] == ["VerificationFailed"]
    assert "  signatures  commit 4f1c8a9e2d7b is not signed" in page(report)


def test_warnings_of_a_commit_in_force_leave_all_well() -> None:
    report = told(source(problems=[problem("warning")], problemCount=1))

    assert report.well
    assert [(one.level, one.message) for one in report.findings] == [
        (Level.WARNING, "1 warning, listed under Problems")
    ]


def test_a_suspended_source_is_shown_as_such_and_is_well() -> None:
    suspended = source(ready("Suspended", "Suspended: no commit is looked at"))
    suspended = replace(
        suspended, content={"spec": {"url": "https://git.example.org/networks.git", "suspend": True}}
    )
    report = told(suspended)

    assert report.findings == ()
    assert "\n  suspended   no commit is looked at until spec.suspend is taken away" in page(report)


def test_a_second_source_is_told_not_to_count() -> None:
    superseded = unready("Superseded", "NetworkSource atoll-system/networks is older, and one counts")
    second = replace(source(superseded, name="second"), created=ago(minutes=5))
    report = told(source(), second)

    assert [one.subjects for one in report.findings] == [("NetworkSource atoll-system/second",)]
    assert [(one.name, one.counts) for one in report.sources] == [
        ("atoll-system/networks", True),
        ("atoll-system/second", False),
    ]


def test_nothing_declared_at_all_is_not_well() -> None:
    finding = report(board([lease()]).facts(NOW)).findings[0]

    assert finding.message == "there is none in atoll-system, and no ClusterConfig: nothing is declared"
    assert "docs/guides/install.md" in finding.next


# --- who leads ---


def test_without_a_lease_no_controller_has_ever_led() -> None:
    finding = report(board([source()]).facts(NOW)).findings[0]

    assert finding.subjects == ("Lease atoll-system/atoll-controller",)
    assert finding.message.startswith("no controller has ever led here")
    assert finding.next == (
        "kubectl -n atoll-system get deployments,pods; or name the controller's namespace with -n"
    )


def test_a_leader_that_renews_no_more_is_told() -> None:
    assert only(lease(renewed=ago(seconds=31))).message == (
        "controller-a_1 has not renewed it in time, so no controller seems to work; nodes keep what they have"
    )


def test_clocks_may_differ_by_some_seconds() -> None:
    assert told(lease(renewed=ago(seconds=29))).findings == ()


def test_an_office_that_changes_hands_is_no_news() -> None:
    assert told(lease(holder="", renewed=ago(seconds=20))).findings == ()


def test_an_office_that_nobody_takes_is_told() -> None:
    assert only(lease(holder="", renewed=ago(minutes=2))).message == (
        "the last leader left, and no other controller has taken over; nodes keep what they have"
    )


# --- nodes ---


def test_a_node_that_failed_is_told_with_its_error_and_what_it_keeps() -> None:
    assert only(failed()) == Finding(
        level=Level.ERROR,
        subjects=("NodeNetwork node-1",),
        reason="ApplyFailed",
        message="VXLAN device atoll0: File exists. Remove the device of that name that is not Atoll's; "
        "commit 0a1b2c3d4e5f stays in force",
        next="mend on the node what the error names; the agent tries again by itself",
        since=ago(minutes=3),
    )


def test_nodes_that_failed_alike_are_one_finding() -> None:
    report = told(*(failed(f"node-{number}") for number in range(1, 8)))

    assert len(report.findings) == 1
    assert page(report).splitlines()[2] == (
        "error: NodeNetwork node-1, node-2, node-3, node-4 and 3 more: ApplyFailed, not well for 3 min"
    )


def test_what_failed_nodes_mean_to_networks_is_told_in_sum() -> None:
    networks = [network(f"shop/net-{n}", unready("NodesFailed", f"node-1: error {n}")) for n in range(30)]
    found = told(failed(), *networks).findings

    assert [(one.subjects[0], len(one.subjects), one.message) for one in found] == [
        ("NodeNetwork node-1", 1, found[0].message),
        ("VirtualNetwork shop/net-0", 30, "could not be applied on some nodes"),
    ]


def test_a_node_that_applies_a_new_plan_is_waited_for() -> None:
    report = told(behind(written=ago(seconds=20)))

    assert report.well
    assert [(one.level, one.message) for one in report.findings] == [
        (
            Level.WAITING,
            "the plan of commit 4f1c8a9e2d7b is being applied; commit 0a1b2c3d4e5f stays in force",
        )
    ]
    assert "\n  node-1  behind  0a1b2c3d4e5f" in page(report)


def test_an_agent_that_does_not_answer_is_told_with_where_to_look() -> None:
    finding = only(behind(written=ago(minutes=5)))

    assert (finding.level, finding.reason, finding.since) == (Level.ERROR, "NoAnswer", ago(minutes=5))
    assert finding.next == (
        "look at the node's agent: kubectl get pods -A -l app.kubernetes.io/name=atoll,"
        "app.kubernetes.io/component=agent --field-selector spec.nodeName=node-1"
    )


def test_a_node_whose_agent_never_reported_has_no_plan_in_force() -> None:
    fresh = replace(node(), status=None, written=ago(minutes=5))

    assert only(fresh).message == (
        "the plan of commit 4f1c8a9e2d7b waits for the node's agent; no plan is in force"
    )


def test_a_warning_that_many_nodes_share_is_told_once() -> None:
    report = told(node("node-1", warnings=["beware"]), node("node-2", warnings=["beware"]))

    assert report.well
    assert [(one.level, one.subjects, one.message) for one in report.findings] == [
        (Level.WARNING, ("NodeNetwork node-1", "NodeNetwork node-2"), "beware")
    ]


# --- networks and routers ---


def test_a_conflict_with_git_is_told_with_the_command_that_shows_the_managers() -> None:
    message = "Git says otherwise, and rules: .spec.egress is owned by argocd"
    conflict = condition("InSync", "False", "ConflictWithGit", message)
    report = told(
        source(ready("Applied", "..."), condition("InSync", "False", "ConflictWithGit", "Others ...")),
        network("shop/storefront", ready(), conflict),
    )

    assert [(one.level, one.subjects, one.message) for one in report.findings] == [
        (Level.ERROR, ("VirtualNetwork shop/storefront",), message)
    ]
    assert report.findings[0].next.endswith(
        "kubectl -n shop get virtualnetwork storefront -o yaml --show-managed-fields"
    )


def test_a_resource_that_could_not_be_written_is_told_though_it_does_not_exist() -> None:
    absent = condition(
        "InSync", "False", "NotWritten", "VirtualNetwork gone/x: namespace gone does not exist"
    )

    assert only(source(ready("Applied", "..."), absent)).message == (
        "VirtualNetwork gone/x: namespace gone does not exist"
    )


def test_a_router_that_waits_for_consent_leaves_all_well() -> None:
    awaiting = unready("AwaitingConsent", "Connects nothing yet; it waits for the consent of payments/hub")
    report = told(router("shop/spoke", awaiting, connected=[], waitingFor=["payments/hub"]))

    assert report.well
    assert [(one.level, one.next) for one in report.findings] == [
        (Level.WAITING, "ask the owners of those routers to import it, or take the import out")
    ]
    assert "  shop/spoke  AwaitingConsent  spoke  1                         payments/hub" in page(report)


def test_a_deletion_that_waits_for_pods_is_waited_for() -> None:
    in_use = unready("InUse", "Deletion waits while 1 pod uses it: shop/web-1")
    finding = only(network("shop/storefront", in_use))

    assert (finding.level, finding.next) == (
        Level.WAITING,
        "delete the pods that use it; it goes with the last one",
    )


def test_a_deletion_that_needs_confirmation_is_not_well() -> None:
    unconfirmed = unready("DeletionUnconfirmed", "Deletion waits, for 9 networks are being deleted at once")

    assert not told(network("shop/storefront", unconfirmed)).well


def test_a_network_without_a_free_address_is_warned_of() -> None:
    finding = only(network("shop/storefront", free=0))

    assert (finding.level, finding.reason) == (Level.WARNING, "NoAddressLeft")


def test_an_object_at_which_nobody_has_looked_is_waited_for_a_while() -> None:
    new = replace(network(), status=None, created=ago(seconds=30))
    finding = only(new)

    assert (finding.level, finding.message) == (Level.WAITING, "the controller has not looked at it yet")


def test_an_object_at_which_nobody_looks_is_not_well() -> None:
    finding = only(replace(network(), status=None))

    assert (finding.level, finding.reason, finding.since) == (Level.ERROR, "NotLookedAt", ago(hours=1))


def test_a_reason_of_another_release_is_passed_on() -> None:
    finding = only(network("shop/storefront", unready("NewReason", "something new")))

    assert (finding.level, finding.reason, finding.message) == (Level.ERROR, "NewReason", "something new")
    assert finding.next == "kubectl -n shop describe virtualnetwork storefront"


# --- pods ---


def test_a_pod_for_which_no_address_is_left_is_told_too() -> None:
    assert only(*waiting_pod(reason="AddressesExhausted")).reason == "AddressesExhausted"


def test_a_pod_that_waits_for_its_network_is_told() -> None:
    finding = only(*waiting_pod())

    assert finding.subjects == ("Pod shop/web-1",)
    assert finding.message.startswith(
        "The pod waits for its network: its annotation names network shop/front"
    )
    assert finding.next.startswith("declare the network")


def test_while_a_rollout_is_on_a_pod_may_wait_for_it() -> None:
    rollout = {"revision": COMMIT, "stage": "Share", "released": 1, "total": 2, "since": ago(seconds=9)}
    report = told(source(unready("RollingOut", "Stage Share"), rollout=rollout), *waiting_pod())

    assert report.well
    assert [one.level for one in report.findings] == [Level.WAITING, Level.WAITING]


def test_a_pod_that_has_started_since_is_not_told() -> None:
    _pod, why = waiting_pod()

    assert told(why).findings == ()


# --- what cannot be understood or read ---


def test_a_status_that_cannot_be_understood_hides_nothing_else() -> None:
    broken = replace(network("shop/broken"), status={"conditions": "none"})
    report = told(broken, network())

    assert [(one.subjects, one.message) for one in report.findings] == [
        (
            ("VirtualNetwork shop/broken",),
            "its status cannot be understood: Expected `array`, got `str` - at `$.conditions`",
        )
    ]
    assert len(report.networks) == 2


def test_an_object_that_cannot_be_understood_at_all_is_named() -> None:
    filled = board([lease(), source(), network()])
    filled.put(VIRTUAL_NETWORKS, Key("shop", "odd"), b'{"metadata": {"labels": 7}}')
    told_of = report(filled.facts(NOW))

    assert told_of.unread == (
        Unread(
            resource="VirtualNetwork shop/odd",
            reason="Expected `object | null`, got `int` - at `$.metadata.labels`",
        ),
    )
    assert not told_of.well


def test_text_of_the_cluster_cannot_move_the_cursor() -> None:
    hostile = network("shop/storefront", unready("Invalid", "red\x1b[2J\nnext"))

    assert "red\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}next" in page(told(hostile))


# --- large clusters ---


def test_of_many_networks_those_that_are_not_well_come_first() -> None:
    networks = [network(f"shop/net-{number:03}") for number in range(200)]
    networks[150] = network("shop/net-150", unready("Invalid", "no"))
    lines = page(told(*networks)).splitlines()
    start = lines.index("Networks (200)")

    assert lines[start + 2].startswith("  shop/net-150  Invalid")
    assert lines[start + 3].startswith("  shop/net-000  InForce")
    assert lines[start + 22] == "  and 180 more, 180 of them ready; --all lists them"


def test_all_of_them_are_listed_on_demand() -> None:
    report = told(*(network(f"shop/net-{number:03}") for number in range(200)))

    assert page(report, everything=True).count("\n  shop/net-") == 200
