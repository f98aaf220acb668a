"""How long a pod's attachment takes: ADD and DEL, one and fifty at once, beside the reference plugin `ptp`.

Both are executed as a runtime executes them, in turn, in one run, on one node of the lab: ours asks a real
agent process, `ptp` asks `host-local`, for dual stack as ours, and once more for IPv4 alone: it waits for
IPv6 addresses to settle, in steps of 50 ms. Once with one network on the node, once with 500. With --cycles,
how the agent's memory and descriptors fare. Needs root and a kernel with VRF, a virtual machine's if need be:

    ATOLL_CNI="$(tools/cni_plugin.sh)" .venv/bin/python tools/vm.py -- .venv/bin/python -m benchmarks.cni

An emulated processor runs interpreters far worse than anything else. With --bridges, which stand in for
VRFs (`benchmarks.cni_bridges`), it runs on any kernel:

    ATOLL_CNI="$(tools/cni_plugin.sh)" .venv/bin/python -m benchmarks.cni --bridges
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from agent.status_file import read_status
from benchmarks.cni_bridges import BridgedAgent
from benchmarks.cni_socket import Line
from cli.lab.cni import Answer, Json, Runtime, Sandbox
from cli.lab.lab import LabNamespace, LabPod
from compiler.names import NodeName
from tests.kernel.agent_process import REFERENCE, AgentProcess, sandbox_of
from tests.kernel.process_world import ProcessWorld
from tests.kernel.world import CLUSTER

NETWORK = """\
---
apiVersion: atoll.dev/v1alpha1
kind: VirtualNetwork
metadata: {{name: net-{index}, namespace: team}}
spec: {{subnets: [10.{high}.{low}.0/24, "fd00:{index:x}::/64"]}}
"""
_BLOCKS = "  blockSizeV4: 25\n  blockSizeV6: 120\n"
"""Large ones, so that a run needs no further block."""
_SUBNETS = ("10.99.0.0/16", "fd00:99::/64")
_SAMPLES_OF_CYCLES = 10
_ROUNDS_OF_ALL = 3
"""In the first of so many rounds, all pods come and go at once, too."""
_ON_DISK = "/var/tmp"  # noqa: S108  # a fresh folder is made there; leases are synced to it
_IN_MEMORY = "/run"
"""In the virtual machine everything else is the host's file system, over a protocol."""


@dataclass(kw_only=True)
class Times:
    """Of one kind of runtime, in seconds."""

    add: list[float] = field(default_factory=list)
    delete: list[float] = field(default_factory=list)
    add_all: list[float] = field(default_factory=list)
    delete_all: list[float] = field(default_factory=list)


def reference(agent: AgentProcess, *subnets: str) -> Runtime:
    """`ptp` as a cluster's default network would have it, with an address of each subnet."""
    data = agent.folder / f"ptp-{len(subnets)}"
    ipam = {"type": "host-local", "dataDir": str(data), "ranges": [[{"subnet": text}] for text in subnets]}
    routes = [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}][: len(subnets)]
    plugin: Json = {"type": "ptp", "ipam": {**ipam, "routes": routes}}
    configuration: Json = {"name": "reference", "plugins": [plugin]}
    return Runtime(place=agent.node.place, folders=(REFERENCE,), configuration=configuration, version="1.0.0")


class BridgedWorld(ProcessWorld):
    kind = BridgedAgent


def world_of(pods: int, folder: Path, *, bridges: bool) -> tuple[ProcessWorld, Sequence[LabPod]]:
    """A node without networks, and pods of the first one that wait to be attached."""
    kind = BridgedWorld if bridges else ProcessWorld
    world = kind(folder, nodes=1, options=["--quiet", "0"])
    world.cluster = CLUSTER + _BLOCKS
    world.lab.namespaces["team"] = LabNamespace()
    (node,) = world.nodes
    return world, [world.lab.add_pod(f"team/pod-{n}", node, network="net-0") for n in range(pods)]


