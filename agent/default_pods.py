"""Which pods of this node are on the default network, for the CNI plugin while the agent is away.

One UID a line, beside the socket, of the plan in force: who is there may go on without asking. A UID is
one pod's and no other's, so an old file puts nobody on the wrong network who was not bound to it then.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from agent.files import replace_file
from compiler.names import DEFAULT_NETWORK
from compiler.plan import PodBinding

NAME: Final = "default-pods"


class DefaultPods:
    def __init__(self, directory: Path) -> None:
        self._path = directory / NAME
        self._written: tuple[PodBinding, ...] | None = None

    def tell(self, pods: tuple[PodBinding, ...]) -> None:
        """Write the file where the pods are others than before. Raises OSError."""
        if pods is self._written:
            return
        uids = sorted(pod.uid for pod in pods if pod.network == DEFAULT_NETWORK and pod.uid)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(self._path, "".join(f"{uid}\n" for uid in uids).encode())
        self._written = pods
