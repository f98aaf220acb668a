"""The judge on what the compiler really made: every golden is proved, and faults are shown as they are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compiler.compilation import Compilation
from tests.golden.case import CASES, case
from tests.verifier.rendered import meaning_from, texts_of
from verifier.judge import Verdict, judge
from verifier.violation import Kind, Violation

ACCEPTED = [name for name in CASES if case(name).after.compilation is not None]


def compiled(golden: str) -> Compilation:
    compilation = case(golden).after.compilation
    assert compilation is not None
    return compilation


def judged(compilation: Compilation) -> Verdict:
    return judge(meaning_from(compilation), [text.read() for text in texts_of(compilation).values()])


def faulty(golden: str, node: str, before: str, after: str) -> tuple[Violation, ...]:
    """The verdict with one text replaced in a node's layout or ruleset."""
    compilation = compiled(golden)
    texts = []
    for name, text in texts_of(compilation).items():
        if name != node:
            texts.append(text)
            continue
        assert (before in text.layout) != (before in text.ruleset), before
        layout, ruleset = text.layout.replace(before, after), text.ruleset.replace(before, after)
        texts.append(replace(text, layout=layout, ruleset=ruleset))
    return judge(meaning_from(compilation), [text.read() for text in texts]).violations


@pytest.mark.parametrize("golden", ACCEPTED)
def test_every_golden_is_proved(golden: str) -> None:
    verdict = judged(compiled(golden))
    assert verdict.proved, "\n".join(map(str, verdict.violations))
    assert verdict.certificate.counts.contested == 0


def test_a_certificate_is_the_same_each_time() -> None:
    assert judged(compiled("mesh")).certificate == judged(compiled("mesh")).certificate


def only(violations: tuple[Violation, ...], kind: Kind) -> Violation:
    return next(violation for violation in violations if violation.kind is kind)


def test_a_pair_that_is_taken_away_blocks_a_packet_that_is_shown() -> None:
    gone = '\n\t\t\t2 . 1 comment "team-a/red > team-a/blue",'
    violation = only(faulty("mesh-same-node", "node-1", gone, ""), Kind.BLOCKED)
    assert violation.sentence == "a pod of team-a/red does not reach 10.2.0.1 of team-a/blue, which it may"
    assert violation.expected == "delivered to the pod there, in network team-a/blue on node-1"
    assert violation.example is not None
    assert str(violation.example).startswith("TCP from 10.1.0.1 to 10.2.0.1 port 0, of a pod of team-a/red")
    assert violation.way[-1].text == "meta l4proto tcp counter reject with tcp reset"
    assert len(violation.origins) == 3  # two networks and the router between them


def test_a_pair_too_many_is_a_leak() -> None:
    before = '2 . 2 comment "team-b/blue > team-b/blue"'
    violations = faulty("overlapping-networks", "node-1", before, f"{before},\n\t\t\t1 . 2")
    assert only(violations, Kind.LEAK).sentence == "set peers opens what nothing declares"


def test_one_zone_for_two_domains_is_seen() -> None:
    violations = faulty("overlapping-networks", "node-1", '" : 2', '" : 1')
    assert "are two domains in one zone" in only(violations, Kind.ZONE).sentence


def test_a_pod_that_may_forge_its_source_is_seen() -> None:
    violations = faulty(
        "one-network", "node-1", 'meta iifkind != "vrf" fib saddr . iif oif missing', "ip6 daddr ::1"
    )
    forged = only(violations, Kind.FORGED)
    assert forged.sentence == "a pod of team-a/red may send with a source that is not its own"


def test_a_node_that_nobody_renders_is_missed() -> None:
    compilation = compiled("mesh")
    texts = list(texts_of(compilation).values())
    verdict = judge(meaning_from(compilation), [text.read() for text in texts[1:]])
    assert verdict.violations[0].sentence == "nothing is known of this node, which takes part"


PEERS = "iifgroup . oifgroup @peers accept"


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        ("iifgroup 1 oifgroup 1 ip saddr 10.1.0.5 drop", "addresses of team-a/red on this node apart"),
        ("iifgroup 1 ip daddr { 10.1.0.4-10.1.0.7 } drop", "addresses of team-a/red on this node apart"),
        ("iifgroup 2 ip saddr != 10.1.0.17 drop", "addresses of team-b/blue on this node apart"),
        ('oifname "at0123456789ab" drop', "at0123456789ab from other devices, by its name"),
        ('iifname "eth1" accept', "eth1 from other devices, by its name"),
        ("iifgroup 200000 accept", "interface groups that are not ours apart"),
    ],
)
def test_a_rule_that_tells_pods_or_devices_apart_is_seen_though_no_packet_that_is_judged_meets_it(
    rule: str, what: str
) -> None:
    violations = faulty("overlapping-networks", "node-1", PEERS, f"{rule}\n\t\t{PEERS}")
    assert only(violations, Kind.APART).sentence == f"a rule of chain forward tells {what}"


def test_a_rule_about_whole_blocks_and_devices_that_are_judged_tells_nobody_apart() -> None:
    rules = 'ip saddr 10.1.0.0/27 counter\n\t\tiifname "vn1" counter\n\t\tiifgroup != 1-131072 counter'
    assert not faulty("overlapping-networks", "node-1", PEERS, f"{rules}\n\t\t{PEERS}")


def test_each_pod_that_a_service_leads_to_itself_is_asked_for() -> None:
    gone = '10.1.0.9 . 10.1.0.9 comment "team-a/red",'
    violations = faulty("service-many-endpoints", "node-1", f"\t\t\t1 . {gone}\n", "")
    assert only(violations, Kind.APART).sentence == (
        "a rule of chain sources forgets 10.1.0.9, whom a Service leads to itself"
    )


def test_nobody_else_gets_a_source_as_if_he_met_himself() -> None:
    more = '10.1.0.9 . 10.1.0.9 comment "team-a/red",'
    wrong = "\t\t\t1 . 10.1.0.9 . 10.1.0.8,\n"
    violations = faulty(
        "service-many-endpoints", "node-1", f"\t\t\t1 . {more}\n", f"\t\t\t1 . {more}\n{wrong}"
    )
    assert only(violations, Kind.APART).sentence == (
        "a rule of chain sources gives others a source than pods that a Service leads to themselves"
    )


def test_the_first_zone_that_a_packet_gets_is_the_one_that_counts() -> None:
    """nft_ct_set_zone_eval leaves alone what has one."""
    zones = "ct zone set iifgroup map @zones"
    violations = faulty("overlapping-networks", "node-1", zones, f"iifgroup 1 ct zone set 2\n\t\t{zones}")
    assert only(violations, Kind.ZONE)


def test_an_address_of_a_vrf_itself_swallows_what_is_sent_there() -> None:
    """Its local route is in the VRF's table, not in the node's (l3mdev_fib_table)."""
    rules = "# rules\n"
    violations = faulty("mesh", "node-1", rules, f"ip address add 10.2.0.9/32 dev vn2\n{rules}")
    sentence = "a pod of team-a/red does not reach 10.2.0.9 of team-a/blue, which it may"
    assert only(violations, Kind.BLOCKED).sentence == sentence


def test_what_a_vrf_leaves_to_the_nodes_own_tables_is_seen() -> None:
    rules = "# rules\n"
    thrown = "ip -4 route add throw 10.1.0.0/24 table 1000001 proto 65"
    violations = faulty("mesh", "node-1", rules, f"{thrown}\n{rules}")
    assert only(violations, Kind.ROUTING).sentence == (
        "the table of team-a/blue leaves 10.1.0.0/24 to the node's own tables"
    )
