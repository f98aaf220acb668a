"""What `expected/` of a case holds: file by file, as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

from compiler.codec import encode_allocations
from compiler.compilation import Compilation
from compiler.layering import layout_of
from compiler.layout import Attachment
from compiler.layout_text import layout_text
from compiler.names import DEFAULT_NETWORK, NodeName
from compiler.plan import NodePlan
from compiler.reachability import (
    Reachability,
    change_lines,
    changes,
    reachability_of,
    reachability_text,
    visible_services,
)
from compiler.rendering import ruleset_of
from compiler.ruleset import Ruleset, set_text, transaction
from compiler.sets import SETS
from tests.golden.attachments import attachments_of
from tests.golden.case import Case, Outcome, case

OF_THE_CLUSTER: Final = ("cluster4", "cluster6", "service_ranges4", "service_ranges6")
"""Sets that follow from the ClusterConfig alone. They stand with the chains, once."""

STANDARD: Final = "one-network"
"""The case whose ClusterConfig `golden/chains.nft` is made from."""


@cache
def expected_files(name: str) -> Mapping[str, str]:
    """By path below `expected/`. What would be empty is absent."""
    some = case(name)
    files = dict(_whole(some))
    if some.after.compilation is not None:
        chains = chains_of(some.after.compilation)
        if chains != standard_chains():
            files["chains.nft"] = chains
        for node, plan in sorted(some.after.compilation.plans.items()):
            files.update(_of_node(some, node, plan))
    return {path: text for path, text in files.items() if text}


@cache
def standard_chains() -> str:
    """The text of `golden/chains.nft`."""
    compilation = case(STANDARD).after.compilation
    assert compilation is not None
    return chains_of(compilation)


def chains_of(compilation: Compilation) -> str:
    """The part of a ruleset that is the same on every node."""
    texts = {_constant_text(ruleset_of(plan)) for plan in compilation.plans.values()}
    assert len(texts) == 1, "chains or sets of the cluster differ between nodes"
    return texts.pop()


def _constant_text(ruleset: Ruleset) -> str:
    return f"{_sets_text(ruleset, of_the_cluster=True)}\n{_one_level_out(ruleset.chains)}"


def _sets_text(ruleset: Ruleset, *, of_the_cluster: bool) -> str:
    texts = [
        set_text(spec, ruleset.sets[spec.name])
        for spec in SETS
        if ruleset.sets[spec.name] and (spec.name in OF_THE_CLUSTER) is of_the_cluster
    ]
    return _one_level_out("".join(texts))


def _one_level_out(text: str) -> str:
    return "".join(line.removeprefix("\t") for line in text.splitlines(keepends=True))


def _whole(some: Case) -> Iterator[tuple[str, str]]:
    yield "problems.txt", "".join(f"{problem}\n" for problem in some.after.problems)
    compilation = some.after.compilation
    if compilation is None:
        return
    yield "reachability.txt", reachability_text(reachability(compilation))
    yield "allocations.json", encode_allocations(compilation.allocations).decode()
    if some.before is not None:
        yield "changes.txt", _changes_text(some.before, some.after)


def reachability(compilation: Compilation) -> Reachability:
    resolution = compilation.resolution
    services = visible_services(compilation.service_plans, compilation.numbers, resolution)
    return reachability_of(compilation.inputs.declarations, resolution, services)


def _changes_text(before: Outcome, after: Outcome) -> str:
    assert before.compilation is not None
    assert after.compilation is not None
    change = changes(reachability(before.compilation), reachability(after.compilation))
    return "".join(f"{line}\n" for line in change_lines(change))


def _of_node(some: Case, node: NodeName, plan: NodePlan) -> Iterator[tuple[str, str]]:
    attachments: tuple[Attachment, ...] = attachments_of(some.name, node)
    ruleset = ruleset_of(plan)
    yield f"{node}/pods.txt", pods_text(plan)
    yield f"{node}/layout.txt", layout_text(layout_of(plan, attachments))
    yield f"{node}/sets.nft", _sets_text(ruleset, of_the_cluster=False)
    earlier = some.before.compilation.plans.get(node) if some.before and some.before.compilation else None
    if earlier is not None:
        yield f"{node}/change.nft", transaction(ruleset_of(earlier), ruleset)


def pods_text(plan: NodePlan) -> str:
    """One line for each pod of the node: its network, or why it waits."""
    names = {network.number: str(network.name) for network in plan.networks}
    lines = []
    for pod in plan.pods:
        if pod.network is None:
            state = f"waits: {pod.refusal}"
        elif pod.network == DEFAULT_NETWORK:
            state = "default network"
        else:
            state = f"{names[pod.network]}, number {pod.network}"
        if pod.addresses:
            state += f", address {' and '.join(map(str, pod.addresses))}"
        lines.append(f"{pod.name}: {state}\n")
    return "".join(lines)
