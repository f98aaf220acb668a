"""containerd of one node of the lab, with its CRI plugin: Debian's packages, everything in one folder.

It runs in the node's network namespace, so that is where CNI plugins are executed. The folder has to be on a
file system that an overlay can have its upper layer on: a disk or a tmpfs, no other overlay.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cli.lab.child import Child
from cli.lab.namespace import FOLDER, Namespace, detach, detach_below
from cli.lab.oci import write_image

IMAGE: Final = "registry.invalid/busybox:1"
"""Debian's busybox-static, for sandboxes and containers alike. Nobody serves that name."""
_APPLETS: Final = ("cat", "httpd", "ip", "nslookup", "sh", "sleep", "tail", "wget")
_NAMESPACE: Final = "k8s.io"
"""The CRI plugin's, in containerd's own sense of the word."""
_PROGRAMS: Final = ("containerd", "ctr", "runc", "busybox")
_UNUSED: Final = (
    *(f"io.containerd.snapshotter.v1.{kind}" for kind in ("aufs", "btrfs", "devmapper", "zfs")),
    "io.containerd.internal.v1.opt",
    "io.containerd.tracing.processor.v1.otlp",
)
"""Plugins that take time to find out that they cannot work, or write to places outside the folder."""
_SHIM: Final = "containerd-shim-runc-v2"
_READY_SECONDS: Final = 180.0


class RuntimeRefused(RuntimeError):
    """A command to a container runtime failed: its complaint."""


def missing_programs() -> list[str]:
    return [program for program in _PROGRAMS if shutil.which(program) is None]


def busybox_image(folder: Path) -> Path:
    """An image archive with name IMAGE."""
    program = shutil.which("busybox")
    if program is None:
        raise RuntimeRefused("no busybox: run `tools/setup.sh containers`")
    path = folder / "busybox.tar"
    write_image(
        path,
        IMAGE,
        programs={"bin/busybox": Path(program)},
        links={f"bin/{applet}": "busybox" for applet in _APPLETS},
        files={"www/index.html": b"busybox\n"},
        command=["tail", "-f", "/dev/null"],
    )
    return path


class Containerd:
    def __init__(self, folder: Path, place: Namespace, *, network: str, plugins: Path) -> None:
        """`network`: the configuration list of the default network; `plugins`: the folder of its binaries.

        Both come into folders of the runtime, where others may add theirs.
        """
        self.socket = folder / "containerd.sock"
        self.networks = folder / "net.d"
        self._folder = folder
        self._former = set(_sandboxes())
        self.plugins = folder / "bin"
        for made in (self.networks, self.plugins):
            made.mkdir(parents=True)
        (self.networks / "10-default.conflist").write_text(network)
        for binary in plugins.iterdir():
            (self.plugins / binary.name).symlink_to(binary)
        configuration = folder / "config.toml"
        configuration.write_text(self._configuration())
        command = ["containerd", "--config", str(configuration)]
        self._child = Child("containerd", command, folder=folder, place=place)

    def _configuration(self) -> str:
        cri = 'plugins."io.containerd.grpc.v1.cri"'
        return f"""\
version = 2
root = "{self._folder}/root"
state = "{self._folder}/state"
disabled_plugins = {json.dumps(_UNUSED)}
[grpc]
address = "{self.socket}"
[{cri}]
sandbox_image = "{IMAGE}"
disable_apparmor = true
[{cri}.containerd]
snapshotter = "overlayfs"
[{cri}.cni]
bin_dir = "{self.plugins}"
conf_dir = "{self.networks}"
"""

    def start(self) -> None:
        """Returns when it answers and has IMAGE."""
        self._child.start()
        self._child.await_ready(self.socket.is_socket, within=_READY_SECONDS)
        self.ctr("images", "import", "--snapshotter", "overlayfs", str(busybox_image(self._folder)))

    def ctr(self, *arguments: str) -> str:
        """What it prints; RuntimeRefused with its complaint."""
        command = ["ctr", "--address", str(self.socket), "--namespace", _NAMESPACE, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeRefused(f"{' '.join(command)}: {done.stderr.strip()}\n{self._child.last_lines()}")
        return done.stdout

    def last_lines(self) -> str:
        return self._child.last_lines()

    def stop(self) -> None:
        """With all that it runs, which would outlive it, and what that has mounted."""
        self._child.stop()
        for shim in self._shims():
            for process in (*_children(shim), shim):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        detach_below(self._folder)
        for sandbox in set(_sandboxes()) - self._former:
            detach(sandbox)
            sandbox.unlink(missing_ok=True)

    def _shims(self) -> list[int]:
        return [pid for pid, words in _processes() if words[:1] == [_SHIM] and str(self.socket) in words]


def _processes() -> Iterator[tuple[int, list[str]]]:
    """With their command lines, the program by its name alone."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            program, *words = (folder / "cmdline").read_text().split("\0")
            yield int(folder.name), [Path(program).name, *words]


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, task.read_text().split())
    return found


def _sandboxes() -> list[Path]:
    """Network namespaces as the CRI plugin names them."""
    return list(FOLDER.glob("cni-*"))
