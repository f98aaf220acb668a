"""A node as in a real cluster: kubelet, containerd, CoreDNS in a pod, the agent, the plugin.

Only its network is the lab's, and the control plane is beside this kernel. Pods are written by kubectl, bound
to the node as a scheduler binds them; everything else is the kubelet's doing.
"""

from __future__ import annotations

import itertools
import json
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import msgspec

from agent.installation import NAME
from cli.demonstration.outpost import API_ADDRESS, API_SERVICE
from cli.demonstration.plain_cluster import PlainCluster
from cli.demonstration.process import Process
from cli.demonstration.relay import Relay
from cli.lab.cni import Json
from cli.lab.containerd import IMAGE, Containerd
from cli.lab.kubelet import DOMAIN, Kubelet
from cli.lab.lab import Lab, LabService
from cli.lab.namespace import detach_below
from tests.kernel.agent_process import REFERENCE, default_network, installing

DNS: Final = "kube-system/kube-dns"
_COREFILE: Final = f"""\
.:53 {{
    errors
    ready
    kubernetes {DOMAIN} {{
        kubeconfig /config/kubeconfig test
    }}
}}
"""
_SERVED: Final = ["httpd", "-f", "-p", "8080", "-h", "/www"]
IDLE: Final = ("tail", "-f", "/dev/null")
_PATIENCE: Final = 240
"""Seconds, for an emulated processor that has to share."""
_NOTHING: Final[Json] = {}
_NO_ANNOTATIONS: Final[Mapping[str, str]] = {}


class _Ip(msgspec.Struct):
    ip: str


class _Container(msgspec.Struct, rename="camel"):
    restart_count: int = 0
    container_id: str = msgspec.field(default="", name="containerID")


class _Status(msgspec.Struct, rename="camel"):
    pod_ips: tuple[_Ip, ...] = msgspec.field(default=(), name="podIPs")
    container_statuses: tuple[_Container, ...] = ()


class _Metadata(msgspec.Struct):
    annotations: dict[str, str] = {}


class PodObject(msgspec.Struct):
    metadata: _Metadata
    status: _Status

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(ip.ip for ip in self.status.pod_ips)


_pods = msgspec.json.Decoder(PodObject)


