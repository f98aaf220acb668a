"""What a pod of a network is told of its interface, in the annotation of the Network Plumbing Working Group.

`k8s.v1.cni.cncf.io/network-status` (its de facto standard for multiple networks, 4.1) is written where it
is missing, once the pod reports its addresses. A meta-plugin such as Multus writes it while the pod starts,
so that it is there by then, and is left as it is. The hardware address, which may be left out, is known
to the node alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

import msgspec

from compiler.inventory import Pod
from compiler.names import ObjectName
from controller.cluster.actions import NotePod
from controller.cluster.objects import NETWORK_STATUS, ResourceKey
from controller.state import State
from kube.api import Key

EACH_TURN = 100
"""So many pods are told in one turn: the others wait for the next, at once."""
INTERFACE = "eth0"
"""As every Kubernetes runtime calls a pod's primary interface."""


class _Annotations(msgspec.Struct):
    network_status: str | None = msgspec.field(default=None, name=NETWORK_STATUS)


class _Metadata(msgspec.Struct):
    uid: str = ""
    annotations: _Annotations | None = None


class _Pod(msgspec.Struct):
    metadata: _Metadata


_pods = msgspec.json.Decoder(_Pod)


@dataclass(kw_only=True, slots=True)
class PodNotes:
    _open: dict[ObjectName, str] = field(default_factory=dict, init=False)
    """Pods that changed and carry no annotation, with their UIDs, in the order of their turns."""

    @property
    def is_behind(self) -> bool:
        return len(self._open) > EACH_TURN

    def take(self, changed: Mapping[Key, bytes | None]) -> None:
        """Objects of pods from the watch."""
        for key, raw in changed.items():
            name = ObjectName(namespace=key.namespace, name=key.name)
            self._open.pop(name, None)
            uid = None if raw is None else _untold(raw)
            if uid is not None:
                self._open[name] = uid

    def wanted(self, state: State) -> Iterator[NotePod]:
        """What is to be written; what has been stays until the watch shows it."""
        if state.compilation is None or state.compilation.stages is None:
            return
        pods = state.compilation.inputs.inventory.pods
        seats = state.compilation.stages.settlement.placement.seats
        for name in list(islice(self._open, EACH_TURN)):
            uid = self._open.pop(name)
            pod = pods.get(name)
            if pod is None or pod.node is None or not pod.addresses:
                continue  # it changes once more before it has addresses
            seat = seats.get(pod.node, {}).get(name)
            if seat is not None and seat.membership.network is not None:
                self._open[name] = uid
                yield _note(pod, uid, seat.membership.network)


def _note(pod: Pod, uid: str, network: ObjectName) -> NotePod:
    """`uid` as the API has it: a static pod's is another than its runtime's."""
    status = {
        "name": str(network),
        "interface": INTERFACE,
        "ips": [str(address) for address in pod.addresses],
        "default": True,
        "dns": {},
    }
    return NotePod(
        key=ResourceKey(kind="Pod", namespace=pod.name.namespace, name=pod.name.name),
        uid=uid,
        note=json.dumps([status], indent=4),
    )


def _untold(raw: bytes) -> str | None:
    """The UID of a pod without the annotation; None for one that has it, and for what is no pod."""
    try:
        metadata = _pods.decode(raw).metadata
    except msgspec.DecodeError:
        return None
    told = metadata.annotations is not None and metadata.annotations.network_status is not None
    return None if told else metadata.uid
