"""What people name at the two ends of a question: a pod, a network, a Service, a node, an address."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address

from compiler.inventory import Inventory, Pod, Service
from compiler.model import Address
from compiler.names import NodeName, ObjectName
from verifier.meaning import Meaning
from verifier.seating import Seat


class EndKind(StrEnum):
    POD = "pod"
    NETWORK = "network"
    SERVICE = "service"
    NODE = "node"
    ADDRESS = "address"


_KINDS = frozenset(kind.value for kind in EndKind)


class Unclear(Exception):
    """A name that names nothing, or several things: what was meant, and how to say it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class End:
    kind: EndKind
    name: str
    """As people write it after the colon."""
    seat: Seat | None = None
    """Of a pod or network: the network, or why there is none. None for what is on no network ever."""
    pod: Pod | None = None
    service: Service | None = None
    node: NodeName | None = None
    addresses: tuple[Address, ...] = ()

    @property
    def network(self) -> ObjectName | None:
        return self.seat if isinstance(self.seat, ObjectName) else None

    def __str__(self) -> str:
        return f"{'Service' if self.kind is EndKind.SERVICE else self.kind} {self.name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Directory:
    """Everything that can be named."""

    meaning: Meaning
    inventory: Inventory

    def find(self, text: str, asker: End | None = None) -> End:
        """`pod:ns/name`, `network:ns/name`, `service:ns/name`, `node:name`, an address, or a bare name that
        only one of them has; `asker`: to whom an address of several is one's. Raises Unclear."""
        kind, colon, rest = text.partition(":")
        if colon and kind in _KINDS:
            found = tuple(self._of_kind(EndKind(kind), rest, asker))
        else:
            address = _address(text)
            found = (self._address(address, asker),) if address else tuple(self._named(text))
        if len(found) == 1:
            return found[0]
        if not found:
            raise Unclear(f"{text}: nothing has this name. {self._hint(text)}")
        choices = ", ".join(f"{end.kind}:{end.name}" for end in found[:5])
        raise Unclear(f"{text}: several have this name. Say which: {choices}.")

    def _hint(self, text: str) -> str:
        name = text.rpartition(":")[2].rpartition("/")[2]
        close = [f"{end.kind}:{end.name}" for end in self._named(name)][:5]
        if close:
            return f"There is {', '.join(close)}."
        return "Write pod:, network: or service: and namespace/name, node: and a name, or an address."

    def _named(self, text: str) -> Iterator[End]:
        for kind in (EndKind.POD, EndKind.NETWORK, EndKind.SERVICE, EndKind.NODE):
            yield from self._of_kind(kind, text)

    def _of_kind(self, kind: EndKind, text: str, asker: End | None = None) -> Iterator[End]:
        match kind:
            case EndKind.POD:
                yield from (self.of_pod(self.inventory.pods[n]) for n in _called(self.inventory.pods, text))
            case EndKind.NETWORK:
                declared = {network.name for network in self.meaning.networks.values()}
                yield from (self._network(name) for name in _called(declared, text))
            case EndKind.SERVICE:
                services = self.inventory.services
                yield from (_service(services[name]) for name in _called(services, text))
            case EndKind.NODE:
                if NodeName(text) in self.inventory.nodes:
                    yield self._node(NodeName(text))
            case EndKind.ADDRESS:
                address = _address(text)
                if address:
                    yield self._address(address, asker)

    def of_pod(self, pod: Pod) -> End:
        seat = self.meaning.seats.seat_of(pod)
        addresses = pod.addresses
        if isinstance(seat, ObjectName) and pod.node is not None:
            owner_of, node = self.meaning.seats.owner_of, pod.node
            addresses = tuple(address for address in addresses if owner_of(node, address) == seat)
        return End(
            kind=EndKind.POD,
            name=str(pod.name),
            seat=seat,
            pod=pod,
            node=pod.node,
            addresses=addresses,
        )

    def _network(self, name: ObjectName) -> End:
        return End(kind=EndKind.NETWORK, name=str(name), seat=name)

    def _node(self, name: NodeName) -> End:
        addresses = self.inventory.nodes[name].addresses
        return End(kind=EndKind.NODE, name=name, node=name, addresses=addresses)

    def _address(self, address: Address, asker: End | None) -> End:
        """Whoever has it; an address of several must be told by another name."""
        if address.is_loopback or address.is_unspecified:
            raise Unclear(f"{address}: no packet between hosts bears it. Name a pod, a node or its address.")
        owners = tuple(self._owners(address))
        if len(owners) > 1:
            owners = tuple(end for end in owners if self._is_near(end, asker)) or owners
        if len(owners) > 1 and all(end.kind is EndKind.ADDRESS for end in owners):
            names = " and ".join(sorted({str(end.seat) for end in owners}))
            raise Unclear(f"{address}: no pod has it, and it lies in blocks of {names}. Name a pod.")
        if len(owners) > 1:
            names = ", ".join(f"{end.kind}:{end.name}" for end in owners[:5])
            raise Unclear(f"{address}: several have this address. Say which: {names}.")
        if owners:
            return owners[0]
        return End(kind=EndKind.ADDRESS, name=str(address), addresses=(address,))

    def _is_near(self, end: End, asker: End | None) -> bool:
        """Networks that talk have no address in common."""
        if asker is None or asker.network is None or end.network is None:
            return False
        return self.meaning.talking.may_talk(asker.network, end.network)

    def _owners(self, address: Address) -> Iterator[End]:
        pods = [pod for pod in self.inventory.pods.values() if address in pod.addresses]
        yield from (self.of_pod(pod) for pod in sorted(pods, key=lambda pod: pod.name))
        for name in sorted(self.inventory.services):
            service = self.inventory.services[name]
            if address in (*service.cluster_addresses, *service.external_addresses):
                yield _service(service)
        for node in sorted(self.inventory.nodes):
            if address in self.inventory.nodes[node].addresses:
                yield self._node(node)
        if not pods:
            yield from self._in_blocks(address)

    def _in_blocks(self, address: Address) -> Iterator[End]:
        """Nobody's yet: it would be a pod's of the network whose block it lies in."""
        for node in sorted(self.meaning.nodes):
            owner = self.meaning.seats.owner_of(node, address)
            if owner is not None:
                yield End(
                    kind=EndKind.ADDRESS, name=str(address), seat=owner, node=node, addresses=(address,)
                )


def _service(service: Service) -> End:
    addresses = (*service.cluster_addresses, *service.external_addresses)
    return End(kind=EndKind.SERVICE, name=str(service.name), service=service, addresses=addresses)


def _called(names: Iterable[ObjectName], text: str) -> Iterator[ObjectName]:
    namespace, slash, name = text.rpartition("/")
    for one in sorted(names):
        if one.name == name and (not slash or one.namespace == namespace):
            yield one


def _address(text: str) -> Address | None:
    try:
        return ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
