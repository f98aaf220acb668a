"""The cluster benchmark itself, on so few nodes and pods that it takes seconds; its figures are no test."""

from __future__ import annotations

from pathlib import Path

from benchmarks.cluster_phases import Extent, Phases
from benchmarks.cluster_scene import Scene
from benchmarks.compile import Table
from benchmarks.synthetic_cluster import Size
from tests.cluster.scene import Cluster

FEW = Extent(rounds=1, settings=1, single_pods=3, burst=10, heartbeats=1, hourly_pods=5, quiet=0.3, late=0.1)


def test_every_phase_of_the_benchmark_comes_to_its_end(cluster: Cluster, tmp_path: Path) -> None:
    table = Table()
    size = Size(nodes=5, teams=2, pods_of_a_network=1)
    with Scene(cluster.plane, size=size, folder=tmp_path) as scene:
        Phases(scene=scene, table=table, extent=FEW).measure()
    told = dict(table.rows)
    assert told["nodes, networks, pods"] == "5, 20, 20"
    assert told["commits, all nodes at once: 6"] == ""
    assert told["commits, staged (1 node, 25%, all): 6"] == ""
    assert told["    egress"].endswith("1 plans")
    assert told["  a setting of all nodes"].endswith("5 plans")