class RealNode:
    def __init__(self, plane: PlainCluster, host: str, binaries: Path) -> None:
        """`host`: how the control plane's machine is reached from here."""
        self.plane = plane
        self._exit = ExitStack()
        self._commands = itertools.count(1)
        # An overlay's upper layer cannot be on another overlay, as /tmp may be.
        self.folder = Path(tempfile.mkdtemp(prefix="atoll-node-", dir="/run"))
        self._exit.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self._exit.callback(detach_below, self.folder)
        self.lab = Lab(nodes=1)
        self._exit.callback(self.lab.close)
        (self.node,) = self.lab.nodes
        self._place_api_server(host)
        self.runtime = self._containerd()
        self._kubelet_of(binaries)
        self._write_dns(binaries)

    def _place_api_server(self, host: str) -> None:
        """For the node's own programs on its loopback; for pods where its Service points to."""
        port = self.plane.api_port()
        self.lab.underlay.ip(f"address add {API_ADDRESS} dev lo")
        for place, address in ((self.node.place, "127.0.0.1"), (self.lab.underlay, API_ADDRESS)):
            self._exit.callback(Relay(place, (host, port), address=address).close)
        del self.lab.services[DNS]  # a real one comes
        self.lab.add_service(
            LabService(
                name=API_SERVICE,
                addresses=self.lab.service_addresses(1)[:1],
                port=443,
                target_port=port,
                protocols=("TCP",),
                plain_endpoints=(ip_address(API_ADDRESS),),
            )
        )
        self.lab.start_kube_proxy()

    def _containerd(self) -> Containerd:
        network = default_network(self.node, self.folder)
        folder = self.folder / "containerd"
        runtime = Containerd(folder, self.node.place, network=network, plugins=REFERENCE)
        self._exit.callback(runtime.stop)
        return runtime

    @property
    def _socket(self) -> Path:
        return self.folder / "agent.sock"

    def _kubelet_of(self, binaries: Path) -> None:
        folder = self.folder / "kubelet"
        folder.mkdir()
        groups = ["system:nodes"]
        kubeconfig = self._written("kubelet.kubeconfig", f"system:node:{self.node.name}", groups)
        dns = str(self.lab.service_addresses(10)[0])
        self.kubelet = Kubelet(
            binaries / "kubelet", folder, self.node, self.runtime, kubeconfig=kubeconfig, dns=dns
        )
        self._exit.callback(self.kubelet.stop)

    def _write_dns(self, binaries: Path) -> None:
        self._dns_binaries = binaries
        folder = self.folder / "dns"
        folder.mkdir()
        (folder / "Corefile").write_text(_COREFILE)
        config = json.loads(self.plane.kubeconfig("coredns", ["system:masters"]))
        cluster = config["clusters"][0]["cluster"]
        cluster["server"] = f"https://{self.lab.service_addresses(1)[0]}"
        cluster["tls-server-name"] = "localhost"  # what its certificate says
        (folder / "kubeconfig").write_text(json.dumps(config))

    def _written(self, name: str, user: str, groups: Sequence[str]) -> Path:
        path = self.folder / name
        path.write_text(self.plane.kubeconfig(user, groups))
        return path

    def start(self) -> None:
        """Its Node is there, as whoever ordered the machine wrote it."""
        addresses = [str(address) for address in self.node.addresses]
        ranges = [str(pod_range) for pod_range in self.node.pod_ranges]
        self.plane.add_node(self.node.name, addresses, ranges)
        agent = self.folder / "agent.kubeconfig"
        agent.write_text(self.plane.agent_kubeconfig(self.node.name))
        self.start_agent()
        self._exit.callback(lambda: self.agent.end())
        self.runtime.start()
        self.kubelet.start()
        # Before its kubelet has said how large the node is, pods bound to it are refused for good.
        wait = ["wait", "--for=jsonpath={.status.capacity.pods}=110", f"--timeout={_PATIENCE}s"]
        self.plane.kubectl([*wait, f"node/{self.node.name}"], "")
        self.await_agent()

    def start_agent(self) -> None:
        places = ["--socket", str(self._socket), "--state", str(self.folder / "state")]
        places += installing(self.runtime.networks, self.runtime.plugins)
        arguments = ["agent", "--node", self.node.name, "--kubeconfig", str(self.folder / "agent.kubeconfig")]
        self.agent = Process("agent", [*arguments, *places], folder=self.folder, place=self.node.place)

    def await_agent(self) -> None:
        """Returns when it answers the plugin, and the runtime would call that first."""
        deadline = time.monotonic() + _PATIENCE
        while not (self._socket.is_socket() and (self.runtime.networks / NAME).exists()):
            self.agent.require_alive()
            assert time.monotonic() < deadline, self.agent.last_lines()
            time.sleep(0.05)  # a file of another process is all there is to look at

    def create(self, *objects: Json) -> None:
        items = {"apiVersion": "v1", "kind": "List", "items": objects}
        self.plane.kubectl(["apply", "--filename=-"], json.dumps(items))

    def dns_pod(self) -> Json:
        volumes = [
            {"name": "binaries", "hostPath": {"path": str(self._dns_binaries)}},
            {"name": "config", "hostPath": {"path": str(self.folder / "dns")}},
        ]
        mounts = [{"name": volume["name"], "mountPath": f"/{volume['name']}"} for volume in volumes]
        return self.pod(
            "kube-system/coredns",
            ["/binaries/coredns", "-conf", "/config/Corefile"],
            ready={"path": "/ready", "port": 8181},
            container={"volumeMounts": mounts},
            volumes=volumes,
        )

    def serving_pod(self, name: str) -> Json:
        return self.pod(name, _SERVED, ready={"path": "/", "port": 8080})

    def pod(
        self,
        name: str,
        command: Sequence[str],
        *,
        ready: Json = _NOTHING,
        container: Json = _NOTHING,
        volumes: Sequence[Json] = (),
        annotations: Mapping[str, str] = _NO_ANNOTATIONS,
    ) -> Json:
        """Bound to the node; its label `app` is its name. `ready`: what the kubelet asks by HTTP."""
        namespace, _slash, short = name.partition("/")
        probe = {"httpGet": ready, "periodSeconds": 1, "timeoutSeconds": 10}
        probes = (
            {"readinessProbe": probe, "livenessProbe": {**probe, "failureThreshold": 20}} if ready else {}
        )
        main = {"name": "main", "image": IMAGE, "imagePullPolicy": "Never", "command": command}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "namespace": namespace,
                "name": short,
                "labels": {"app": short},
                "annotations": annotations,
            },
            "spec": {
                "nodeName": self.node.name,
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "terminationGracePeriodSeconds": 0,
                "containers": [{**main, **probes, **container}],
                "volumes": volumes,
            },
        }

    def await_mirror(self, name: str) -> str:
        """The name of a static pod in the API, once it is there."""
        mirror = f"{name}-{self.node.name}"
        self._await(mirror, "create")
        return mirror

    def await_ready(self, *names: str) -> None:
        for name in names:
            self._await(name, "condition=Ready")

    def await_annotation(self, name: str, annotation: str) -> str:
        """What it says, once it is there."""
        path = annotation.replace(".", r"\.")
        self._await(name, f"jsonpath={{.metadata.annotations.{path}}}")
        return self.look(name).metadata.annotations[annotation]

    def _await(self, name: str, condition: str) -> None:
        namespace, _slash, short = name.partition("/")
        wait = ["wait", f"--for={condition}", f"--timeout={_PATIENCE}s"]
        self.plane.kubectl([*wait, f"--namespace={namespace}", f"pod/{short}"], "")

    def look(self, name: str) -> PodObject:
        namespace, _slash, short = name.partition("/")
        command = ["get", "pod", short, f"--namespace={namespace}", "--output=json"]
        return _pods.decode(self.plane.kubectl(command, ""))

    def delete(self, name: str) -> None:
        """Returns when the API has forgotten it, which without grace is at once."""
        namespace, _slash, short = name.partition("/")
        self.plane.kubectl(["delete", "pod", short, f"--namespace={namespace}"], "")

    def run(self, name: str, *command: str) -> str:
        """What a command prints in a pod's container; RuntimeRefused where it fails."""
        (container,) = self.look(name).status.container_statuses
        task = container.container_id.removeprefix("containerd://")
        return self.runtime.ctr("tasks", "exec", "--exec-id", f"exec-{next(self._commands)}", task, *command)

    def last_lines(self) -> str:
        """Of all programs, and what the API server knows of pods."""
        parts = (self.agent, self.kubelet, self.runtime, self.plane)
        seen = [self.plane.kubectl(["get", kind, "--all-namespaces"], "") for kind in ("pods", "events")]
        return "\n".join([*(part.last_lines() for part in parts), *seen])

    def close(self) -> None:
        self._exit.close()


def service(name: str, addresses: Sequence[str], ports: Mapping[str, tuple[int, int]], app: str) -> Json:
    """`ports`: by protocol, the Service's and the pods'."""
    namespace, _slash, short = name.partition("/")
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": namespace, "name": short},
        "spec": {
            "clusterIP": addresses[0],
            "clusterIPs": addresses,
            "ipFamilyPolicy": "RequireDualStack",
            "ipFamilies": ["IPv4", "IPv6"],
            "selector": {"app": app},
            "ports": [
                {"name": protocol.lower(), "protocol": protocol, "port": port, "targetPort": target}
                for protocol, (port, target) in ports.items()
            ],
        },
    }
