"""crictl in front of a containerd of the lab; tools/kubelet.sh builds the binary."""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import msgspec

from cli.lab.cni import Sandbox
from cli.lab.containerd import Containerd, RuntimeRefused
from cli.lab.traffic import Address


class _Ip(msgspec.Struct):
    ip: str


class _Network(msgspec.Struct, rename="camel"):
    ip: str
    additional_ips: tuple[_Ip, ...] = ()


class _Status(msgspec.Struct):
    network: _Network


class _Inspected(msgspec.Struct):
    status: _Status


_inspected = msgspec.json.Decoder(_Inspected)


@dataclass(kw_only=True, slots=True)
class Crictl:
    binary: Path
    runtime: Containerd
    folder: Path
    """For the descriptions of sandboxes, and their logs."""
    _described: itertools.count[int] = field(default_factory=itertools.count)

    def start(self, sandbox: Sandbox, annotations: Mapping[str, str]) -> str:
        """The identifier of a pod's sandbox, which the runtime gives a network namespace of its own."""
        namespace, _slash, name = sandbox.pod.partition("/")
        described = {
            "metadata": {"namespace": namespace, "name": name, "uid": sandbox.uid, "attempt": 0},
            "labels": {"app": name},
            "hostname": name,
            "log_directory": str(self.folder),
            "annotations": annotations,
            "linux": {},
        }
        path = self.folder / f"sandbox-{next(self._described)}.json"
        path.write_text(json.dumps(described))
        return self.run("runp", str(path)).strip()

    def addresses(self, identifier: str) -> tuple[Address, ...]:
        network = _inspected.decode(self.run("inspectp", "--output=json", identifier)).status.network
        return tuple(map(ip_address, (network.ip, *(more.ip for more in network.additional_ips))))

    def end(self, identifier: str) -> None:
        self.run("stopp", identifier)
        self.run("rmp", identifier)

    def run(self, *arguments: str) -> str:
        """What it prints; RuntimeRefused with its complaint."""
        endpoint = f"unix://{self.runtime.socket}"
        options = [f"--{kind}-endpoint={endpoint}" for kind in ("runtime", "image")]
        command = [str(self.binary), *options, "--timeout=120s", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeRefused(f"{' '.join(command)}: {done.stderr.strip()}\n{self.runtime.last_lines()}")
        return done.stdout
