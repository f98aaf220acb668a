"""A proof is of the texts that nodes get, and a second one judges only what is not the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import synthetic_cluster
from compiler.allocations import Allocations
from compiler.change import Change
from compiler.compilation import Compilation, compile, recompile
from compiler.kubectl import read_inventory
from compiler.model import Egress
from compiler.names import NodeName
from compiler.parse import parse
from review.node_text import NodeText, rendered
from review.proof import judged, prove, prove_with_first_pods
from review.proof_memory import Memory, Source, Unjudged
from review.witnesses import witnesses_of
from tests.compiler.declared import declarations, router, where
from tests.compiler.small_cluster import BLUE, GREEN, RED, cluster, pod
from tests.golden.case import CASES, case
from verifier.meaning import meaning_of

INVENTORY = cluster(
    pod("team-a/red-1", "red", 1),
    pod("team-a/red-2", "red", 2),
    pod("team-a/green-3", "green", 3),
    nodes=3,
)
LEFT = router("left", "mesh", where(side="left"))
"""Of red and blue."""
APART = compile(declarations(RED, BLUE, GREEN), INVENTORY, Allocations())


def test_every_golden_case_is_proved() -> None:
    compilations = {name: case(name).after.compilation for name in CASES}
    refuted = [name for name, found in compilations.items() if found is not None and not prove(found).proved]
    assert refuted == []
    assert sum(found is not None for found in compilations.values()) > 70


def test_networks_without_pods_are_proved_with_first_pods_on_two_nodes() -> None:
    alone = prove(APART)

    proof = prove_with_first_pods(APART)

    assert proof.verdict.proved
    assert proof.tried == (
        "On no node yet, so judged as if each had a pod on node-1 and node-2: team-a/blue."
    )
    assert proof.missing == ""
    assert proof.verdict.certificate.digest == alone.certificate.digest
    assert proof.verdict.certificate.counts.entries > alone.certificate.counts.entries


def test_networks_are_named_as_unjudged_where_there_is_no_node_for_a_first_pod() -> None:
    proof = prove_with_first_pods(compile(declarations(RED), cluster(nodes=0), Allocations()))

    assert proof.tried == ""
    assert proof.missing.endswith("nothing of it was judged: team-a/red.")


def test_a_dense_cluster_is_proved() -> None:
    """Overlapping networks, every kind of router, Services of two ports each, both families."""
    size = synthetic_cluster.Size(nodes=4, teams=1, pods_of_a_network=4)
    declared = parse(synthetic_cluster.repository(size), revision="").declarations
    assert declared is not None
    pods = synthetic_cluster.pods(size)
    waiting, _ = read_inventory(synthetic_cluster.inventory_text(size, pods))
    allocations = compile(declared, waiting, Allocations()).allocations
    running = synthetic_cluster.with_addresses(pods, allocations)
    inventory, _ = read_inventory(synthetic_cluster.inventory_text(size, running))

    verdict = prove(compile(declared, inventory, allocations))

    assert verdict.violations == ()
    assert verdict.certificate.counts.services > 400


def test_where_nothing_changed_nothing_is_judged_again() -> None:
    memory = Memory()
    first = prove(APART, memory=memory)
    assert memory.judged == ("node-1", "node-2", "node-3")
    assert prove(APART, memory=memory) == first
    assert list(memory.judged) == []


def test_a_change_is_judged_on_the_nodes_that_it_concerns() -> None:
    memory = Memory()
    prove(APART, memory=memory)
    leaving = replace(GREEN, egress=Egress.SNAT)
    changed = recompile(APART, Change(declarations=declarations(RED, BLUE, leaving)))

    assert prove(changed, memory=memory).proved
    assert memory.judged == ("node-3",)


def test_what_a_change_means_for_a_node_is_judged_even_where_its_texts_stay() -> None:
    """Declared to talk, but the plans are those of before."""
    memory = Memory()
    prove(APART, memory=memory)
    joined = recompile(APART, Change(declarations=declarations(RED, BLUE, GREEN, LEFT)))
    held_back = replace(joined, plans=APART.plans)

    verdict = prove(held_back, memory=memory)

    assert memory.judged == ("node-1", "node-2")
    assert verdict == prove(held_back)


@pytest.mark.parametrize("name", [name for name in CASES if case(name).before])
def test_a_proof_after_a_change_is_the_proof_from_nothing(name: str) -> None:
    some = case(name)
    assert some.before is not None
    memory, after = Memory(), some.after.compilation
    assert some.before.compilation is not None
    prove(some.before.compilation, memory=memory)
    if after is not None:
        assert prove(after, memory=memory) == prove(after)


def test_several_processes_find_what_one_finds() -> None:
    memory, alone = Memory(), Memory()
    assert prove(APART, memory=memory, processes=2) == prove(APART, memory=alone, processes=0)
    assert memory.judged == alone.judged
    leaving = replace(GREEN, egress=Egress.SNAT)
    changed = recompile(APART, Change(declarations=declarations(RED, BLUE, leaving)))

    assert prove(changed, memory=memory) == prove(changed, memory=alone)
    assert memory.judged == ("node-3",)


def test_several_processes_find_the_same_violations() -> None:
    """Green's pods could leave the cluster, which is declared no more."""
    leaving = replace(GREEN, egress=Egress.SNAT)
    changed = recompile(APART, Change(declarations=declarations(RED, BLUE, leaving)))
    held_back = replace(APART, plans=changed.plans)

    verdict = prove(held_back, processes=2)

    assert verdict == prove(held_back, processes=0)
    assert {found.node for found in verdict.violations} == {"node-3"}


