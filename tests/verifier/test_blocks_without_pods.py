"""A node whose pods have left keeps their block, and others take for its own what comes from there."""

from __future__ import annotations

from dataclasses import replace

from compiler.names import NodeName
from tests.golden.case import case
from tests.verifier.rendered import meaning_from, texts_of
from verifier.judge import judge
from verifier.nft_text import read_ruleset
from verifier.violation import Kind


def test_such_a_node_keeps_forged_packets_of_the_overlay_from_those_that_would_take_them() -> None:
    """Masqueraded, what a pod of the default network sends has the node's own address."""
    compilation = case("pods-leave").after.compilation
    assert compilation is not None
    meaning, texts = meaning_from(compilation), texts_of(compilation)
    assert meaning.takers_of(NodeName("node-1")) == {"node-2"}
    assert meaning.nodes[NodeName("node-1")].present == frozenset()
    nodes = [text.read() for text in texts.values()]
    assert judge(meaning, nodes).proved

    unguarded = texts[NodeName("node-1")].ruleset.replace('192.0.2.2 comment "node-2"', "192.0.2.77")
    wrong = [replace(n, ruleset=read_ruleset(unguarded)) if n.name == "node-1" else n for n in nodes]
    (found,) = (v for v in judge(meaning, wrong).violations if v.kind is Kind.FORGED)
    assert found.sentence == (
        "VXLAN packets of others are passed on to a node, which may take them for this one's"
    )
