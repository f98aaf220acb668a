"""A node's plan as the texts that the verifier reads: what the node would hold, and no other way to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from compiler.inventory import Pod
from compiler.layering import base_layout
from compiler.layout_text import layout_text
from compiler.model import Address
from compiler.names import NodeName, ObjectName
from compiler.plan import NodePlan
from compiler.rendering import ruleset_of
from review.witnesses import witness_layout


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeText:
    name: NodeName
    address: Address
    """On the underlay."""
    ruleset: str
    layout: str
    """With the witnesses' ports."""

    @property
    def digest(self) -> bytes:
        whole = sha256(f"{self.name}\n{self.address}\n{len(self.ruleset)}\n".encode())
        whole.update(self.ruleset.encode())
        whole.update(self.layout.encode())
        return whole.digest()


def rendered(plan: NodePlan, pods: Mapping[ObjectName, Pod]) -> NodeText:
    """As the compiler renders it. `pods`: of the inventory."""
    return with_witnesses(plan, pods, ruleset=ruleset_of(plan).text, layout=layout_text(base_layout(plan)))


def with_witnesses(plan: NodePlan, pods: Mapping[ObjectName, Pod], *, ruleset: str, layout: str) -> NodeText:
    """Texts as they were written for a node, with ports to judge it by."""
    return NodeText(
        name=plan.name,
        address=plan.address,
        ruleset=ruleset,
        layout=layout + layout_text(witness_layout(plan, pods)),
    )
