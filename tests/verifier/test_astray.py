"""What the ruleset refuses where no route of ours leads, it would refuse had another hand added one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compiler.names import NodeName
from tests.golden.case import case
from tests.verifier.rendered import meaning_from, texts_of
from verifier.judge import judge
from verifier.nft_text import read_ruleset


@pytest.mark.parametrize(
    ("instead", "sentence"),
    [
        ("accept", "were a route to lead astray, packets of team-a/red to the default network would pass"),
        (
            "drop",
            "were a route to lead astray, packets of team-a/red to the default network would get no answer",
        ),
    ],
)
def test_the_last_rule_before_host_links_is_asked_without_a_route_to_one(instead: str, sentence: str) -> None:
    """Red of this case has no infrastructure: none of its routes leads to its host link."""
    compilation = case("service-local").after.compilation
    assert compilation is not None
    meaning, texts = meaning_from(compilation), texts_of(compilation)
    nodes = [text.read() for text in texts.values()]
    assert judge(meaning, nodes).proved

    text = texts[NodeName("node-1")].ruleset
    at = text.index("chain to_host")
    wrong = read_ruleset(text[:at] + text[at:].replace("\t\tgoto refuse\n", f"\t\t{instead}\n", 1))
    nodes = [replace(node, ruleset=wrong) if node.name == "node-1" else node for node in nodes]
    assert sentence in [violation.sentence for violation in judge(meaning, nodes).violations]
