"""How long a proof takes: of a whole cluster, again where nothing changed, and after a change of one network.

The cluster is `benchmarks.synthetic_cluster`'s, whose networks overlap and are spread over as many nodes as
they have pods. Times are of the wall, since a proof uses all processors, and CPU seconds of this process and
those that it starts. Run: python -m benchmarks.verify [--nodes 100] [--teams 50] [--pods 5]
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from benchmarks import synthetic_cluster as cluster
from compiler.allocations import Allocations
from compiler.change import Change
from compiler.compilation import Compilation, compile, recompile
from compiler.kubectl import read_inventory
from compiler.model import Declarations, Egress
from compiler.parse import parse
from review.proof import compiled_source, prove
from review.proof_memory import Memory


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--nodes", type=int, default=100)
    options.add_argument("--teams", type=int, default=50, help="of ten networks each")
    options.add_argument("--pods", type=int, default=5, help="of a network")
    chosen = options.parse_args()
    size = cluster.Size(nodes=chosen.nodes, teams=chosen.teams, pods_of_a_network=chosen.pods)
    print(f"python {platform.python_version()}, {len(os.sched_getaffinity(0))} processors")
    print(f"{size.nodes} nodes, {len(size.networks)} networks, {len(size.networks) * chosen.pods} pods")
    compilation = _compiled(size)
    gc.freeze()
    _texts(compilation)
    memory = Memory()
    _proof("whole", compilation, memory)
    _proof("again", compilation, memory)
    declarations = _changed(compilation.inputs.declarations)
    with _timed("recompile"):
        changed = recompile(compilation, Change(declarations=declarations))
    _proof("one network changed", changed, memory)


def _compiled(size: cluster.Size) -> Compilation:
    """Everything runs and has addresses."""
    declarations = parse(cluster.repository(size), revision="first").declarations
    assert declarations is not None
    pods = cluster.pods(size)
    inventory, _ = read_inventory(cluster.inventory_text(size, pods))
    first = compile(declarations, inventory, Allocations())
    running = cluster.with_addresses(pods, first.allocations)
    inventory, _ = read_inventory(cluster.inventory_text(size, running))
    with _timed("compile"):
        return compile(declarations, inventory, first.allocations)


def _texts(compilation: Compilation) -> None:
    """What a proof begins with, by itself and in one process."""
    pods = compilation.inputs.inventory.pods
    with _timed("render"):
        texts = [compiled_source(plan, pods).text() for plan in compilation.plans.values()]
    memory = Memory()
    with _timed("read"):
        for text in texts:
            memory.read(text)
    print(f"  {sum(len(t.ruleset) + len(t.layout) for t in texts) / 1e6:.0f} MB of text")


def _proof(label: str, compilation: Compilation, memory: Memory) -> None:
    with _timed(label):
        verdict = prove(compilation, memory=memory)
    counts = verdict.certificate.counts
    assert verdict.proved, verdict.violations[0]
    print(
        f"  {len(memory.judged)} nodes judged; in all {counts.classes:,} classes of packets"
        f" from {counts.entries:,} places"
    )


def _changed(declarations: Declarations) -> Declarations:
    """The last network may leave the cluster."""
    *others, last = declarations.networks
    return replace(declarations, networks=(*others, replace(last, egress=Egress.SNAT)))


@contextmanager
def _timed(label: str) -> Iterator[None]:
    wall, cpu = time.perf_counter(), _cpu()
    yield
    print(f"{label:20} {time.perf_counter() - wall:8.2f} s, {_cpu() - cpu:8.2f} s of CPU", flush=True)


def _cpu() -> float:
    """Of this process and of those that it started and that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


if __name__ == "__main__":
    main()
