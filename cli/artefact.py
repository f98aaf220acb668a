"""A compilation as files: what a reviewer reads, and nodes could apply by hand."""

from __future__ import annotations

from pathlib import Path

import msgspec

from cli.failure import Failure
from compiler import codec
from compiler.compilation import Compilation
from compiler.layering import layout_of
from compiler.layout_text import layout_text
from compiler.model import Declarations
from compiler.plan import NodePlan
from compiler.rendering import ruleset_of
from controller.reach import reach_of

NODE_FILES = ("plan.json", "layout.txt", "ruleset.nft")


def write_artefact(out: Path, compilation: Compilation) -> None:
    """Write every file, and remove those of nodes that are gone; raise Failure."""
    reach = reach_of(compilation)
    try:
        nodes = out / "nodes"
        nodes.mkdir(parents=True, exist_ok=True)
        _remove_others(nodes, {str(node) for node in compilation.plans})
        (out / "allocations.json").write_bytes(codec.encode_allocations(compilation.allocations))
        (out / "reachability.txt").write_text(reach.text)
        (out / "reachability.json").write_bytes(codec.encode_reachability(reach.reachability))
        (out / "origins.json").write_bytes(origins_json(compilation.inputs.declarations))
        for node, plan in compilation.plans.items():
            _write_node(nodes / node, plan)
    except OSError as error:
        place = error.filename or out
        raise Failure(
            f"{place}: {error.strerror}. Give a directory that can be written to as --out."
        ) from None


def _write_node(folder: Path, plan: NodePlan) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "plan.json").write_bytes(codec.encode_plan(plan))
    (folder / "layout.txt").write_text(layout_text(layout_of(plan, ())))
    (folder / "ruleset.nft").write_text(ruleset_of(plan).text)


def _remove_others(nodes: Path, wanted: set[str]) -> None:
    """Remove what an earlier compilation wrote for nodes that are gone, and nothing else."""
    for folder in nodes.iterdir():
        if folder.name not in wanted and folder.is_dir() and (folder / "plan.json").exists():
            for name in NODE_FILES:
                (folder / name).unlink(missing_ok=True)
            if not any(folder.iterdir()):
                folder.rmdir()


def origins_json(declarations: Declarations) -> bytes:
    """Return where each object and subnet of the commit is declared, as `path:line:column`."""
    objects = {"ClusterConfig": str(declarations.config.origin)}
    subnets: dict[str, dict[str, str]] = {}
    for network in declarations.networks:
        objects[f"VirtualNetwork {network.name}"] = str(network.origin)
        subnets[str(network.name)] = {str(subnet.prefix): str(subnet.origin) for subnet in network.subnets}
    for router in declarations.routers:
        objects[f"VirtualNetworkRouter {router.name}"] = str(router.origin)
    document = {"revision": declarations.revision, "objects": objects, "subnets": subnets}
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
