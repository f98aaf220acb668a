"""What `atoll verify` judges: a compilation, plans as they were written, or one node's kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from agent.plan_file import PlanRejected, read_publication
from cli.failure import Failure
from compiler import codec
from compiler.allocations import Allocations
from compiler.compilation import Compilation
from compiler.inventory import Pod
from compiler.names import NodeName, ObjectName
from compiler.plan import NodePlan
from review.node_text import with_witnesses
from review.proof import Given, Memory, Unjudged, judged, prove
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


def judge_compilation(basis: Basis, progress: Progress) -> Verdict:
    """Every node as it was compiled. Raises Failure."""
    return _answered(lambda: prove(basis.compilation, progress=progress))


def judge_plans(basis: Basis, folder: Path, progress: Progress) -> Verdict:
    """Every node as `atoll compile --out` or the controller wrote it. Raises Failure."""
    memory = Memory()
    if (folder / COMPILED).is_dir():
        found = _compiled(folder / COMPILED, memory, basis)
    elif (folder / PUBLISHED).is_dir():
        found = _published(folder / PUBLISHED, memory, basis)
    else:
        raise Failure(
            f"{folder}: it holds neither {COMPILED}/ nor {PUBLISHED}/. Give a directory that atoll compile"
            " or the controller wrote."
        )
    try:
        given = list(found)
    except Unjudged as error:
        raise Failure(f"{error}. Nothing was judged.") from None
    except OSError as error:
        raise Failure(f"{error.filename}: it cannot be read: {error.strerror}.") from None
    return _answered(lambda: judged(basis.meaning(), given, memory=memory, progress=progress))


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
        yield memory.rendered(plans[remote.name], basis.pods)


def _compiled(folder: Path, memory: Memory, basis: Basis) -> Iterator[Given]:
    """Ruleset and layout as they stand; the plan only says where pods may be."""
    for node in sorted(path for path in folder.iterdir() if path.is_dir()):
        plan = _plan(node / "plan.json")
        text = with_witnesses(
            plan,
            basis.pods,
            ruleset=(node / "ruleset.nft").read_text(),
            layout=(node / "layout.txt").read_text(),
        )
        yield memory.read(text)


def _published(folder: Path, memory: Memory, basis: Basis) -> Iterator[Given]:
    for file in sorted(path for path in folder.glob("*.json") if not path.name.startswith(".")):
        try:
            plan = read_publication(file, NodeName(file.stem)).plan
        except PlanRejected as error:
            raise Failure(f"{error}. Nothing was judged.") from None
        yield memory.rendered(plan, basis.pods)


def _plan(path: Path) -> NodePlan:
    try:
        return codec.decode_plan(path.read_bytes())
    except ValueError as error:
        raise Failure(f"{path}: it does not hold a plan: {error}. Compile again.") from None


T = TypeVar("T")


def _answered(work: Callable[[], T]) -> T:
    try:
        return work()
    except (Contradiction, NotModelled, Unjudged) as error:
        raise Failure(f"{error}. Nothing was judged.") from None
