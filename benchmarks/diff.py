"""How long `atoll diff` takes, from the command's start to its last byte.

The cluster is `benchmarks.synthetic_cluster`'s: 100 nodes, 500 networks, 10,000 pods, dual stack, in a
repository with one commit for each change. CPU seconds of the command and its children, which other load on
the machine disturbs less than the clock. Run: python -m benchmarks.diff [--teams 50] [--nodes 100]
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks import synthetic_cluster as cluster
from benchmarks.compile import Table
from compiler import codec
from compiler.allocations import Allocations
from compiler.compilation import compile
from compiler.kubectl import read_inventory
from compiler.parse import parse

Files = Mapping[str, bytes]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--teams", type=int, default=50)
    options.add_argument("--nodes", type=int, default=100)
    options.add_argument("--pods", type=int, default=20, help="of each network")
    chosen = options.parse_args()
    size = cluster.Size(nodes=chosen.nodes, teams=chosen.teams, pods_of_a_network=chosen.pods)
    table = Table()
    table.note("load", f"{os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        desk = Path(folder)
        base = cluster.repository(size)
        _write_cluster(desk, size, base)
        _commit(desk, "main", base)
        for name, files in _changes(base).items():
            _commit(desk, name, {**base, **files})
            _measure(table, desk, name)
    print(table)


def _changes(base: Files) -> Mapping[str, Files]:
    lonely = "team-000/net-7.yaml"
    return {
        "nothing": {},
        "egress-of-one-network": {lonely: base[lonely] + b"  egress: snat\n"},
        "one-network-joins-a-mesh": {lonely: base[lonely].replace(b"role: alone", b"role: mesh")},
        "all-hubs-and-spokes-become-meshes": {
            path: content.replace(b"type: hub", b"type: mesh").replace(b"type: spoke", b"type: mesh")
            for path, content in base.items()
            if path.endswith(("hub.yaml", "spoke.yaml"))
        },
        "another-mtu": {"cluster.yaml": base["cluster.yaml"] + b"  mtu: 9000\n"},
    }


def _write_cluster(desk: Path, size: cluster.Size, files: Files) -> None:
    pods = cluster.pods(size)
    declarations = parse(files, revision="").declarations
    assert declarations is not None
    inventory, _ = read_inventory(cluster.inventory_text(size, pods))
    allocations = compile(declarations, inventory, Allocations()).allocations
    running = cluster.with_addresses(pods, allocations)
    (desk / "inventory.json").write_bytes(cluster.inventory_text(size, running))
    (desk / "allocations.json").write_bytes(codec.encode_allocations(allocations))


def _commit(desk: Path, branch: str, files: Files) -> None:
    repository = desk / "repository"
    if not repository.exists():
        _git(desk, "init", "--quiet", "--initial-branch=main", str(repository))
    else:
        _git(repository, "checkout", "--quiet", "-b", branch, "main")
    for path, content in files.items():
        (repository / path).parent.mkdir(parents=True, exist_ok=True)
        (repository / path).write_bytes(content)
    _git(repository, "add", "--all")
    _git(repository, "commit", "--quiet", "--allow-empty", "--message", branch)


def _git(at: Path, *arguments: str) -> None:
    settings = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    subprocess.run(["git", *settings, *arguments], cwd=at, check=True)


def _measure(table: Table, desk: Path, branch: str) -> None:
    program = "from cli.main import main; main()"
    files = ("--inventory", "../inventory.json", "--allocations", "../allocations.json")
    command = [sys.executable, "-c", program, "diff", "main", branch, *files, "--format", "markdown"]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(command, cwd=desk / "repository", env=environment, capture_output=True, check=False)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode in (0, 1), done.stderr
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    table.note(branch, f"{spent:6.2f} s  ({wall:.1f} s by the clock, {len(done.stdout):,} bytes)")


if __name__ == "__main__":
    main()