def test_what_another_process_cannot_read_is_told_here() -> None:
    def strange() -> NodeText:
        return replace(_text(APART, "node-1"), ruleset="table inet other {}")

    inputs = APART.inputs
    meaning = meaning_of(inputs.declarations, inputs.inventory, APART.allocations)
    sources = [Source(name=NodeName("node-1"), token=strange, text=strange)]
    with pytest.raises(Unjudged, match=r"node node-1: line 1: .*another table than Atoll's"):
        judged(meaning, sources, memory=Memory(), processes=1)


def test_progress_counts_nodes() -> None:
    """None is judged before all are read."""
    seen: list[tuple[int, int]] = []
    prove(APART, progress=lambda done, whole: seen.append((done, whole)))
    assert seen == [(0, 3), (0, 3), (0, 3), (1, 3), (2, 3), (3, 3)]


def test_a_text_that_is_not_understood_names_its_node() -> None:
    text = _text(APART, "node-1")
    strange = replace(text, ruleset=text.ruleset.replace("goto refuse", "queue to 3", 1))
    with pytest.raises(Unjudged, match=r"node node-1: line \d+: .*`queue` is not understood"):
        Memory().read(strange)


def test_a_witness_stands_for_the_pods_of_each_network_present() -> None:
    plan = APART.plans[NodeName("node-1")]
    (witness,) = witnesses_of(plan, {})
    assert witness.pod == "a pod of team-a/red"
    assert [str(address) for address in witness.addresses] == ["10.1.0.1"]
    assert f"# {witness.port} is made by the agent" in _text(APART, "node-1").layout


def test_a_witness_has_the_address_of_a_pod_that_runs() -> None:
    running = pod("team-a/red-1", "red", 1, "10.1.0.7")
    compilation = recompile(APART, Change(pods={running.name: running}))
    plan = compilation.plans[NodeName("node-1")]
    (witness,) = witnesses_of(plan, compilation.inputs.inventory.pods)
    assert [str(address) for address in witness.addresses] == ["10.1.0.7"]


def _text(compilation: Compilation, node: str) -> NodeText:
    return rendered(compilation.plans[NodeName(node)], compilation.inputs.inventory.pods)
