"""What is measured on a cluster, one phase after the other, each from a cluster at rest."""

from __future__ import annotations

import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from benchmarks import cluster_commits
from benchmarks.cluster_controller import ControllerProcess, Requests, Usage
from benchmarks.cluster_load import at_once, like
from benchmarks.cluster_machine import cpu_seconds
from benchmarks.cluster_scene import AT_ONCE, PATIENCE, STAGED, Scene
from benchmarks.compile import Table
from kube.api import Json, ObjectRef
from kube.kinds import NODES

_READING = frozenset({"get", "list", "watch"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Extent:
    """How much is measured."""

    rounds: int = 4
    """Of six commits each, for each kind of rollout."""
    settings: int = 3
    """Commits that change every node's plan, measured apart."""
    single_pods: int = 40
    burst: int = 400
    """Pods."""
    heartbeats: int = 12
    """Of each node in an hour: a kubelet whose node does not change reports every five minutes."""
    hourly_pods: int = 1_000
    """Created, run and removed in an hour."""
    quiet: float = 2.0
    """Seconds without a plan written: the cluster is at rest."""
    late: float = 6.0
    """Seconds within which statuses that differ in counts only are written too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """One commit."""

    kind: str
    written: float
    """Seconds from the push to the last NodeNetwork."""
    applied: float
    """Seconds from the push to the status that says so, all agents having reported."""
    plans: int


@dataclass(kw_only=True)
class Phases:
    scene: Scene
    table: Table
    extent: Extent = field(default_factory=Extent)

    def measure(self) -> None:
        self._start()
        self._pods_run()
        self._commits("commits, all nodes at once", AT_ONCE, first=0)
        self._commits("commits, staged (1 node, 25%, all)", STAGED, first=self.extent.rounds)
        self.scene.roll_out(AT_ONCE)
        self._single_pods()
        self._burst()
        self._hour()

    def measure_takeover(self) -> None:
        """After `measure`."""
        self._takeover()
        self._commit_without_leader()

    def _start(self) -> None:
        """Nothing is allocated yet, and every pod waits."""
        scene, size = self.scene, self.scene.load.size
        self._progress("putting the cluster in place")
        began = time.monotonic()
        scene.put_cluster(awaiting=2 * self.extent.rounds)
        self._note("nodes, networks, pods", f"{size.nodes}, {len(size.networks)}, {scene.load.pods:,}")
        self._progress(f"{time.monotonic() - began:.0f} s; starting the controller")
        commit = scene.put_source()
        began = time.monotonic()
        scene.controllers[0].start()
        applied = scene.seen.source.await_applied(commit, within=PATIENCE)
        self._note(
            "a new cluster: from the controller's start to all nodes ready", f"{applied - began:.1f} s"
        )

    def _pods_run(self) -> None:
        scene = self.scene
        self._progress("pods run, Services get endpoints")
        before, began = scene.leader().usage(), time.monotonic()
        scene.run_pods()
        lasted = time.monotonic() - began
        scene.await_rest(3 * self.extent.quiet)  # one long turn may write nothing for a while
        more = scene.leader().usage().since(before)
        self._note(f"all pods start to run, within {lasted:.0f} s", _turns(more))
        self._memory("memory then", more)

    def _commits(self, title: str, rollout: Json, *, first: int) -> None:
        self.scene.roll_out(rollout)
        self.scene.await_rest(self.extent.quiet)
        leader, server = self.scene.leader(), self.scene.plane.pids[1]
        before, moment, served = leader.usage(), self.scene.moment(), cpu_seconds(server)
        measured = [
            self._commit(edit) for edit in cluster_commits.edits(first=first, rounds=self.extent.rounds)
        ]
        time.sleep(self.extent.late)
        self._tell_commits(title, measured, leader.usage().since(before))
        served = (cpu_seconds(server) - served) / len(measured)
        self._note("  CPU of the API server, per commit", f"{served:.2f} s")
        others = self.scene.moment().others_since(moment)
        self._note("  other processes took of the machine", f"{others:.0%}")
        everywhere = [
            self._commit(cluster_commits.setting(1401 + first + n)) for n in range(self.extent.settings)
        ]
        spread = _spread([one.written for one in everywhere])
        self._note("  a setting of all nodes", f"{spread}; {everywhere[0].plans} plans")

    def _commit(self, edit: cluster_commits.Edit) -> Measured:
        seen = self.scene.seen
        commit = self.scene.commit(edit)
        began = self.scene.push()
        applied = seen.source.await_applied(commit, within=PATIENCE)
        self.scene.await_rest(self.extent.quiet)
        writes = seen.plans.since(began)
        last = max((write.at for write in writes), default=applied)
        measured = Measured(
            kind=edit.kind,
            written=last - began,
            applied=applied - began,
            plans=len({write.node for write in writes}),
        )
        self._progress(_commit_text(measured))
        return measured

    def _tell_commits(self, title: str, measured: list[Measured], used: Usage) -> None:
        count = len(measured)
        self._note(f"{title}: {count}", "")
        self._note("  push to the last NodeNetwork", _spread([one.written for one in measured]))
        self._note("  push to Ready", _spread([one.applied for one in measured]))
        for kind in dict.fromkeys(one.kind for one in measured):
            of_kind = [one for one in measured if one.kind == kind]
            plans = statistics.mean(one.plans for one in of_kind)
            spread = _spread([one.written for one in of_kind])
            self._note(f"    {kind}", f"{spread}; {plans:.0f} plans")
        self._note("  CPU of the controller, per commit", f"{used.cpu / count:.2f} s")
        self._note("  requests per commit", _requests(used.requests, count))
        self._memory("  memory", used)

    def _single_pods(self) -> None:
        scene = self.scene
        self._progress("single pods")
        some = scene.pods[:: len(scene.pods) // self.extent.single_pods][: self.extent.single_pods]
        pods = [like(pod, f"single-{index}") for index, pod in enumerate(some)]
        before = scene.leader().usage()
        seconds = []
        for pod in pods:
            began = time.monotonic()
            scene.kubelets.add_pod(pod)
            seconds.append(scene.seen.plans.await_write(pod.node, since=began, within=PATIENCE) - began)
            time.sleep(0.5)
        time.sleep(self.extent.late)
        used = scene.leader().usage().since(before)
        self._note(f"a pod created and bound: {len(pods)}", "")
        self._note("  to its node's NodeNetwork", _spread(seconds))
        self._note("  CPU of the controller, per pod", f"{1000 * used.cpu / len(pods):.0f} ms")
        self._note("  requests per pod", _requests(used.requests, len(pods)))
        scene.remove(pods)
        scene.await_rest(self.extent.quiet)

    def _burst(self) -> None:
        scene = self.scene
        self._progress("burst")
        pods = [
            like(pod, f"burst-{index}") for index, pod in enumerate(islice(scene.pods, self.extent.burst))
        ]
        time.sleep(self.extent.late)
        before, began = scene.leader().usage(), time.monotonic()
        scene.kubelets.add_all(pods)
        lasted = time.monotonic() - began
        scene.await_rest(self.extent.quiet)
        writes = scene.seen.plans.since(began)
        used = scene.leader().usage().since(before)
        last = max(write.at for write in writes) - began - lasted
        self._note(f"a burst of {len(pods)} pods, created within {lasted:.1f} s", "")
        self._note("  last pod to the last NodeNetwork", f"{last:.2f} s")
        nodes = len({write.node for write in writes})
        self._note("  NodeNetworks written", f"{len(writes)}, of {nodes} nodes; {_turns(used)}")
        scene.remove(pods)
        scene.await_rest(self.extent.quiet)

    def _hour(self) -> None:
        """Heartbeats and pods of an hour, as fast as the API server takes them."""
        scene, size = self.scene, self.scene.load.size
        beats = self.extent.heartbeats
        count = min(self.extent.hourly_pods, len(scene.pods))
        self._progress("an hour's events")
        before, began = scene.leader().usage(), time.monotonic()
        for index in range(beats):
            at_once(partial(self._beat, f"node-{node:04}", index) for node in range(size.nodes))
            some = scene.pods[index * count // beats : (index + 1) * count // beats]
            pods = [like(pod, f"hourly-{pod.name.name}") for pod in some]
            scene.kubelets.add_all(pods)
            scene.remove(pods)
        lasted = time.monotonic() - began
        scene.await_rest(self.extent.quiet)
        used = scene.leader().usage().since(before)
        events = beats * size.nodes + 4 * count
        self._note(f"an hour's events, within {lasted:.0f} s", f"about {events:,}; {_turns(used)}")
        self._note("  CPU of the controller", f"{used.cpu:.1f} s")
        self._note("  requests per event", _requests(used.requests, events))
        self._memory("  memory", used)

    def _beat(self, node: str, index: int) -> None:
        beat = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": f"beat {index}"}
        ref = ObjectRef(resource=NODES, name=node)
        self.scene.api.patch(ref, {"status": {"conditions": [beat]}}, subresource="status")

    def _takeover(self) -> None:
        """The leader dies at rest: its successor has nothing to do, and should do nothing."""
        first, second = self.scene.controllers
        second.start()
        time.sleep(5)
        self._memory("a replica that stands by: memory", second.usage())
        self._progress("the leader dies")
        died = time.monotonic()
        first.kill()
        leads = self._leads(second) - died
        self.scene.await_rest(5 * self.extent.quiet)
        used = second.usage()
        self._note("the leader is killed, a second replica leads after", f"{leads:.1f} s")
        self._note("  NodeNetworks written", str(len(self.scene.seen.plans.since(died))))
        self._note("  writes of the new leader, at rest", _counts(_writes(used.requests)))
        self._memory("  memory after its start", used)

    def _commit_without_leader(self) -> None:
        standing_by, leader = self.scene.controllers
        standing_by.start()
        time.sleep(5)
        (edit,) = islice(cluster_commits.edits(first=2 * self.extent.rounds, rounds=1), 1)
        commit = self.scene.commit(edit)
        leader.kill()
        began = self.scene.push()
        applied = self.scene.seen.source.await_applied(commit, within=PATIENCE)
        writes = self.scene.seen.plans.since(began)
        self._note(
            "the leader is killed as a commit is pushed: push to the last NodeNetwork",
            f"{max(write.at for write in writes) - began:.1f} s, Ready after {applied - began:.1f} s",
        )

    def _leads(self, controller: ControllerProcess) -> float:
        while not controller.leads():
            time.sleep(0.1)
        return time.monotonic()

    def _memory(self, label: str, used: Usage) -> None:
        self._note(label, f"{used.memory:.0f} MiB, at most {used.peak:.0f} MiB")

    def _note(self, label: str, text: str) -> None:
        self.table.note(label, text)
        self._progress(f"{label}  {text}")

    def _progress(self, text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def _spread(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    late = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return f"p50 {statistics.median(ordered):.2f} s, p95 {late:.2f} s, max {ordered[-1]:.2f} s"


def _commit_text(one: Measured) -> str:
    return f"{one.written:6.2f} s written, {one.applied:6.2f} s Ready, {one.plans:3} plans: {one.kind}"


def _turns(used: Usage) -> str:
    return f"{used.turns} turns"


def _requests(requests: Requests, events: int) -> str:
    total = sum(requests.values()) / events
    each = ", ".join(f"{name} {count / events:.2g}" for name, count in requests.most_common() if count)
    return f"{total:.2f}: {each}"


def _writes(requests: Requests) -> Requests:
    return Counter({name: count for name, count in requests.items() if name.split()[0] not in _READING})


def _counts(requests: Requests) -> str:
    return ", ".join(f"{name} {count}" for name, count in requests.most_common()) or "none"
