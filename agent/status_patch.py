"""The status of the NodeNetwork, brought to what the agent says: the newest only, and only if it differs.

Outages are waited out; what happened meanwhile is told as it stands then, not one by one.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from typing import Final

from agent.node_network import NodeNetwork
from agent.node_status import NodeStatus
from agent.retry import Retry
from compiler.names import NodeName
from kube.api import Api, ApiError, ObjectRef
from kube.kinds import NODE_NETWORKS

BETWEEN_SECONDS: Final = 0.4
"""Between two patches."""
ECHO_SECONDS: Final = 30.0
"""For the watch to show what was patched; then another hand has changed it, and it is patched again."""

_log = logging.getLogger("atoll.agent")


class StatusPatch:
    """Not thread-safe."""

    def __init__(
        self,
        *,
        api: Api,
        node: NodeName,
        clock: Callable[[], float],
        chance: random.Random | None = None,
    ) -> None:
        self._api = api
        self._ref = ObjectRef(resource=NODE_NETWORKS, name=node)
        self._clock = clock
        self._retry = Retry(first=0.5, longest=30.0, clock=clock, chance=chance)
        self._sent: NodeStatus | None = None
        self._sent_to = ""
        """uid."""
        self._sent_at = clock() - BETWEEN_SECONDS
        self.problem = ""
        """Why the API server does not have the newest status."""

    def before(self, network: NodeNetwork) -> NodeStatus | None:
        """The last status that is known to have stood there."""
        return self._sent if self._sent_to == network.uid else network.status

    def step(self, network: NodeNetwork, wanted: NodeStatus) -> float | None:
        """Patch if there is a difference and it is time; returns seconds until the next attempt."""
        if wanted == network.status:
            self._settled()
            return None
        echo = self._sent_at + ECHO_SECONDS - self._clock()
        if wanted == self.before(network) and echo > 0:
            return echo
        wait = max(self._retry.wait, self._sent_at + BETWEEN_SECONDS - self._clock())
        if wait > 0:
            return wait
        return self._send(network, wanted)

    def _send(self, network: NodeNetwork, wanted: NodeStatus) -> float | None:
        try:
            self._api.patch(self._ref, wanted.merge_patch(), subresource="status")
        except ApiError as error:
            if not self.problem:
                _log.warning("status not patched: %s", error)
            self.problem = str(error)
            self._retry.failed(error.retry_after)
            return self._retry.wait
        self._sent, self._sent_to, self._sent_at = wanted, network.uid, self._clock()
        self._settled()
        return None

    def _settled(self) -> None:
        self._retry.succeeded()
        self.problem = ""
