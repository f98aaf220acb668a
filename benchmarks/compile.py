"""How long a compilation takes, whole and by stage, and how long a recompilation after one event.

The cluster is `benchmarks.synthetic_cluster`'s: 1,000 nodes, 1,000 networks, 50,000 pods, 2,000
Services, 300 routers, dual stack. Times are CPU seconds of this one-threaded process, which other load
on the machine disturbs less. Run: python -m benchmarks.compile [--teams 100] [--nodes 1000]
"""

from __future__ import annotations

import argparse
import gc
import platform
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from os import cpu_count
from typing import TypeVar

from benchmarks import synthetic_cluster as cluster
from compiler.allocations import Allocations
from compiler.change import Change, persistent
from compiler.collector import collector_paused
from compiler.compilation import Compilation, Stages, compile, recompile
from compiler.fleet import Outlook, replan
from compiler.inputs import everything, inputs_of, nothing
from compiler.inventory import Inventory, Pod
from compiler.kubectl import read_inventory
from compiler.model import Declarations
from compiler.names import ObjectName
from compiler.offerings import Basis, reoffer
from compiler.parse import Parsed, parse
from compiler.resolve import resolve
from compiler.settlement import resettle, unsettled

T = TypeVar("T")
ROUNDS = 30


@dataclass(frozen=True, slots=True)
class Table:
    rows: list[tuple[str, str]] = field(default_factory=list)

    def time(self, label: str, work: Callable[[], T]) -> T:
        start = time.process_time()
        result = work()
        self.rows.append((label, f"{time.process_time() - start:8.2f} s"))
        return result

    def median(self, label: str, rounds: list[float]) -> None:
        middle, worst = statistics.median(rounds) * 1000, max(rounds) * 1000
        self.rows.append((label, f"{middle:8.2f} ms  (worst of {len(rounds)}: {worst:.1f} ms)"))

    def note(self, label: str, text: str) -> None:
        self.rows.append((label, text))

    def __str__(self) -> str:
        width = max(len(label) for label, _ in self.rows)
        return "\n".join(f"{label:{width}}  {text}" for label, text in self.rows)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--teams", type=int, default=100)
    options.add_argument("--nodes", type=int, default=1_000)
    chosen = options.parse_args()
    size = cluster.Size(nodes=chosen.nodes, teams=chosen.teams)
    table = Table()
    table.note("python", f"{platform.python_version()}, rpds-py {version('rpds-py')}, {cpu_count()} cores")
    with collector_paused():
        parsed, text, allocations = _first(table, size)
        parsed, inventory = _whole(table, size, text)
        compilation = _restart(table, parsed, inventory, allocations)
    gc.freeze()  # as a long-running program should: a full collection would walk over millions of values
    _events(table, size, parsed, compilation)
    print(table)


def _first(table: Table, size: cluster.Size) -> tuple[Parsed, bytes, Allocations]:
    """A cluster that nothing is allocated in yet: pods wait for their addresses."""
    parsed = parse(cluster.repository(size), revision="first")
    pods = cluster.pods(size)
    inventory, _ = read_inventory(cluster.inventory_text(size, pods))
    assert parsed.declarations is not None
    declarations = parsed.declarations
    compilation = table.time(
        "compile, nothing allocated", lambda: compile(declarations, inventory, Allocations())
    )
    allocations = compilation.allocations
    text = cluster.inventory_text(size, cluster.with_addresses(pods, allocations))
    return parsed, text, allocations


def _whole(table: Table, size: cluster.Size, text: bytes) -> tuple[Parsed, Inventory]:
    files = cluster.repository(size)
    parsed = table.time(f"parse {len(files):,} files", lambda: parse(files, revision="first"))
    inventory, _ = table.time(
        f"read inventory, {len(text) / 1e6:.0f} MB of JSON", lambda: read_inventory(text)
    )
    table.note(
        "  pods, services, slices",
        f"{len(inventory.pods):,}, {len(inventory.services):,}, {len(inventory.slices):,}",
    )
    return parsed, inventory


def _restart(table: Table, parsed: Parsed, inventory: Inventory, allocations: Allocations) -> Compilation:
    """Everything runs and has addresses: what a controller does when it starts."""
    declarations = parsed.declarations
    assert declarations is not None
    compilation = table.time("compile", lambda: compile(declarations, inventory, allocations))
    _by_stage(table, declarations, inventory, allocations)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    table.note("peak memory of all this", f"{peak:8.0f} MiB")
    plan = next(iter(compilation.plans.values()))
    table.note(
        "  one plan",
        f"{len(plan.networks)} networks, {len(plan.remotes)} remotes, {len(plan.services)} service ports",
    )
    return compilation


