"""What a cluster test begins with."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

from cli.lab.control_plane import ControlPlane
from cli.lab.kubelets import Kubelets
from kube.client import ClusterApi

_numbers = count(1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    plane: ControlPlane
    api: ClusterApi
    """An administrator's."""
    kubelets: Kubelets

    def namespace(self, purpose: str = "team") -> str:
        """The name of a new one, which no test before had."""
        name = f"{purpose}-{next(_numbers)}"
        self.kubelets.add_namespace(name)
        return name
