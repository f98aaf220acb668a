"""The controller on a real kube-apiserver with etcd: how fast, how large, how many requests.

200 nodes, 200 networks, 5,000 running pods, 200 Services; the agents are simulated and
report each plan as applied at once. Everything runs on this machine, the API server, etcd and the load
included, so times are those of a busy machine. Needs a folder of binaries in ATOLL_CONTROL_PLANE
(tools/control_plane.sh prints it). Run: python -m benchmarks.cluster
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.cluster_phases import Extent, Phases
from benchmarks.cluster_scene import Scene
from benchmarks.compile import Table
from benchmarks.synthetic_cluster import Size
from cli.lab.control_plane import Binaries, ControlPlane, NoControlPlane


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0] if __doc__ else "")
    options.add_argument("--nodes", type=int, default=200)
    options.add_argument("--teams", type=int, default=20, help="of ten networks each")
    options.add_argument("--pods", type=int, default=25, help="of each network")
    options.add_argument("--rounds", type=int, default=4, help="of six commits each, for each rollout")
    options.add_argument("--logs", type=Path, help="where to keep the processes' logs")
    chosen = options.parse_args()
    try:
        binaries = Binaries.named_by(os.environ)
    except NoControlPlane as missing:
        print(missing, file=sys.stderr)
        return 1
    size = Size(nodes=chosen.nodes, teams=chosen.teams, pods_of_a_network=chosen.pods)
    table = Table()
    _about(table, binaries)
    with tempfile.TemporaryDirectory(prefix="atoll-bench-") as folder:
        place = chosen.logs or Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        (place / "plane").mkdir()
        with (
            ControlPlane(binaries, folder=place / "plane") as plane,
            Scene(plane, size=size, folder=place) as scene,
        ):
            phases = Phases(scene=scene, table=table, extent=Extent(rounds=chosen.rounds))
            phases.measure()
            phases.measure_takeover()
    table.note("load of the machine at the end", _load())
    print(table)
    return 0


def _about(table: Table, binaries: Binaries) -> None:
    versions = (
        subprocess.run([binaries.path(name), "--version"], check=True, capture_output=True, text=True).stdout
        for name in ("kube-apiserver", "etcd")
    )
    told = ", ".join(version.splitlines()[0] for version in versions)
    table.note("machine", f"{os.cpu_count()} cores, {platform.system()} {platform.release()}")
    table.note("versions", f"Python {platform.python_version()}, {told}")
    table.note("started", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()))
    table.note("load of the machine before", _load())


def _load() -> str:
    return " ".join(f"{value:.1f}" for value in os.getloadavg())


if __name__ == "__main__":
    sys.exit(main())
