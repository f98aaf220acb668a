"""What `atoll explain` looks at: a compilation, plans as written, or one node's kernel among them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from cli.console import progress
from cli.declared import read_repository
from cli.failure import ExitCode, Failure
from cli.node_dump import read_dump, read_live
from cli.verify_inputs import COMPILED, Basis, basis_of
from compiler.compilation import Compilation
from compiler.names import NodeName
from controller.git import blame_lines
from controller.git_messages import Blame
from controller.snapshot import SourceError
from review.explain_answer import Answer, Line
from review.explain_ground import Ground, Written
from verifier.state import Node

BLAME_SECONDS = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs:
    repo: Path
    revision: str | None
    folder: str
    inventory: Path | None
    """None: the model of `review.model_cluster`."""
    allocations: Path | None
    plans: Path | None
    node: str | None
    dump: Path | None
    """With `node`; None: this machine."""


def ground_of(inputs: Inputs) -> Ground:
    """Raises Failure."""
    with progress("compiling"):
        basis = _basis(inputs)
    ground = Ground.of(basis.compilation)
    if inputs.plans is not None:
        ground.meaning = basis.meaning()
        ground.written = _written(inputs.plans, basis.compilation)
    if inputs.node is not None:
        ground.real = {NodeName(inputs.node): _real(ground, inputs.node, inputs.dump)}
    return ground


def _basis(inputs: Inputs) -> Basis:
    snapshot = read_repository(inputs.repo, inputs.revision, inputs.folder)
    basis, _ = basis_of(snapshot, inputs.inventory, inputs.allocations, inputs.plans)
    if basis is None:
        raise Failure("The declarations have errors. Look at them with atoll validate.", ExitCode.PROBLEMS)
    return basis


def _written(plans: Path, compilation: Compilation) -> dict[NodeName, Written]:
    found = {}
    for name in compilation.plans:
        folder = plans / COMPILED / name
        try:
            ruleset, layout = (
                (folder / file).read_text(encoding="utf-8", errors="replace")
                for file in ("ruleset.nft", "layout.txt")
            )
        except OSError as error:
            reason = f"{error.filename}: it cannot be read: {error.strerror}"
            raise Failure(f"{reason}. Give a directory that atoll compile --out wrote.") from None
        found[name] = Written(ruleset=ruleset, layout=layout)
    return found


def _real(ground: Ground, name: str, dump: Path | None) -> Node:
    nodes = ground.meaning.nodes
    if name not in nodes:
        known = ", ".join(sorted(nodes)[:5]) or "none"
        raise Failure(f"node {name} takes no part in networks by the inventory. Those that do: {known}.")
    underlay = nodes[NodeName(name)].underlay
    address = (underlay.version, int(underlay))
    return (read_dump(dump, name, address) if dump else read_live(name, address)).node


def with_lines(answer: Answer, repo: Path, revision: str) -> Answer:
    """The answer with the commit and author of every line that it names; as it is where nobody can tell."""
    ways = [way for family in answer.families for way in (*family.there, *family.back)]
    places = {place for way in ways for step in way.steps for place in step.places}
    places |= {place for reason in answer.reasons for place in reason.places}
    wanted: dict[str, list[int]] = {}
    for place in sorted(places):
        path, _, line = place.rpartition(":")
        wanted.setdefault(path, []).append(int(line))
    request = Blame(repository=str(repo.resolve()), base=revision, head=revision, brought=wanted, removed={})
    try:
        blamed = blame_lines(request, seconds=BLAME_SECONDS)
    except SourceError:
        return answer
    lines = tuple(
        Line(place=f"{path}:{line}", commit=writer.commit, author=writer.author)
        for path, some in sorted(blamed.brought.items())
        for line, writer in sorted(some.items())
    )
    return msgspec.structs.replace(answer, lines=lines)
