"""The CNI plugin on its node: the binary, and the configuration by which runtimes call it before any other.

Runtimes take the first file of the directory by name. Ours wraps whichever comes next, which the plugin
looks up at each call, so another CNI may rewrite, replace or rename its own file at any time. A file that
comes before ours is right only where it calls ours: a meta-plugin such as Multus.

Ours is there only while there is a default network to hand pods to: before that a node is better not ready.
Once it is there it stays, whatever becomes of the other: a pod of a network must never start past it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.files import replace_file
from agent.network_file import NetworkFile, network_files, read

PLUGIN: Final = "atoll-cni"
NAME: Final = "01-atoll.conflist"
"""Behind Multus' `00-multus.conf` and before what CNIs call theirs: 05-cilium, 10-calico, 10-flannel."""
BINARY: Final = Path("/opt/atoll/cni/atoll-cni")
_VERSIONS: Final = ("1.0.0", "1.1.0")
"""Runtimes that know no `cniVersions` take the first."""
_CAPABILITIES: Final = (
    "aliases",
    "bandwidth",
    "cgroupPath",
    "deviceID",
    "dns",
    "infinibandGUID",
    "io.kubernetes.cri.pod-annotations",
    "ipRanges",
    "ips",
    "mac",
    "portMappings",
)
"""All that are known: runtimes hand over no others, neither to be refused nor for the default network."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Installation:
    configurations: Path
    """The runtime's directory of configurations, `/etc/cni/net.d`."""
    binaries: Path
    """The runtime's directory of plugins, `/opt/cni/bin`."""
    socket: Path
    plan: Path
    """The agent's last good one, which the plugin reads while the agent is away."""
    binary: Path = BINARY
    default_network: str = ""
    """A file's or a network's name; "": the first that is not ours."""

    def put(self) -> bool:
        """Put in place what is not as it should be; says whether anything was. Raises OSError."""
        if not self._file.exists() and not any(map(self._is_default, self._others())):
            return False
        changed = self._put_binary()
        content = self._content()
        if read(self._file) != content:
            replace_file(self._file, content)
            changed = True
        return changed

    def remove(self) -> bool:
        """First what calls the binary, then the binary; says whether anything was there. Raises OSError."""
        found = False
        for path in (self._file, self.binaries / PLUGIN):
            if path.exists():
                path.unlink()
                found = True
        return found

    @property
    def trouble(self) -> str | None:
        """Why a pod could not start here by what is installed; None where it could."""
        others = [other for other in self._others() if not _calls_ours(other)]
        if not any(map(self._is_default, others)):
            wanted = f" of the name {self.default_network}" if self.default_network else ""
            return (
                f"{self.configurations} holds no configuration of a default network{wanted} yet:"
                " install the cluster's CNI"
            )
        if read(self._file) is None or not (self.binaries / PLUGIN).exists():
            return f"the CNI plugin is not installed in {self.configurations} and {self.binaries}"
        if others[0].file < NAME:
            return (
                f"{self.configurations / others[0].file} comes before {NAME}, so that pods of networks would"
                " start on the default network: rename it"
            )
        return None

    @property
    def _file(self) -> Path:
        return self.configurations / NAME

    def _content(self) -> bytes:
        """With further capabilities that the default network's plugins declare."""
        capabilities = dict.fromkeys(_CAPABILITIES, True)
        for other in self._others():
            capabilities.update(dict.fromkeys(other.capabilities, True))
        plugin = {
            "type": PLUGIN,
            "socket": str(self.socket),
            "plan": str(self.plan),
            "confDir": str(self.configurations),
            "defaultNetwork": self.default_network,
            "capabilities": dict(sorted(capabilities.items())),
        }
        whole = {
            "cniVersion": _VERSIONS[0],
            "cniVersions": self._versions(),
            "name": "atoll",
            "plugins": [plugin],
        }
        return json.dumps(whole, indent=2).encode() + b"\n"

    def _versions(self) -> list[str]:
        """Multus (4.2) calls by the newest of these, and answers so to a runtime that may not know it."""
        above = [other for other in self._others() if other.file < NAME and _calls_ours(other)]
        newer = [v for v in _VERSIONS[1:] if all(v in other.versions for other in above)]
        return [_VERSIONS[0], *newer]

    def _others(self) -> Iterator[NetworkFile]:
        return (other for other in network_files(self.configurations) if other.file != NAME)

    def _is_default(self, other: NetworkFile) -> bool:
        return not _calls_ours(other) and self.default_network in ("", other.file, other.network)

    def _put_binary(self) -> bool:
        target = self.binaries / PLUGIN
        wanted = self.binary.read_bytes()
        if read(target) == wanted and os.access(target, os.X_OK):
            return False
        replace_file(target, wanted, mode=0o755)
        return True


def _calls_ours(other: NetworkFile) -> bool:
    """A meta-plugin's, with ours inside it, or a path to it."""
    return PLUGIN in other.text or NAME in other.text
