"""The demo on a cluster from its start to its end: the control plane here, its nodes where a kernel has VRF.

The nodes' side is a process of its own, `atoll demo --cluster` again, started by tools/vm.py: on this kernel
or in a virtual machine. It boots while the control plane starts, and tells the story.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cli.demonstration.checks import Tally
from cli.demonstration.cluster_story import ClusterStory
from cli.demonstration.headquarters import OwnHeadquarters
from cli.demonstration.liaison import ENVIRONMENT, Switchboard
from cli.demonstration.narrator import Narrator
from cli.demonstration.population import NODES

_MACHINE: Final = Path(__file__).resolve().parents[2] / "tools" / "vm.py"
_SECONDS: Final = 900
"""Until the virtual machine is stopped."""
_NO_KERNEL: Final = 69
"""Status of tools/vm.py where neither this kernel nor a virtual machine will do."""
_END_SECONDS: Final = 20.0
_TWINS: Final = (
    "NO KERNEL WITH VRF, AND NO VIRTUAL MACHINE: the agents are kernel-free twins.",
    "Everything is as on real nodes but the kernel, which is simulated: nothing is enforced, no pod is",
    "attached, NO PACKETS ARE SENT. `make setup` says what a virtual machine needs.",
)


class ClusterDemo:
    def __init__(
        self,
        headquarters: OwnHeadquarters,
        nodes: Sequence[str],
        narrator: Narrator,
        *,
        folder: Path,
        width: int,
    ) -> None:
        """`nodes`: the command of the other side."""
        self._nodes = nodes
        self._folder = folder
        self._headquarters = headquarters
        self._say = narrator
        self._width = width
        self.tally = Tally()
        """Of the twins' story; the nodes' side has its own."""

    def run(self) -> int | None:
        """The status of the nodes' side; None where there is none and the story was told here, by twins."""
        switchboard = Switchboard()
        nodes = subprocess.Popen(self._nodes, env={**os.environ, ENVIRONMENT: switchboard.url})
        try:
            for step in self._headquarters.open():
                self._say.step(step)
            switchboard.connect(self._headquarters)
            status = nodes.wait()
            if status != _NO_KERNEL:
                return status
            self._tell_with_twins()
            return None
        finally:
            end(nodes)
            switchboard.close()
            self._headquarters.close()

    def _tell_with_twins(self) -> None:
        self._say.passage(_TWINS)
        for node in NODES:
            kubeconfig = self._folder / f"{node}.kubeconfig"
            kubeconfig.write_text(self._headquarters.kubeconfig(node))
            places = ["--socket", str(self._folder / f"{node}.sock"), "--state", str(self._folder / node)]
            arguments = ["agent", "--twin", "--node", node, "--kubeconfig", str(kubeconfig), *places]
            self._headquarters.start(f"agent-{node}", arguments)
        story = ClusterStory(self._headquarters, None, self._say, width=self._width)
        self.tally = story.tally
        story.tell()
        self._say.passage(_TWINS)


def nodes_command() -> list[str]:
    """Ends with status 69 where there is no kernel with VRF."""
    machine = [sys.executable, str(_MACHINE), "--reach-host", "--timeout", str(_SECONDS)]
    return [*machine, "--", str(Path(sys.executable).parent / "atoll"), "demo", "--cluster"]


def end(nodes: subprocess.Popen[bytes]) -> None:
    """If it runs still; it ends its machine."""
    if nodes.poll() is None:
        nodes.send_signal(signal.SIGTERM)
        try:
            nodes.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            nodes.kill()
            nodes.wait()
