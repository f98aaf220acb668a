"""The agent of one node as its own process, with the real plugin in front of it, as a runtime meets them.

Slower to start than tests/kernel/node_agent.py's, by seconds on an emulated processor; here it can be killed.
"""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import pytest

from agent.installation import NAME
from agent.status_file import read_status
from cli.demonstration.process import PROGRAM, Process
from cli.lab.cni import Answer, Json, Runtime, Sandbox
from cli.lab.lab import LabNode, LabPod
from cli.lab.objects import pod_uid
from compiler import codec
from compiler.names import NodeName
from compiler.plan import NodePlan
from controller.actions import PublishPlan
from controller.publish import DirectoryPublisher
from controller.snapshot import Revision

PLUGIN: Final = "ATOLL_CNI"
"""Names the plugin's binary in the environment: what tools/cni_plugin.sh prints."""
REFERENCE: Final = Path("/usr/lib/cni")
"""Where Debian's containernetworking-plugins lie."""
_READY_SECONDS: Final = 180.0
"""A second on a common machine."""
_PATIENCE: Final = 20.0
"""Of the agents: how long an ADD waits for a plan with its pod."""


def plugin_binary() -> Path:
    """Skips the test, with the reason, where it or the reference plugins are not there."""
    named = os.environ.get(PLUGIN, "")
    if not named:
        pytest.skip(f"no CNI plugin: {PLUGIN} is not set; run `make test-kernel`")
    if not (REFERENCE / "bridge").exists():
        pytest.skip(f"no reference plugins in {REFERENCE}: run `tools/setup.sh containers`")
    return Path(named)


def sandbox_of(pod: LabPod) -> Sandbox:
    return Sandbox(container=pod.place.name, netns=pod.place.path, pod=pod.name, uid=pod_uid(pod))


class AgentProcess:
    """What the node's kernel and its files hold outlives it."""

    program = PROGRAM

    def __init__(self, node: LabNode, folder: Path, options: Sequence[str] = ()) -> None:
        """`options`: further ones of the command line, whenever it starts."""
        self.node = node
        self._options = options
        self.folder = folder / node.name
        for name in ("net.d", "bin"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "net.d" / "10-default.conflist").write_text(default_network(node, self.folder))
        self.socket = self.folder / "agent.sock"
        self.publisher = DirectoryPublisher(root=self.folder / "bus")
        self.publisher.prepare()
        self._generation = 0
        self._starts = itertools.count(1)
        self.process: Process
        self.runtime: Runtime
        """From the first `await_answering` on; it knows what it attached, whatever becomes of the agent."""
        self._known = False
        self.start()

    def configuration(self) -> Json:
        """What the agent has put into the runtime's folder; the plugin's cache is in ours."""
        content = json.loads((self.folder / "net.d" / NAME).read_bytes())
        (plugin,) = content["plugins"]
        return {**content, "plugins": [{**plugin, "cacheDir": str(self.folder / "cache")}]}

    def start(self) -> None:
        """`await_answering` says when it answers: agents of several nodes start at the same time."""
        places = ["--plans", str(self.folder / "bus"), "--state", str(self.folder / "state")]
        options = ["--socket", str(self.socket), "--patience", str(_PATIENCE), *self._options]
        options += installing(self.folder / "net.d", self.folder / "bin")
        self.process = Process(
            f"agent-{next(self._starts)}",
            ["agent", "--node", self.node.name, *places, *options],
            folder=self.folder,
            place=self.node.place,
            program=self.program,
        )

    def await_answering(self) -> None:
        self.until(self.socket.is_socket, "socket")
        self.until((self.folder / "net.d" / NAME).exists, "installed plugin")
        if self._known:
            return
        self._known = True
        folders = (self.folder / "bin", REFERENCE)
        self.runtime = Runtime(place=self.node.place, folders=folders, configuration=self.configuration())

    def kill(self) -> None:
        """As the kernel's OOM killer does."""
        self.process.kill()
        self.socket.unlink(missing_ok=True)  # so that `start` sees the new one's

    def restart(self) -> None:
        self.kill()
        self.start()
        self.await_answering()

    def publish(self, plan: NodePlan, *, revision: str = "") -> str:
        """As a controller does; the plan's digest."""
        self._generation += 1
        digest = codec.digest(plan)
        action = PublishPlan(
            plan=plan, revision=Revision(revision), generation=self._generation, digest=digest
        )
        self.publisher.execute(action)
        return digest

    def apply(self, plan: NodePlan, *, revision: str = "") -> list[str]:
        """Brings the plan into force."""
        digest = self.publish(plan, revision=revision)
        self.until(lambda: self._in_force() == (self._generation, digest), f"plan {digest[:12]} in force")
        return []

    def _in_force(self) -> tuple[int, str]:
        status = read_status(self.folder / "bus" / "agents", NodeName(self.node.name))
        return (status.generation, status.digest) if status is not None else (0, "")

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Fails with the agent's last lines when it ends, or takes too long."""
        deadline = time.monotonic() + _READY_SECONDS
        while not holds():
            self.process.require_alive()
            if time.monotonic() > deadline:
                pytest.fail(f"no {what} after {_READY_SECONDS:g} s:\n{self.process.last_lines()}")
            time.sleep(0.02)  # a file of another process is all there is to look at

    def add(self, pod: LabPod) -> None:
        """CNI ADD; the pod's addresses are then known."""
        answer = self.runtime.add(sandbox_of(pod))
        assert answer.status == 0, f"{answer.content} {answer.complaint}\n{self.process.last_lines()}"
        pod.addresses = answer.addresses

    def delete(self, pod: LabPod) -> Answer:
        """CNI DEL."""
        answer = self.runtime.delete(sandbox_of(pod))
        pod.addresses = ()
        return answer

    def links(self) -> set[str]:
        """Names of the node's links."""
        lines = self.node.place.run("ip", "-brief", "link", "show").splitlines()
        return {line.split()[0].partition("@")[0] for line in lines}

    def close(self) -> None:
        self.process.end()


def installing(configurations: Path, binaries: Path) -> list[str]:
    """Options of an agent that keeps the plugin installed in a runtime's folders."""
    binary = str(plugin_binary())
    return ["--cni-conf", str(configurations), "--cni-bin", str(binaries), "--cni-binary", binary]


def default_network(node: LabNode, folder: Path) -> str:
    """The cluster's own configuration, of the reference plugins, in the node's pod ranges."""
    ranges = [
        [{"subnet": str(pod_range), "rangeStart": str(pod_range[100]), "rangeEnd": str(pod_range[200])}]
        for pod_range in node.pod_ranges
    ]
    routes = [{"dst": "0.0.0.0/0" if pod_range.version == 4 else "::/0"} for pod_range in node.pod_ranges]
    ipam = {"type": "host-local", "dataDir": str(folder / "ipam"), "ranges": ranges, "routes": routes}
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipam": ipam}
    portmap = {"type": "portmap", "snat": True, "capabilities": {"portMappings": True}}
    return json.dumps({"cniVersion": "1.0.0", "name": "default", "plugins": [bridge, portmap]})
