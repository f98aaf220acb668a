"""What `atoll verify` judges: a compilation, plans as they were written, or one node's kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from agent.plan_file import PlanRejected, read_publication
from cli.compile import compiled, read_allocations
from cli.failure import Failure
from compiler import codec
from compiler.allocations import Allocations
from compiler.compilation import Compilation
from compiler.inventory import Pod
from compiler.layering import base_layout
from compiler.layout_text import layout_text
from compiler.names import NodeName, ObjectName
from compiler.plan import Block, NetworkPlan, NodePlan
from compiler.problem import Problem
from compiler.rendering import ruleset_of
from controller.snapshot import Snapshot
from review.node_text import NodeText, with_witnesses
from review.proof import compiled_source, judged, prove_with_first_pods
from review.proof_memory import Given, Memory, Source, Unjudged
from verifier.certificate import Certificate
from verifier.fabric import receivers_of
from verifier.fault import Contradiction, NotModelled
from verifier.judge import Progress, Verdict, judge_node
from verifier.meaning import Meaning, meaning_of
from verifier.rights import Rights
from verifier.state import Address

COMPILED: Final = "nodes"
"""The folder of `atoll compile --out` that holds a folder for each node."""
PUBLISHED: Final = "plans"
"""The folder of the controller's directory that holds a file for each node."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Basis:
    """What was declared, compiled, and the allocations in force."""

    compilation: Compilation
    allocations: Allocations

    @property
    def pods(self) -> Mapping[ObjectName, Pod]:
        return self.compilation.inputs.inventory.pods

    def meaning(self) -> Meaning:
        inputs = self.compilation.inputs
        known = self.allocations.networks
        missing = [n.name for n in inputs.declarations.networks if n.name not in known]
        if missing:
            raise Failure(
                f"network {missing[0]} has no number in the allocations: they are of another commit."
                " Give those that were kept with the plans."
            )
        return meaning_of(inputs.declarations, inputs.inventory, self.allocations)


def basis_of(
    snapshot: Snapshot, inventory: Path | None, allocations: Path | None, plans: Path | None
) -> tuple[Basis | None, tuple[Problem, ...]]:
    """What was declared, compiled; none where there is an error.

    Plans are held against the allocations that were kept with them. Raises Failure.
    """
    if plans is not None and allocations is None:
        allocations = plans / "allocations.json"
    kept = read_allocations(allocations)
    compilation, problems = compiled(snapshot, inventory, kept)
    if compilation is None:
        return None, problems
    in_force = kept if plans is not None else compilation.allocations
    return Basis(compilation=compilation, allocations=in_force), problems


def judge_compilation(basis: Basis, progress: Progress) -> Verdict:
    """Every node as it was compiled, and networks that are on none yet. Raises Failure."""
    return _answered(lambda: prove_with_first_pods(basis.compilation, progress=progress)).remarked


def judge_plans(basis: Basis, folder: Path, progress: Progress) -> Verdict:
    """Every node as `atoll compile --out` or the controller wrote it. Raises Failure."""
    if (folder / COMPILED).is_dir():
        sources = list(_compiled(folder / COMPILED, basis))
    elif (folder / PUBLISHED).is_dir():
        sources = list(_published(folder / PUBLISHED, basis))
    else:
        raise Failure(
            f"{folder}: it holds neither {COMPILED}/ nor {PUBLISHED}/. Give a directory that atoll compile"
            " or the controller wrote."
        )
    return _answered(lambda: judged(basis.meaning(), sources, memory=Memory(), progress=progress))


def judge_one(basis: Basis, name: NodeName, read: Callable[[str, Address], Given]) -> Verdict:
    """One node as its kernel has it; of the others, what their VXLANs listen to. Raises Failure."""
    meaning = basis.meaning()
    if name not in meaning.nodes:
        known = ", ".join(sorted(meaning.nodes)[:5]) or "none"
        raise Failure(f"node {name} takes no part in networks by the inventory. Those that do: {known}.")
    underlay = meaning.nodes[name].underlay
    given = read(name, (underlay.version, int(underlay)))
    receivers = receivers_of(meaning, (other.node for other in _others(basis, name)))
    found = _answered(lambda: judge_node(Rights(meaning=meaning), given.node, receivers))
    revision = basis.compilation.inputs.declarations.revision
    certificate = Certificate(revision=revision, digest=given.digest.hex(), counts=found.counts)
    return Verdict(violations=found.violations, certificate=certificate)


def _others(basis: Basis, name: NodeName) -> Iterator[Given]:
    """The nodes that this one sends to, as compiled."""
    plans, memory = basis.compilation.plans, Memory()
    for remote in plans[name].remotes if name in plans else ():
        yield memory.given(compiled_source(plans[remote.name], basis.pods))


def _compiled(folder: Path, basis: Basis) -> Iterator[Source]:
    """Ruleset and layout as they stand."""
    for node in sorted(path for path in folder.iterdir() if path.is_dir()):
        plan = _plan(node / "plan.json")
        if plan.name != node.name:
            raise Failure(f"{node}: its plan is for node {plan.name}. Compile again.")
        text = with_witnesses(
            _witnessed(basis, plan),
            basis.pods,
            ruleset=_text(node / "ruleset.nft"),
            layout=_text(node / "layout.txt"),
        )
        yield Source(name=plan.name, token=text, text=partial(_same, text), weight=len(plan.networks))


def _same(text: NodeText) -> NodeText:
    return text


def _witnessed(basis: Basis, plan: NodePlan) -> NodePlan:
    """Where pods may be on the node, by what is declared and allotted: its plan is what is judged.

    Blocks that only a compilation of today gives are in no plan yet.
    """
    expected = basis.compilation.plans.get(plan.name)
    if expected is None:
        return plan
    networks = tuple(
        replace(network, blocks=tuple(block for block in network.blocks if _in_force(basis, network, block)))
        for network in expected.networks
    )
    return replace(expected, networks=networks)


def _in_force(basis: Basis, network: NetworkPlan, block: Block) -> bool:
    allocation = basis.allocations.networks.get(network.name)
    return allocation is not None and block.prefix in allocation.blocks


def _published(folder: Path, basis: Basis) -> Iterator[Source]:
    for file in sorted(path for path in folder.glob("*.json") if not path.name.startswith(".")):
        try:
            plan = read_publication(file, NodeName(file.stem)).plan
        except PlanRejected as error:
            raise Failure(f"{error}. Nothing was judged.") from None
        except OSError as error:
            raise _unreadable(file, error) from None
        text = with_witnesses(
            _witnessed(basis, plan),
            basis.pods,
            ruleset=ruleset_of(plan).text,
            layout=layout_text(base_layout(plan)),
        )
        yield Source(name=plan.name, token=text, text=partial(_same, text), weight=len(plan.networks))


def _plan(path: Path) -> NodePlan:
    try:
        return codec.decode_plan(path.read_bytes())
    except OSError as error:
        raise _unreadable(path, error) from None
    except ValueError as error:
        raise Failure(f"{path}: it does not hold a plan: {error}. Compile again.") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> Failure:
    return Failure(f"{path}: it cannot be read: {error.strerror}. Compile again, or restore it.")


T = TypeVar("T")


def _answered(work: Callable[[], T]) -> T:
    try:
        return work()
    except (Contradiction, NotModelled, Unjudged) as error:
        raise Failure(f"{error}. Nothing was judged.") from None
