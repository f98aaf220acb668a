"""Nodes' identities, kept in a thread: a new cluster's thousand objects hold up nothing else."""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass, field

from compiler.names import NodeName
from controller.cluster.identities import Identities, IdentitiesFailed
from controller.cluster.leadership import Deposed
from controller.log import Log
from kube.api import ApiError

RETRY_SECONDS = 5.0


@dataclass(kw_only=True)
class IdentityKeeper:
    identities: Identities
    log: Log
    _wanted: frozenset[NodeName] | None = field(default=None, init=False)
    _changed: threading.Condition = field(default_factory=threading.Condition, init=False)
    _stopped: bool = field(default=False, init=False)

    def start(self) -> None:
        threading.Thread(target=self._run, name="identities", daemon=True).start()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def want(self, nodes: Collection[NodeName]) -> None:
        """These nodes are to have an identity, and no others."""
        if self._wanted is not None and self._wanted == nodes:
            return
        with self._changed:
            self._wanted = frozenset(nodes)
            self._changed.notify_all()

    def _run(self) -> None:
        done: frozenset[NodeName] | None = None
        failed = False
        while True:
            with self._changed:
                while not self._stopped and (self._wanted is None or self._wanted == done):
                    self._changed.wait()
                if failed and not self._stopped:
                    self._changed.wait(RETRY_SECONDS)
                if self._stopped:
                    return
                wanted = self._wanted
            assert wanted is not None
            try:
                self.identities.reconcile(wanted)
                done, failed = wanted, False
            except Deposed:
                return
            except (IdentitiesFailed, ApiError) as error:
                failed = True
                self.log("identities-failed", error=str(error))
            except Exception as error:  # an object that nobody thought of must not end the thread
                failed = True
                self.log("identities-failed", error=f"{type(error).__name__}: {error}")
