"""Everything that a measurement on a cluster needs, started and put in place: from etcd to the agents."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import Self

import schemas
from benchmarks.cluster_agents import Agents
from benchmarks.cluster_commits import AWAITED, Edit, WorkTree
from benchmarks.cluster_controller import ControllerProcess, await_leader
from benchmarks.cluster_load import SYSTEM, Load, at_once
from benchmarks.cluster_machine import Moment
from benchmarks.cluster_watch import Plans, Seen
from benchmarks.synthetic_cluster import Size
from cli.lab.authority import Authority
from cli.lab.control_plane import ControlPlane
from cli.lab.definitions import install
from cli.lab.git_host import GitHost
from cli.lab.kubelets import ClusterPod, Kubelets
from compiler.inventory import Pod
from kube.api import Json, ObjectRef
from kube.client import ClusterApi
from kube.connection import connect
from kube.kinds import NETWORK_SOURCES, SECRETS

SOURCE = ObjectRef(resource=NETWORK_SOURCES, namespace=SYSTEM, name="networks")
AT_ONCE: Json = {"canary": {"count": 0}, "share": "100%"}
"""A rollout in one wave."""
STAGED: Json = {"canary": {"count": 1}, "share": "25%"}
"""The default."""
PATIENCE = 300.0
"""Seconds that anything here may take."""


class Scene:
    """A context manager, on an API server that runs and is empty."""

    def __init__(self, plane: ControlPlane, *, size: Size, folder: Path) -> None:
        self._folder = folder
        self.plane = plane
        self.load = Load(size=size)
        for name in ("git", "ca"):
            (folder / name).mkdir()
        self._host = GitHost(folder / "git", Authority(folder / "ca"))
        self.controllers = [
            ControllerProcess(name, kubeconfig=plane.kubeconfig, folder=folder) for name in ("a", "b")
        ]
        self.api = ClusterApi.of(connect(plane.kubeconfig))
        self.kubelets = Kubelets(self.api)
        self.seen = Seen(plans=Plans(agents=Agents(api=self.api)))
        self.pods: list[Pod] = []
        self._asked = 0

    def __enter__(self) -> Self:
        self._host.start()
        install(self.api, schemas.crds())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for controller in self.controllers:
            controller.kill()
        self.seen.stop()
        self._host.stop()

    def put_cluster(self, *, awaiting: int) -> None:
        """Nodes, namespaces, Services and bound pods; of `awaiting` teams 20 wait for a network to come."""
        self.pods = self.load.put(self.api)
        waiting = [
            ClusterPod(
                namespace=team,
                name=f"{AWAITED}-{index}",
                node=f"node-{(index * 7 + number * 3) % self.load.size.nodes:04}",
                annotations={"atoll.dev/network": AWAITED},
            )
            for number, team in enumerate(self.load.teams[:awaiting])
            for index in range(20)
        ]
        self.kubelets.add_all(waiting)

    def put_source(self) -> str:
        """The repository with its first commit, and the NetworkSource that names it; returns the commit."""
        self.work = WorkTree(folder=self._folder / "work", remote=self._host.create("networks"))
        commit = self.work.begin(self.load.repository())
        self.work.push()
        certificate = self._host.certificate.decode()
        secret = {"metadata": {"name": "git"}, "stringData": {"ca.crt": certificate}}
        self.api.create(SECRETS, {"apiVersion": "v1", "kind": "Secret", **secret}, namespace=SYSTEM)
        spec = {
            "url": self._host.url("networks"),
            "interval": "10m",  # nothing here waits for it: each push is told of
            "secretRef": {"name": "git"},
            "rollout": AT_ONCE,
        }
        body = {"apiVersion": NETWORK_SOURCES.api_version, "kind": NETWORK_SOURCES.kind, "spec": spec}
        self.api.create(NETWORK_SOURCES, {**body, "metadata": {"name": SOURCE.name}}, namespace=SYSTEM)
        self.seen.start(self.api)
        return commit

    def roll_out(self, rollout: Json) -> None:
        self.api.patch(SOURCE, {"spec": {"rollout": rollout}})

    def ask_for_a_look(self) -> None:
        """What a webhook's push comes to."""
        self._asked += 1
        annotation = {"reconcile.atoll.dev/requestedAt": str(self._asked)}
        self.api.patch(SOURCE, {"metadata": {"annotations": annotation}})

    def commit(self, edit: Edit) -> str:
        return self.work.commit(edit)

    def push(self) -> float:
        """Push and ask for a look; returns when that began."""
        began = time.monotonic()
        self.work.push()
        self.ask_for_a_look()
        return began

    def await_rest(self, quiet: float) -> None:
        """Return when every node has what it is to have, and nothing was written for `quiet` seconds."""
        self.seen.plans.await_rest(quiet=quiet, within=PATIENCE)
        while not self.seen.source.applied:
            self.seen.plans.await_rest(quiet=quiet, within=PATIENCE)

    def moment(self) -> Moment:
        controllers = (one.pid for one in self.controllers if one.pid)
        return Moment.now((*self.plane.pids, *controllers))

    def run_pods(self) -> None:
        self.load.run(self.api, self.pods)

    def leader(self) -> ControllerProcess:
        return await_leader([one for one in self.controllers if one.pid])

    def remove(self, pods: list[ClusterPod]) -> None:
        at_once(lambda ref=pod.ref: self.kubelets.remove_pod(ref) for pod in pods)  # type: ignore[misc]