def declare(world: ProcessWorld, networks: int) -> None:
    """So many networks on the node. The pods that they are there for are on paper only."""
    declared = (NETWORK.format(index=n, high=100 + n // 250, low=n % 250) for n in range(networks))
    world.declare("".join(declared))
    (node,) = world.nodes
    for n in range(1, networks):
        name = f"team/other-{n}"
        world.lab.pods[name] = LabPod(name=name, node=node, place=node.place, network=f"net-{n}")
    world.apply()


def timed(work: Callable[[Sandbox], Answer], sandboxes: Sequence[Sandbox]) -> float:
    """Seconds until all have been answered, each in a thread of its own."""
    with ThreadPoolExecutor(max_workers=len(sandboxes)) as threads:
        started = time.monotonic()
        answers = list(threads.map(work, sandboxes))
        elapsed = time.monotonic() - started
    for answer in answers:
        if answer.status != 0:
            raise SystemExit(f"an attachment failed: {answer.output!r} {answer.complaint}")
    return elapsed


def measure(runtimes: Sequence[Runtime], pods: Sequence[LabPod], *, rounds: int) -> Sequence[Times]:
    """In turn, forwards and backwards."""
    times = [Times() for _ in runtimes]
    one, all_pods = [sandbox_of(pods[0])], [sandbox_of(pod) for pod in pods]
    order = list(zip(runtimes, times, strict=True))
    for round_ in range(rounds + 1):
        for runtime, found in order:
            one_added, one_deleted = timed(runtime.add, one), timed(runtime.delete, one)
            if round_ == 0:
                continue  # the first warms caches up
            found.add.append(one_added)
            found.delete.append(one_deleted)
            if round_ % _ROUNDS_OF_ALL == 1:
                found.add_all.append(timed(runtime.add, all_pods))
                found.delete_all.append(timed(runtime.delete, all_pods))
        order.reverse()
    return times


def table(networks: int, at_once: int, times: Sequence[Times]) -> Iterator[str]:
    """Medians; the others' with ours divided by them."""
    for title, samples in (
        ("ADD", [one.add for one in times]),
        ("DEL", [one.delete for one in times]),
        (f"{at_once} ADD at once", [one.add_all for one in times]),
        (f"{at_once} DEL at once", [one.delete_all for one in times]),
    ):
        mine, *others = (statistics.median(found) * 1000 for found in samples)
        shown = " | ".join(f"{other:.0f} ms | {mine / other:.2f}" for other in others)
        yield f"| {networks} | {title} | {mine:.0f} ms | {shown} |"


def cycle(agent: AgentProcess, pod: LabPod, cycles: int) -> Iterator[str]:
    """The agent's size while it attaches and detaches pods, straight at its socket."""
    sandbox = sandbox_of(pod)
    every = max(cycles // _SAMPLES_OF_CYCLES, 1)
    with Line(agent.socket) as line:
        for number in range(cycles + 1):
            if number % every == 0:
                size, descriptors = footprint(agent.process.pid)
                yield f"| {number} | {size / 1024:.1f} MiB | {descriptors} |"
            line.ask("ADD", sandbox)
            line.ask("DEL", sandbox)


def footprint(pid: int) -> tuple[int, int]:
    """Resident KiB, and open descriptors."""
    status = Path(f"/proc/{pid}/status").read_text()
    resident = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(resident.split()[1]), len(list(Path(f"/proc/{pid}/fd").iterdir()))


def transactions(agent: AgentProcess) -> int:
    """Of nftables, since the agent's start."""
    status = read_status(agent.folder / "bus" / "agents", NodeName(agent.node.name))
    return status.transactions if status is not None else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--at-once", type=int, default=50)
    parser.add_argument("--networks", type=int, nargs="*", default=[1, 500])
    parser.add_argument("--cycles", type=int, default=0)
    parser.add_argument("--bridges", action="store_true")
    arguments = parser.parse_args()
    print(f"Linux {platform.release()}, Python {platform.python_version()}, {os.cpu_count()} processors")
    place = _IN_MEMORY if "ATOLL_VM" in os.environ else _ON_DISK
    with tempfile.TemporaryDirectory(prefix="atoll-bench-", dir=place) as folder:
        world, pods = world_of(arguments.at_once, Path(folder), bridges=arguments.bridges)
        with closing(world):
            show(world, pods, arguments)


def show(world: ProcessWorld, pods: Sequence[LabPod], arguments: argparse.Namespace) -> None:
    agent = world.process(1)
    runtimes = [agent.runtime, reference(agent, *_SUBNETS), reference(agent, _SUBNETS[0])]
    print(
        "| networks | what | Atoll | ptp | ratio | ptp, IPv4 alone | ratio |\n|---|---|---|---|---|---|---|"
    )
    for networks in arguments.networks:
        declare(world, networks)
        before = transactions(agent)
        if arguments.rounds:
            times = measure(runtimes, pods, rounds=arguments.rounds)
            print("\n".join(table(networks, arguments.at_once, times)), flush=True)
            print(f"| {networks} | nft transactions | {transactions(agent) - before} | | | | |", flush=True)
    if arguments.cycles:
        print("| cycles | resident | descriptors |\n|---|---|---|")
        for row in cycle(agent, pods[0], arguments.cycles):
            print(row, flush=True)


if __name__ == "__main__":
    main()
