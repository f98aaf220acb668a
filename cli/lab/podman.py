"""podman of one node of the lab: Debian's package, with networks of CNI, everything in one folder.

It has no daemon: each command is a process in the node's network namespace, and so are the CNI plugins that
it executes. Its files are apart from those of a podman that this machine may have.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from cli.lab.cni import Json
from cli.lab.containerd import IMAGE, busybox_image
from cli.lab.namespace import FOLDER, Namespace, detach, detach_below, mounts

_PROGRAMS: Final = ("podman", "conmon", "crun", "busybox")


def missing_programs() -> list[str]:
    return [program for program in _PROGRAMS if shutil.which(program) is None]


class _Network(msgspec.Struct):
    v4: str = msgspec.field(name="IPAddress")
    v6: str = msgspec.field(name="GlobalIPv6Address")


class _Settings(msgspec.Struct):
    networks: dict[str, _Network] = msgspec.field(name="Networks")


class _Container(msgspec.Struct):
    name: str = msgspec.field(name="Name")
    settings: _Settings = msgspec.field(name="NetworkSettings")


_containers: Final = msgspec.json.Decoder(list[_Container])


class Podman:
    def __init__(
        self, folder: Path, place: Namespace, *, networks: Mapping[str, Json], plugins: Sequence[Path]
    ) -> None:
        """`networks`: configuration lists by their names; `plugins`: folders of binaries."""
        self._folder = folder
        self._place = place
        self._covers = FOLDER not in mounts()
        lists = folder / "net.d"
        lists.mkdir(parents=True)
        for name, content in networks.items():
            (lists / f"{name}.conflist").write_text(json.dumps(content))
        configuration = folder / "containers.conf"
        configuration.write_text(_configuration(lists, plugins))
        places = [f"--{option}={folder / option}" for option in ("root", "runroot", "tmpdir")]
        podman = ["podman", "--storage-driver=vfs", *places]
        self._command = ["env", f"CONTAINERS_CONF={configuration}", *podman]

    def load(self) -> None:
        """Has IMAGE from now on."""
        self.run("load", "--quiet", f"--input={busybox_image(self._folder)}")

    def start(self, name: str, network: str, *command: str) -> None:
        """A container with a network of `networks`."""
        options = ["--detach", "--cgroups=disabled", "--pull=never", f"--name={name}", f"--network={network}"]
        self.run("run", *options, IMAGE, *command)

    def addresses(self) -> dict[str, tuple[str, str]]:
        """IPv4 and IPv6 of every container, as podman tells them; each has one network."""
        listed = self.run("ps", "--quiet").split()
        shown = self.run("inspect", "--format=json", *listed)
        return {
            container.name: (network.v4, network.v6)
            for container in _containers.decode(shown)
            for network in container.settings.networks.values()
        }

    def run(self, *arguments: str) -> str:
        """What it prints; CommandFailed with its complaint."""
        return self._place.run(*self._command, *arguments)

    def close(self) -> None:
        """podman mounts the folder of network namespaces once more over itself, and so covers the lab's."""
        self.run("rm", "--all", "--force", "--time=0")
        detach_below(self._folder)
        if self._covers and FOLDER in mounts():
            detach(FOLDER)


def _configuration(networks: Path, plugins: Sequence[Path]) -> str:
    """Without what needs a whole machine: neither systemd nor its journal."""
    return f"""\
[containers]
log_driver = "k8s-file"
[network]
network_backend = "cni"
network_config_dir = "{networks}"
cni_plugin_dirs = {json.dumps([str(folder) for folder in plugins])}
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"
"""
