"""The node's plan file, kept a copy of what NodeNetwork says: whole and verified, or as it was.

What cannot be fetched, unpacked or verified is tried again, and the file that is there stays: the
agent's engine goes by it, whatever becomes of the API server.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from pathlib import Path
from typing import Final

from agent.files import replace_file
from agent.node_network import NodeNetwork, PlanDamaged, part_data, plan_bytes
from agent.plan_file import Stamp, envelope_of
from agent.retry import Retry
from compiler.names import NodeName
from kube.api import Api, ApiError, NotFound

_PATIENCE: Final = 1
"""Failures that are not spoken of: parts and object are written one after the other."""

_log = logging.getLogger("atoll.agent")


class PlanCopy:
    """Not thread-safe."""

    def __init__(
        self,
        *,
        api: Api,
        path: Path,
        node: NodeName,
        clock: Callable[[], float],
        chance: random.Random | None = None,
    ) -> None:
        self._api = api
        self._path = path
        self._node = node
        self._retry = Retry(first=0.5, longest=60.0, clock=clock, chance=chance)
        self._written: Stamp | None = None
        self._tried: tuple[str, int] | None = None
        """uid and generation of the object that was tried last."""
        self.problem = ""
        """Why the newest plan is not in the file, where that is not the connection's fault."""
        self.api_problem = ""

    def step(self, network: NodeNetwork) -> float | None:
        """Write the plan if it is a new one and it is time; returns seconds until the next attempt."""
        if network.stamp == self._written:
            self._succeeded()
            return None
        tried = (network.uid, network.generation)
        if tried != self._tried:
            self._tried = tried
            self._retry.now()
        if self._retry.wait > 0:
            return self._retry.wait
        self._attempt(network)
        return self._retry.wait if self._retry.failures else None

    def _attempt(self, network: NodeNetwork) -> None:
        try:
            content = envelope_of(network.stamp, self._node, self._plan(network))
            if not _holds(self._path, content):
                replace_file(self._path, content)
                _log.info("%s received", network.stamp)
        except PlanDamaged as error:
            self._failed(str(error))
        except OSError as error:
            self._failed(f"{self._path}: the plan cannot be written: {error}")
        except ApiError as error:
            self._retry.failed(error.retry_after)
            self.api_problem = str(error)
        else:
            self._written = network.stamp
            self._succeeded()

    def _plan(self, network: NodeNetwork) -> bytes:
        if network.damage:
            raise PlanDamaged(f"{network}: {network.damage}")
        return plan_bytes(network, [self._part(network, index) for index in range(network.parts)])

    def _part(self, network: NodeNetwork, index: int) -> str:
        ref = network.part(index)
        try:
            return part_data(ref, self._api.get(ref))
        except NotFound as error:
            raise PlanDamaged(f"{network}: its NodeNetworkPart {ref.name} does not exist") from error

    def _failed(self, problem: str) -> None:
        self._retry.failed()
        self.api_problem = ""
        if self._retry.failures > _PATIENCE and self.problem != problem:
            self.problem = problem
            _log.error("plan not received: %s", problem)

    def _succeeded(self) -> None:
        self._retry.succeeded()
        self.problem = self.api_problem = ""


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except OSError:
        return False
