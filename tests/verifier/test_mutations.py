"""Hundreds of faults in a node's texts: the judge sees them, or a reason says why there is nothing to see."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import pytest

from compiler.names import NodeName
from tests.verifier import scene
from tests.verifier.mutations import LAYOUTS, RULESETS, Mutant, Operator
from tests.verifier.rendered import NodeText, meaning_from, texts_of
from verifier.fabric import Receivers, fabric_of, receivers_of
from verifier.fault import Contradiction, NotModelled
from verifier.judge import bench_of, judge
from verifier.layout_text import read_layout
from verifier.meaning import Meaning
from verifier.nft_text import read_ruleset
from verifier.overlay import check_overlay
from verifier.rights import Rights
from verifier.state import Node
from verifier.unreadable import Unreadable

NODE = NodeName("node-1")
OF_A_KIND = 2
"""Mutants of one kind and operator, spread over all places; of rules, every one."""
EVERY = frozenset({"rule gone", "rules swapped"})

EQUIVALENT: tuple[tuple[str, str], ...] = (
    # Nothing asks it.
    (r"of service_ranges[46]", "no rule asks this set any more"),
    (
        r"(gone|swapped) of host_links[46].*team-a/(blue|centre|old|north)\b",
        "of the group of ports: for hairpins, and no Service leads a pod of this network here to itself",
    ),
    (r"of vips6.*team-a/old", "the network is of IPv4 alone: its pods have no source in IPv6"),
    (r"route of a pod gone.*fd00:5::\S+ .*table 1000007", "south is of IPv4 alone: nobody asks in IPv6"),
    (r"refusing route .*::/0 dev vn[57] ", "old and south are of IPv4 alone: nobody asks in IPv6"),
    (r"of cluster6.*ff00::/", "multicast is never forwarded (ip6_mr): it does not come to egress"),
    # The same by another way.
    (r"of cluster4.*127\.0\.0\.0/", "loopback is of the node's own addresses, which are refused before"),
    (r"of cluster6.*::/127", "loopback is of the node's own addresses, which are refused before"),
    (r"refusing route .*/0 dev vn3 ", "green has another default route"),
    (r"by the host link gone.*/(32|128) via .*dev ah3", "green's default route leads there as well"),
    (r"host-link address (gone|swapped).*dev ah3", "green's default route leads there as well"),
    (r"route to another node.*table 100000[67] ", "carried: it sends nothing from here"),
    (r"no next hop: .*dev vx7 table 1000007 ", "carried: it sends nothing from here"),
    # The underlay is of IPv4.
    (r"forward: udp dport 14789 ip6 daddr @underlay6", "the underlay is of IPv4: the set is empty"),
    # Rules that no packet meets both, or that come to the same in either order.
    (r"swapped.*goto overlay  <->  iifgroup 1-65534", "the one is for devices of others, the other for ours"),
    (r"swapped.*missing counter drop  <->  ct zone", "a packet that is dropped needs no zone"),
    (r"swapped.*overlay: fib saddr", "whether a packet that is dropped is tracked is nothing"),
    (r"swapped.*@isolated6  <->  fib daddr type local", "both refuse"),
    (r"swapped.*translate: dnat ip6 .*<->  iifgroup 1-65534 dnat ip to", "of two families"),
    (r"swapped.*input: udp .*<->  iifgroup", "both drop"),
    (r"swapped.*forward: iifgroup 1-65534 goto leaving  <->", "from a network to another, both refuse"),
    (r"swapped.*forward: oifgroup 1-65534 goto refuse  <->", "of two sorts of devices"),
    (r"swapped.*forward: oifgroup 131072 goto refuse  <->", "of two sorts of devices"),
    (r"swapped.*to_host: ct state invalid .*<->  ct state established", "of two states"),
    (r"swapped.*to_host: ct state established .*<->  ct state related", "both accept"),
    (r"swapped.*to_host: ct state related .*<->  iifgroup", "both accept"),
    (r"swapped.*@infrastructure6 accept  <->  fib daddr", "no infrastructure is at a node's IPv6 address"),
    (r"swapped.*to_host: fib daddr type local .*<->  iifgroup @egress ip6", "of two families"),
    (r"swapped.*sources: .*@host_links6  <->  oifgroup . ip saddr", "of two sorts of devices"),
    (r"swapped.*sources: .*@host_links6  <->  oifgroup 0 ip saddr", "of two sorts of devices"),
    (r"swapped.*sources: oifgroup 0 ip saddr .*<->  oifgroup 0 ip6", "of two families"),
    (r"swapped.*sources: .*@hairpins6 .*<->  oifgroup 0 ip saddr", "of two sorts of devices"),
    (r"leaving for coming.*forward: oifgroup 1-65534 meta oifkind \"vrf\"", "it came in by that VRF"),
    (r"state (forgotten|widened).*ct direction reply", "what is no reply has been dropped"),
    # Hooks that come to the same at another time.
    (r"priority of a chain.*classify(_own)?: .*priority -400", "still before others in `raw`"),
    (r"priority of a chain.*classify_own: .*priority -250", "still before connection tracking"),
    (r"priority of a chain.*services(_of_own)?: .*priority -(400|250|150)", "still before kube-proxy"),
    (r"priority of a chain.*translate: .*priority -(400|250|150)", "nat is done at its own place"),
    (r"priority of a chain.*sources: .*priority", "nat is done at its own place"),
    (r"priority of a chain.*(input|forward): ", "verdicts of different tables do not depend on their order"),
    (r"priority of a chain.*forget_choice: .*priority 150", "still after the translation"),
)  # fmt: skip
"""Kind and change, and why the mutant is no fault. One by one: what is not here must be caught."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    meaning: Meaning
    rights: Rights
    texts: dict[NodeName, NodeText]
    nodes: dict[NodeName, Node]

    def receivers(self, wrong: Node) -> Receivers:
        nodes = {**self.nodes, NodeName(wrong.name): wrong}
        return receivers_of(self.meaning, nodes.values())


