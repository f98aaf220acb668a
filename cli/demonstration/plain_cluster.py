"""A control plane without a story, for tests with real kubelets: an API server and Atoll's controller.

It runs natively on this machine; whoever asks may be in a virtual one. Networks are declared as objects, by
kubectl, without any repository.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Protocol

import msgspec

import schemas
from cli.demonstration.headquarters import ACCOUNTS, SYSTEM, node_token, portable
from cli.demonstration.onlooker import Objects, Onlooker
from cli.demonstration.process import Process
from cli.failure import Failure
from cli.lab.control_plane import Binaries, CommandRefused, ControlPlane
from cli.lab.definitions import install
from cli.lab.endpoint_slices import publish
from cli.lab.kubelets import ClusterNode, Kubelets
from kube.api import ObjectRef
from kube.client import ClusterApi
from kube.connection import connect
from kube.kinds import EVENTS, SERVICES

ENVIRONMENT: Final = "ATOLL_PLAIN_CLUSTER"
"""The line's URL, as cli/demonstration/liaison.py has it."""


class PlainCluster(Protocol):
    """What the side of the nodes asks. Every method may raise Failure."""

    def api_port(self) -> int: ...

    def add_namespace(self, name: str, annotations: Mapping[str, str]) -> None:
        """With the ServiceAccount that kube-controller-manager would make."""
        ...

    def add_node(self, name: str, addresses: Sequence[str], pod_ranges: Sequence[str]) -> None: ...

    def kubectl(self, arguments: Sequence[str], text: str) -> str:
        """What it prints; `text` is its standard input."""
        ...

    def publish_endpoints(self, namespace: str, service: str) -> None:
        """As kube-controller-manager does: of the pods that are ready now."""
        ...

    def await_event(self, namespace: str, name: str, reason: str) -> str:
        """What an event about an object of that name says, once there is one."""
        ...

    def agent_kubeconfig(self, node: str) -> str:
        """With the account that the controller has made for the node."""
        ...

    def kubeconfig(self, user: str, groups: Sequence[str]) -> str:
        """With a client certificate."""
        ...

    def last_lines(self) -> str:
        """Of the controller's log."""
        ...


METHODS: Final = tuple(name for name in vars(PlainCluster) if not name.startswith("_"))


class _Regarding(msgspec.Struct):
    name: str = ""


class _Event(msgspec.Struct):
    reason: str = ""
    note: str = ""
    regarding: _Regarding = msgspec.field(default_factory=_Regarding)


_events = msgspec.json.Decoder(_Event)


class OwnPlainCluster:
    """On this machine. `open` once, `close` in any case."""

    def __init__(self, folder: Path, binaries: Binaries) -> None:
        self._folder = folder
        self._binaries = binaries
        self._exit = ExitStack()

    def open(self) -> Iterator[str]:
        """Yields what is done, step by step."""
        self._folder.joinpath("control-plane").mkdir(parents=True)
        self._plane = ControlPlane(self._binaries, folder=self._folder / "control-plane")
        self._exit.enter_context(self._plane)
        self._api = ClusterApi.of(connect(self._plane.kubeconfig))
        self._onlooker = Onlooker(self._api)
        self._kubelets = Kubelets(self._api)
        yield "API server"
        install(self._api, schemas.crds())
        for name in (SYSTEM, ACCOUNTS):
            self._kubelets.add_namespace(name)
        places = ["--kubeconfig", str(self._plane.kubeconfig), "--cache", str(self._folder / "cache")]
        arguments = ["controller", "--cluster", *places]
        self._controller = Process("controller", arguments, folder=self._folder, place=None)
        self._exit.callback(self._controller.end)
        self._onlooker.processes.append(self._controller)
        yield "controller"

    # What the side of the nodes asks.

    def api_port(self) -> int:
        return int(self._plane.url.rpartition(":")[2])

    def add_namespace(self, name: str, annotations: Mapping[str, str]) -> None:
        self._kubelets.add_namespace(name, annotations=annotations)

    def add_node(self, name: str, addresses: Sequence[str], pod_ranges: Sequence[str]) -> None:
        node = ClusterNode(name=name, addresses=tuple(addresses), pod_ranges=tuple(pod_ranges))
        self._kubelets.add_node(node)

    def kubectl(self, arguments: Sequence[str], text: str) -> str:
        try:
            return self._plane.kubectl(*arguments, input=text)
        except CommandRefused as error:
            raise Failure(str(error)) from None

    def publish_endpoints(self, namespace: str, service: str) -> None:
        publish(self._api, ObjectRef(resource=SERVICES, namespace=namespace, name=service))

    def await_event(self, namespace: str, name: str, reason: str) -> str:
        def told(events: Objects) -> list[str]:
            found = [_events.decode(event) for event in events.values()]
            return [e.note for e in found if (e.regarding.name, e.reason) == (name, reason)]

        what = f"event {reason} about {namespace}/{name}"
        events = self._onlooker.until(EVENTS, lambda e: bool(told(e)), what, namespace=namespace)
        return told(events)[0]

    def agent_kubeconfig(self, node: str) -> str:
        token = node_token(self._api, self._onlooker, node)
        return portable(self._plane.bearer(node, token), self._plane.ca)

    def kubeconfig(self, user: str, groups: Sequence[str]) -> str:
        return portable(self._plane.user(user, *groups), self._plane.ca)

    def last_lines(self) -> str:
        return self._controller.last_lines()

    def close(self) -> None:
        self._exit.close()
