"""A real kubelet of one node of the lab, on the lab's containerd; tools/kubelet.sh builds the binary.

Without what needs a whole machine: no cgroups for classes of pods, no eviction, no garbage collection of
images, no iptables of its own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cli.lab.child import Child
from cli.lab.containerd import Containerd
from cli.lab.lab import LabNode

ENVIRONMENT: Final = "ATOLL_KUBELET"
"""Names the folder of kubelet, coredns, crictl and multus."""
DOMAIN: Final = "cluster.local"
_NEEDED: Final = ("kubelet", "coredns", "crictl", "multus")
_MANIFESTS: Final = "manifests"
_SIGNALS: Final = ("memory", "nodefs", "imagefs")


class NoKubelet(RuntimeError):
    """The binaries are not there. The message says what to do."""


def binaries_named_by(environment: Mapping[str, str]) -> Path:
    """The folder with kubelet, coredns, crictl and multus."""
    name = environment.get(ENVIRONMENT, "")
    missing = [binary for binary in _NEEDED if not name or not os.access(Path(name, binary), os.X_OK)]
    if missing:
        raise NoKubelet(
            f"{ENVIRONMENT}={name} holds no {' and no '.join(missing)}:"
            " run `make test-kernel`, or set it to what tools/kubelet.sh prints last"
        )
    return Path(name)


class Kubelet:
    def __init__(
        self,
        binary: Path,
        folder: Path,
        node: LabNode,
        runtime: Containerd,
        *,
        kubeconfig: Path,
        dns: str,
    ) -> None:
        """`dns`: the address of the cluster's DNS Service."""
        configuration = folder / "kubelet.json"
        configuration.write_text(json.dumps(_configuration(folder, runtime, dns)))
        self._manifests = folder / _MANIFESTS
        self._manifests.mkdir()
        command = [
            str(binary),
            f"--config={configuration}",
            f"--kubeconfig={kubeconfig}",
            f"--hostname-override={node.name}",
            "--node-ip=" + ",".join(map(str, node.addresses)),
            f"--root-dir={folder / 'root'}",
            f"--cert-dir={folder / 'pki'}",
            "--v=2",
        ]
        self._child = Child("kubelet", command, folder=folder, place=node.place)

    def write_manifest(self, name: str, content: str) -> None:
        """Of a static pod. The kubelet reads what is there when it starts, and what comes later."""
        (self._manifests / name).write_text(content)

    def start(self) -> None:
        """Returns at once: the node's conditions say when it works."""
        self._child.start()

    def last_lines(self) -> str:
        return self._child.last_lines()

    def stop(self) -> None:
        self._child.stop()


def _configuration(folder: Path, runtime: Containerd, dns: str) -> Mapping[str, object]:
    eviction = {f"{signal}.available": "0%" for signal in _SIGNALS}
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        "containerRuntimeEndpoint": f"unix://{runtime.socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": False,
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        "localStorageCapacityIsolation": False,
        "makeIPTablesUtilChains": False,
        "evictionHard": {**eviction, "nodefs.inodesFree": "0%", "imagefs.inodesFree": "0%"},
        "imageGCHighThresholdPercent": 100,
        "clusterDomain": DOMAIN,
        "clusterDNS": [dns],
        "volumePluginDir": str(folder / "volume-plugins"),
        "staticPodPath": str(folder / _MANIFESTS),
        "podLogsDir": str(folder / "logs"),
        "healthzPort": 0,
        "readOnlyPort": 0,
    }
