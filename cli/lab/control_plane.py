"""A real Kubernetes API server with etcd, on loopback, for tests and the demo: nothing of it is faked.

No scheduler, no controllers, no kubelet: cli/lab/kubelets.py does of their work what Atoll can see.
The binaries are what tools/control_plane.sh finds or builds. Everything lies in the caller's folder
and ends with the caller's process.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import ssl
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

from cli.lab.authority import Authority
from cli.lab.child import Child, ServerFailed
from cli.lab.etcd import ENDPOINT, Etcd

ENVIRONMENT: Final = "ATOLL_CONTROL_PLANE"
"""Names the folder of the binaries."""
REMEDY: Final = f"run `make test-cluster`, or set {ENVIRONMENT} to what tools/control_plane.sh prints last"
SERVICE_RANGES: Final = ("10.96.0.0/16", "fd00:10:96::/112")
"""A Service has an address of the second only if it asks for both families."""
_NEEDED: Final = ("etcd", "kube-apiserver")
_PORTS: Final = range(20000, 32000)
"""Below those that the kernel gives to clients: one of them could take the port during a restart."""
_READY_WITHIN: Final = 180.0
"""Seconds. 3 on a common machine, far more in an emulated one."""
_OWN_NAMESPACES: Final = frozenset({"kube-system", "kube-public", "kube-node-lease"})
_OWN_KINDS: Final = (
    "/registry/apiregistration.k8s.io/",
    "/registry/apiextensions.k8s.io/",
    "/registry/ranges/",
)


class NoControlPlane(RuntimeError):
    """The binaries are not there. The message says what to do."""


class CommandRefused(RuntimeError):
    """kubectl or helm ended with an error, which is the message."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Binaries:
    folder: Path

    @classmethod
    def named_by(cls, environment: Mapping[str, str]) -> Binaries:
        """NoControlPlane where the environment names none, or a folder without them."""
        name = environment.get(ENVIRONMENT, "")
        if not name:
            raise NoControlPlane(
                f"no kube-apiserver and etcd: {ENVIRONMENT} is not set. To mend it, {REMEDY}"
            )
        missing = [binary for binary in _NEEDED if not os.access(Path(name, binary), os.X_OK)]
        if missing:
            raise NoControlPlane(
                f"{ENVIRONMENT}={name} holds no {' and no '.join(missing)}. To mend it, {REMEDY}"
            )
        return cls(folder=Path(name))

    def path(self, binary: str) -> Path:
        """NoControlPlane where the folder lacks it; kubectl and helm may be missing, the others never are."""
        path = self.folder / binary
        if not os.access(path, os.X_OK):
            raise NoControlPlane(
                f"{self.folder} holds no {binary}: add it there, or unset KUBEBUILDER_ASSETS and {REMEDY}"
            )
        return path


