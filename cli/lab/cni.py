"""A container runtime's side of CNI: a list of plugins executed as specification 1.1.0 says.

Environment and standard input are what containerd would give; what a plugin prints is kept byte for
byte. The plugins run in the namespace of the node, as those of a runtime do.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_interface
from pathlib import Path
from typing import Final

import msgspec

from cli.lab.namespace import Namespace
from cli.lab.traffic import Address

VERSION: Final = "1.1.0"
_VALID: Final = "cni.dev/valid-attachments"

Json = Mapping[str, object]
_NONE: Final[Json] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Sandbox:
    """A pod, as a runtime knows it before it has a network."""

    container: str
    netns: Path
    pod: str = ""
    """`namespace/name`; "" for a container that is no pod of Kubernetes."""
    uid: str = ""
    interface: str = "eth0"

    @property
    def arguments(self) -> str:
        """CNI_ARGS."""
        if not self.pod:
            return ""
        namespace, _slash, name = self.pod.partition("/")
        told = {
            "IgnoreUnknown": "1",
            "K8S_POD_NAMESPACE": namespace,
            "K8S_POD_NAME": name,
            "K8S_POD_INFRA_CONTAINER_ID": self.container,
            "K8S_POD_UID": self.uid,
        }
        return ";".join(f"{key}={value}" for key, value in told.items())


class Interface(msgspec.Struct, frozen=True):
    name: str
    mac: str = ""
    mtu: int = 0
    sandbox: str = ""


class Ip(msgspec.Struct, frozen=True):
    address: str
    """With its prefix length."""
    gateway: str = ""
    version: str = ""
    """Only before 1.0.0."""


class Route(msgspec.Struct, frozen=True):
    dst: str
    gw: str = ""


class Result(msgspec.Struct, frozen=True, rename="camel"):
    """Of ADD, of whatever version."""

    cni_version: str
    interfaces: tuple[Interface, ...] = ()
    ips: tuple[Ip, ...] = ()
    routes: tuple[Route, ...] = ()
    dns: dict[str, object] = {}


_results: Final = msgspec.json.Decoder(Result)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    status: int
    output: bytes
    complaint: str = ""
    """What the plugin wrote to standard error."""

    @property
    def content(self) -> Json:
        """Empty where the plugin printed nothing; ValueError where it printed no JSON object."""
        content = json.loads(self.output) if self.output.strip() else {}
        if not isinstance(content, dict):
            raise ValueError(f"no JSON object: {self.output[:200]!r}")
        return content

    @property
    def code(self) -> int:
        """Of the error; 0 for none."""
        code = self.content.get("code", 0)
        return code if isinstance(code, int) else -1

    @property
    def message(self) -> str:
        return str(self.content.get("msg", ""))

    @property
    def result(self) -> Result:
        """Of an ADD that succeeded."""
        return _results.decode(self.output)

    @property
    def addresses(self) -> tuple[Address, ...]:
        return tuple(ip_interface(ip.address).ip for ip in self.result.ips)


@dataclass(kw_only=True, slots=True)
class Runtime:
    """Of one node, with one network configuration list."""

    place: Namespace
    folders: tuple[Path, ...]
    """Of the plugins' binaries."""
    configuration: Json
    """The list, as a file of the runtime's folder holds it."""
    version: str = VERSION
    _results: dict[tuple[str, str], bytes] = field(default_factory=dict)
    """Of the ADDs that succeeded: what libcni keeps in its cache."""

    def add(self, sandbox: Sandbox, *, asked: Json = _NONE) -> Answer:
        """`asked`: capability arguments, such as portMappings. Ends at the first plugin that fails."""
        previous = b""
        for plugin in self._plugins():
            answer = self.execute("ADD", plugin, sandbox, previous=previous, asked=asked)
            if answer.status != 0:
                return answer
            previous = answer.output
        self._results[sandbox.container, sandbox.interface] = previous
        return answer

    def delete(self, sandbox: Sandbox, *, asked: Json = _NONE) -> Answer:
        previous = self._results.get((sandbox.container, sandbox.interface), b"")
        for plugin in reversed(self._plugins()):
            answer = self.execute("DEL", plugin, sandbox, previous=previous, asked=asked)
            if answer.status != 0:
                return answer
        self._results.pop((sandbox.container, sandbox.interface), None)
        return answer

    def check(self, sandbox: Sandbox, *, asked: Json = _NONE) -> Answer:
        previous = self._results[sandbox.container, sandbox.interface]
        for plugin in self._plugins():
            answer = self.execute("CHECK", plugin, sandbox, previous=previous, asked=asked)
            if answer.status != 0:
                return answer
        return answer

    def collect(self, kept: Sequence[Sandbox]) -> Answer:
        """GC: all but `kept` is gone."""
        valid = [{"containerID": sandbox.container, "ifname": sandbox.interface} for sandbox in kept]
        return self._of_all("GC", {_VALID: valid})

    def status(self) -> Answer:
        return self._of_all("STATUS")

    def supported(self) -> Answer:
        """VERSION."""
        return self._of_all("VERSION")

    def _of_all(self, command: str, more: Json = _NONE) -> Answer:
        for plugin in self._plugins():
            answer = self.execute(command, plugin, more=more)
            if answer.status != 0:
                return answer
        return answer

    def _plugins(self) -> list[Json]:
        plugins = self.configuration["plugins"]
        assert isinstance(plugins, list)
        return plugins

    def execute(
        self,
        command: str,
        plugin: Json,
        sandbox: Sandbox | None = None,
        *,
        previous: bytes = b"",
        asked: Json = _NONE,
        more: Json = _NONE,
    ) -> Answer:
        """One call of one plugin of the list."""
        environment = {
            "CNI_COMMAND": command,
            "CNI_PATH": ":".join(map(str, self.folders)),
            "PATH": os.environ["PATH"],
        }
        if sandbox is not None:
            environment |= {
                "CNI_CONTAINERID": sandbox.container,
                "CNI_NETNS": str(sandbox.netns),
                "CNI_IFNAME": sandbox.interface,
                "CNI_ARGS": sandbox.arguments,
            }
        with self.place.entered():
            done = subprocess.run(
                [str(self._binary(str(plugin["type"])))],
                input=json.dumps(self._request(plugin, previous, asked, more)).encode(),
                env=environment,
                capture_output=True,
                check=False,
            )
        return Answer(status=done.returncode, output=done.stdout, complaint=done.stderr.decode())

    def _request(self, plugin: Json, previous: bytes, asked: Json, more: Json) -> Json:
        capabilities = plugin.get("capabilities", {})
        assert isinstance(capabilities, dict)
        config = {name: value for name, value in plugin.items() if name != "capabilities"}
        declared = {name: value for name, value in asked.items() if capabilities.get(name)}
        return {
            **config,
            "cniVersion": self.version,
            "name": self.configuration["name"],
            **({"runtimeConfig": declared} if declared else {}),
            **({"prevResult": json.loads(previous)} if previous else {}),
            **more,
        }

    def _binary(self, name: str) -> Path:
        for folder in self.folders:
            if os.access(folder / name, os.X_OK):
                return folder / name
        raise FileNotFoundError(f"no plugin {name} in {', '.join(map(str, self.folders))}")
