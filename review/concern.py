"""What a node's verdict rests on beside its own texts: while nothing of it differs, the verdict stands.

Each part of the meaning has an edition, a number that changes with the part. A node's concern is the editions
of all parts that its judgement can look at; where declarations stand matters to violations only, which are
never taken over.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from compiler.names import DEFAULT_NETWORK, NetworkNumber, NodeName, ObjectName
from compiler.problem import Origin
from verifier.fabric import Receivers
from verifier.meaning import Meaning
from verifier.service_meaning import OfferedPort

Concern: TypeAlias = tuple[int, ...]

_NOWHERE = Origin(path="")


@dataclass(slots=True)
class Editions:
    """The parts of the meaning as they were last seen."""

    _seen: dict[Hashable, tuple[object, int]] = field(default_factory=dict)
    _count: int = 0

    def of(self, part: Hashable, value: object) -> int:
        known = self._seen.get(part)
        if known is not None and known[0] == value:
            return known[1]
        self._count += 1
        self._seen[part] = (value, self._count)
        return self._count


class Concerns:
    """Of the nodes of one meaning; each part is held against its last edition once."""

    def __init__(self, editions: Editions, meaning: Meaning, receivers: Receivers) -> None:
        self._editions, self._meaning = editions, meaning
        services = meaning.services
        everyone = [replace(node, present=frozenset()) for node in meaning.nodes.values()]
        config = replace(meaning.config, origin=_NOWHERE, deletions_origin=None, limits_origin=None)
        closed = (services.closed, services.closed_ports)
        ports = _ports_by_network(meaning)
        self._cluster = editions.of("cluster", (config, everyone, closed, ports.get(DEFAULT_NETWORK)))
        hardware: dict[int, set[object]] = {}
        for (address, identifier), mac in receivers.items():
            hardware.setdefault(identifier, set()).add((address, mac))
        base = meaning.config.number_base
        self._networks = {
            number: self._network(number, hardware.get(base + number), ports.get(number))
            for number in meaning.networks
        }

    def of(self, node: NodeName) -> Concern:
        """Of a node that takes part."""
        return tuple(self._parts(node))

    def _parts(self, node: NodeName) -> Iterator[int]:
        """Networks as far as two steps from here: what a carried network may reach is judged here as well."""
        meaning = self._meaning
        yield self._cluster
        yield self._editions.of(("node", node), meaning.nodes[node])
        visible = meaning.visible(node)
        for number in sorted(visible.union(*(meaning.networks[near].peers for near in visible))):
            yield self._networks[number]

    def _network(self, number: NetworkNumber, hardware: set[object] | None, ports: object) -> int:
        network = self._meaning.networks[number]
        subnets = tuple(replace(subnet, origin=_NOWHERE) for subnet in network.declared.subnets)
        declared = replace(network.declared, origin=_NOWHERE, subnets=subnets, labels={})
        value = (replace(network, declared=declared), hardware, ports)
        return self._editions.of(("network", number), value)


def _ports_by_network(meaning: Meaning) -> Mapping[NetworkNumber, list[OfferedPort]]:
    """The ports of Services with endpoints there. In the default network, of those that networks meet too."""
    met = frozenset[ObjectName]().union(*(network.services for network in meaning.networks.values()))
    found: dict[NetworkNumber, list[OfferedPort]] = {}
    for port in meaning.services.ports:
        behind = {backing.network for backing in port.backings}
        if behind == {DEFAULT_NETWORK} and port.service not in met:
            continue
        for number in behind:
            found.setdefault(number, []).append(port)
    return found