class ControlPlane:
    """A context manager: inside, the API server is ready."""

    def __init__(
        self, binaries: Binaries, *, folder: Path, service_ranges: tuple[str, ...] = SERVICE_RANGES
    ) -> None:
        self._binaries = binaries
        self._folder = folder
        self._authority = Authority(folder)
        self._port = _free_port()
        self.etcd = Etcd(binaries.path("etcd"), folder=folder)
        self._api_server = Child(
            "kube-apiserver",
            [str(binaries.path("kube-apiserver")), *self._arguments(service_ranges)],
            folder=folder,
        )
        self._trust = ssl.create_default_context(cafile=str(self.ca))
        self.kubeconfig = self.user("admin", "system:masters")

    def _arguments(self, service_ranges: tuple[str, ...]) -> list[str]:
        serving = self._authority.server("serving", "IP:127.0.0.1", "DNS:localhost")
        tokens = self._authority.self_signed("service-accounts", "/CN=service accounts")
        return [
            f"--etcd-servers={ENDPOINT}",
            "--bind-address=127.0.0.1",
            "--advertise-address=192.0.2.1",  # one on loopback may not stand in an EndpointSlice
            f"--secure-port={self._port}",
            f"--tls-cert-file={serving.certificate}",
            f"--tls-private-key-file={serving.key}",
            f"--client-ca-file={self.ca}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={tokens.certificate}",
            f"--service-account-signing-key-file={tokens.key}",
            "--service-cluster-ip-range=" + ",".join(service_ranges),
            "--authorization-mode=Node,RBAC",  # this and the next two as kubeadm has them
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
        ]

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._port}"

    @property
    def ca(self) -> Path:
        """The certificate to trust, as a PEM file."""
        return self._authority.certificate

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the processes that run."""
        return tuple(pid for pid in (self.etcd.pid, self._api_server.pid) if pid)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        try:
            self.etcd.start()
            self.start_api_server()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """For good: the data is gone, logs stay."""
        self.stop_api_server()
        self.etcd.stop()
        self.etcd.forget()

    def start_api_server(self) -> None:
        """Returns when /readyz says so."""
        self._api_server.start()
        self._api_server.await_ready(self.is_ready, within=_READY_WITHIN)

    def stop_api_server(self, how: signal.Signals = signal.SIGKILL) -> None:
        """Connections are cut at once with SIGKILL; SIGTERM lets requests end first."""
        self._api_server.stop(how)

    def restart_api_server(self, how: signal.Signals = signal.SIGKILL) -> None:
        """On the same port, with the same data, and with a watch cache that begins now."""
        self.stop_api_server(how)
        self.start_api_server()

    def is_ready(self) -> bool:
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, timeout=5, context=self._trust)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def compact_etcd(self) -> int:
        """Forgets history before now; returns the revision from which on it is known.

        Pages of an older list then end in 410. A watch from before does only after a restart of the
        API server, too: until then its cache still has the events.
        """
        return self.etcd.compact()

    def reset(self, to: frozenset[str]) -> None:
        """Removes all objects that were not there when `to` was `etcd.keys()`, finalizers or not.

        Definitions of resources stay, and what the API server keeps for itself.
        """
        self.etcd.delete(key for key in self.etcd.keys() - to if not _is_servers_own(key))

    def user(self, name: str, *groups: str) -> Path:
        """A kubeconfig with the user's client certificate."""
        pair = self._authority.client("user-" + _file_name(name), user=name, groups=groups)
        return self._written(name, {"client-certificate": str(pair.certificate), "client-key": str(pair.key)})

    def bearer(self, name: str, token: str) -> Path:
        """A kubeconfig with a token, such as a ServiceAccount's."""
        return self._written("token of " + name, {"token": token})

    def kubectl(self, *arguments: str, input: str = "", kubeconfig: Path | None = None) -> str:
        """What it prints; CommandRefused with its complaint."""
        return self._run("kubectl", *arguments, input=input, kubeconfig=kubeconfig)

    def helm(self, *arguments: str, input: str = "", kubeconfig: Path | None = None) -> str:
        """What it prints; CommandRefused with its complaint."""
        return self._run("helm", *arguments, input=input, kubeconfig=kubeconfig)

    def _run(self, program: str, *arguments: str, input: str, kubeconfig: Path | None) -> str:
        environment = {
            "HOME": str(self._folder),  # for their caches
            "PATH": os.environ.get("PATH", ""),
            "KUBECONFIG": str(kubeconfig or self.kubeconfig),
        }
        command = [str(self._binaries.path(program)), *arguments]
        done = subprocess.run(
            command, input=input, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise CommandRefused(
                f"{program} {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}"
            )
        return done.stdout

    def _written(self, name: str, credentials: Mapping[str, str]) -> Path:
        path = self._folder / f"{_file_name(name)}.kubeconfig"
        cluster = {"server": self.url, "certificate-authority": str(self.ca)}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": name, "user": credentials}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": name}}],
            "current-context": "test",
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(config, indent=1))
        return path


def _free_port() -> int:
    for port in random.sample(_PORTS, k=100):
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise ServerFailed(f"no free TCP port on 127.0.0.1 from {_PORTS.start} to {_PORTS.stop}: free one")


def _file_name(name: str) -> str:
    return quote(name, safe="")


def _is_servers_own(key: str) -> bool:
    return key.startswith(_OWN_KINDS) or not _OWN_NAMESPACES.isdisjoint(key.split("/"))
