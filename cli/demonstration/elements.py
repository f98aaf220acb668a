"""What a commit changes in a node's firewall, one line an element, from the plans before and after."""

from __future__ import annotations

from collections.abc import Iterator

from compiler.plan import NodePlan
from compiler.rendering import ruleset_of


def element_lines(before: NodePlan, after: NodePlan) -> Iterator[str]:
    """`+` for what comes, `-` for what goes: set, key, and the comment that says what it means."""
    old, new = ruleset_of(before).sets, ruleset_of(after).sets
    for name in new:
        for key, element in old[name].items():
            if new[name].get(key) != element:
                yield f"- {name:10} {key:34} {element.comment}".rstrip()
        for key, element in new[name].items():
            if old[name].get(key) != element:
                yield f"+ {name:10} {key:34} {element.comment}".rstrip()
