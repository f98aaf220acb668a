"""An agent where the kernel has no VRF: with bridges in their place, so that attachments can be timed.

Pods' ports, routes and neighbours are the kernel's, put there by the agent's own code; a plan's links but
those that they lean on, its rules and nftables are simulated. Nothing is isolated. To be in a bridge costs
a port about what it costs to be in a VRF, so this compares plugins at an ordinary processor's pace.
"""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from agent.actions import Action, CreateLink, Entry, Put, Remove, RemoveLink, SetLink
from agent.datapath import Datapath
from agent.fake_kernel import FakeKernel
from agent.fake_nft import FakeNft
from agent.installation import Installation
from agent.kernel import Observation, PodEnd
from agent.links import Links
from agent.monitor import Monitor
from agent.plan_file import LAST_GOOD
from agent.run import run
from agent.settings import Settings
from compiler.layout import Link, LinkKind, Route, Rule
from compiler.names import NodeName
from tests.kernel.agent_process import AgentProcess

_MTU: Final = 65535
_SELDOM: Final = 3600.0
"""Seconds between repairs: what this kernel holds is not what a plan wants, and stays so."""


class BridgedAgent(AgentProcess):
    program = f"import sys; sys.path.insert(0, {str(Path(__file__).parent.parent)!r});" + (
        " from benchmarks.cni_bridges import main; main()"
    )


class BridgedKernel:
    """`agent.kernel.Kernel`."""

    def __init__(self) -> None:
        self._links = Links()
        self._base = FakeKernel()

    def observe(self) -> Observation:
        return self._base.observe()

    def apply(self, actions: Sequence[Action]) -> None:
        base = [action for action in actions if not _is_of_pod(action)]
        if base:
            self._base.apply(base)
            commands = "\n".join(line for action in base for line in _stand_ins(action))
            subprocess.run(["ip", "-batch", "-"], input=commands, text=True, check=True)
        self._links.apply([action for action in actions if _is_of_pod(action) or _is_leant_on(action)])

    def plug(self, port: Link, end: PodEnd) -> None:
        self._links.plug(port, end)

    def pod_problem(self, end: PodEnd) -> str | None:
        return self._links.pod_problem(end)

    def has_namespace(self, path: str) -> bool:
        return self._links.has_namespace(path)


def _is_of_pod(action: Action) -> bool:
    match action:
        case SetLink(link=link):
            return link.kind is LinkKind.POD_PORT
        case RemoveLink(name=name):
            return name.startswith("at")
        case Put(entry=entry) | Remove(entry=entry):
            return _is_on(entry, "at") or (isinstance(entry, Route) and _is_on(entry, "hh"))
        case _:
            return False


def _is_leant_on(action: Action) -> bool:
    """Addresses of host links' outer ends: pods' routes name them."""
    return isinstance(action, Put) and _is_on(action.entry, "hh")


def _is_on(entry: Entry, prefix: str) -> bool:
    return not isinstance(entry, Rule) and (entry.link or "").startswith(prefix)


def _stand_ins(action: Action) -> Iterator[str]:
    if not isinstance(action, CreateLink):
        return
    names = {LinkKind.VRF: action.link.name, LinkKind.HOST_LINK: action.link.peer}
    name = names.get(action.link.kind)
    if name is not None:
        yield f"link add name {name} type bridge"
        # One that was ever set stays: else each port that comes and goes changes it, and all routes with it.
        yield f"link set {name} mtu {_MTU} up"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("command", choices=["agent"])
    parser.add_argument("--node", type=NodeName)
    for option in ("plans", "state", "socket", "cni-conf", "cni-bin", "cni-binary"):
        parser.add_argument(f"--{option}", type=Path)
    for option in ("patience", "quiet"):
        parser.add_argument(f"--{option}", type=float)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    settings = Settings(
        node=given.node,
        plans=given.plans,
        socket=given.socket,
        state=given.state,
        patience=given.patience,
        quiet=given.quiet,
        repair=_SELDOM,
        sweep=_SELDOM,
        installation=Installation(
            configurations=given.cni_conf,
            binaries=given.cni_bin,
            socket=given.socket,
            plan=given.state / LAST_GOOD,
            binary=given.cni_binary,
        ),
    )
    sys.exit(run(settings, datapath=_datapath))


def _datapath() -> Datapath:
    return Datapath(kernel=BridgedKernel(), nft=FakeNft(), monitor=Monitor, warnings=())