def _by_stage(table: Table, declarations: Declarations, inventory: Inventory, given: Allocations) -> None:
    inputs = table.time("  inputs", lambda: inputs_of(declarations, persistent(inventory)))
    delta = everything(inputs, given)
    old = Stages(
        inputs=nothing(declarations), settlement=table.time("  open allocations", lambda: unsettled(given))
    )
    resolution = table.time("  resolve", lambda: resolve(declarations, inventory.namespaces))
    settlement, resettled = table.time(
        "  settlement", lambda: resettle(old.settlement, old.inputs, inputs, delta)
    )
    basis = Basis(inputs=inputs, settlement=settlement)
    offerings, reoffered = table.time(
        "  offerings", lambda: reoffer(old.offerings, old.outlook.basis, basis, delta, resettled)
    )
    outlook = Outlook(basis=basis, resolution=resolution, offerings=offerings)
    table.time("  plans", lambda: replan(old.fleet, old.outlook, outlook, delta, (resettled, reoffered)))


def _events(table: Table, size: cluster.Size, parsed: Parsed, start: Compilation) -> None:
    """Each event is undone before the next round; both ways are measured."""
    some = next(iter(start.inputs.inventory.pods.values()))
    table.note("after one event, median of", f"{ROUNDS:5}")
    _alternate(table, "  one pod in an existing block", start, _pod(some, "another"), _pod(some, None))
    files = cluster.repository(size)
    name = ObjectName(namespace="team-000", name="net-10")
    more = {**files, "team-000/net-10.yaml": cluster.network_file(name)}
    _commits(table, "one network", start, parsed, more, files)
    waiting = Change(pods={pod.name: pod for pod in _waiting(name, start, 20)})
    _commits(table, "one network, 20 pods waiting", recompile(start, waiting), parsed, more, files)
    apart = dict(files)
    for index in (7, 8):
        labelled = ObjectName(namespace="team-000", name=f"net-{index}")
        apart[f"team-000/net-{index}.yaml"] = cluster.network_file(labelled, "joined")
    joined = {**apart, "team-000/joined.yaml": cluster.router_file(0, "mesh", "joined")}
    _commits(table, "one router of two networks", start, parsed, joined, apart)


def _pod(like: Pod, name: str | None) -> Change:
    another = ObjectName(namespace=like.name.namespace, name="another")
    pod = replace(like, name=another, uid="another", addresses=()) if name else None
    return Change(pods={another: pod})


def _waiting(network: ObjectName, compilation: Compilation, count: int) -> list[Pod]:
    nodes = list(compilation.plans)[:count]
    return [
        Pod(
            name=ObjectName(namespace=network.namespace, name=f"waiting-{index}"),
            uid=f"waiting-{index}",
            node=node,
            network=network.name,
        )
        for index, node in enumerate(nodes)
    ]


def _commits(
    table: Table,
    label: str,
    start: Compilation,
    parsed: Parsed,
    there: dict[str, bytes],
    back: dict[str, bytes],
) -> None:
    """Parsing with the cache of the commit before is measured on its own."""
    base = parse(back, revision="back", cache=parsed.cache)
    next_one = parse(there, revision="there", cache=base.cache)
    parsing = []
    for _ in range(ROUNDS):
        began = time.process_time()
        parse(there, revision="there", cache=base.cache)
        parsing.append(time.process_time() - began)
    confirmed = ObjectName(namespace="team-000", name="net-10")
    assert base.declarations is not None
    assert next_one.declarations is not None
    config = replace(base.declarations.config, confirm_deletion_of=(confirmed,))
    undo = Change(declarations=replace(base.declarations, config=config))
    table.median(f"  {label}: parse", parsing)
    _alternate(
        table,
        f"  {label}: recompile",
        recompile(start, undo),
        Change(declarations=next_one.declarations),
        undo,
    )


def _alternate(table: Table, label: str, start: Compilation, there: Change, back: Change) -> None:
    current, rounds = start, []
    for _ in range(ROUNDS):
        for change in (there, back):
            began = time.process_time()
            current = recompile(current, change)
            if change is there:
                rounds.append(time.process_time() - began)
            assert not current.refused, current.problems
    table.median(label, rounds)


if __name__ == "__main__":
    main()