@cache
def ground() -> Ground:
    compilation = scene.compiled()
    meaning, texts = meaning_from(compilation), texts_of(compilation)
    nodes = {name: text.read() for name, text in texts.items()}
    return Ground(meaning=meaning, rights=Rights(meaning=meaning), texts=texts, nodes=nodes)


def chosen(operators: tuple[Operator, ...], text: str) -> Iterator[Mutant]:
    for operator in operators:
        by_kind: dict[str, list[Mutant]] = {}
        for mutant in operator(text):
            by_kind.setdefault(mutant.kind, []).append(mutant)
        for kind, some in by_kind.items():
            yield from some[:: 1 if kind in EVERY else max(1, len(some) // OF_A_KIND)]


def is_caught(wrong: Node) -> bool:
    """By the node's own verdict, or by another's that sends to it."""
    receivers = ground().receivers(wrong)
    bench = bench_of(ground().rights, wrong)
    if bench is None or any(True for _ in bench.violations(receivers)):
        return True
    others = [
        fabric_of(ground().meaning, node) for name, node in ground().nodes.items() if name != wrong.name
    ]
    return any(True for fabric in others for _ in check_overlay(fabric, receivers))


def reason(mutant: Mutant) -> str:
    return next((why for what, why in EQUIVALENT if re.search(what, f"{mutant.kind}: {mutant.what}")), "")


def test_without_a_fault_the_scene_is_proved() -> None:
    verdict = judge(ground().meaning, ground().nodes.values())
    assert verdict.proved, "\n".join(map(str, verdict.violations))


@pytest.mark.parametrize("part", ["layout", "ruleset"])
def test_faults_are_caught_or_are_none(part: str, capsys: pytest.CaptureFixture[str]) -> None:
    good, text = ground().nodes[NODE], ground().texts[NODE]
    mutants = list(chosen(LAYOUTS, text.layout) if part == "layout" else chosen(RULESETS, text.ruleset))
    caught: Counter[str] = Counter()
    explained, missed = [], []
    for mutant in mutants:
        try:
            if part == "layout":
                found = is_caught(replace(good, state=read_layout(mutant.text)))
            else:
                found = is_caught(replace(good, ruleset=read_ruleset(mutant.text)))
        except (Contradiction, NotModelled, Unreadable):
            found = True
        if found:
            caught[mutant.kind] += 1
        elif reason(mutant):
            explained.append(mutant)
        else:
            missed.append(f"{mutant.kind}: {mutant.what}")
    faults = len(mutants) - len(explained)
    kinds = Counter(mutant.kind for mutant in mutants)
    with capsys.disabled():
        print(
            f"\n{part}: {caught.total()} of {faults} faults caught; {len(explained)} mutants are none: ",
            end="",
        )
        print("; ".join(f"{kind} {caught[kind]}/{number}" for kind, number in sorted(kinds.items())))
    assert faults >= {"layout": 110, "ruleset": 200}[part]
    assert not missed, "\n".join(missed)
