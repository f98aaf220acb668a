"""What a node's verdict rests on beside its own texts: while nothing of it differs, the verdict stands.

Each part of the meaning has an edition, a number that changes with the part. A node's concern is the editions
of all parts that its judgement can look at; where declarations stand matters to violations only, which are
never taken over.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from compiler.names import DEFAULT_NETWORK, NetworkNumber, NodeName
from compiler.problem import Origin
from verifier.fabric import Receivers
from verifier.meaning import Meaning

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
        self._of_answers: dict[Hashable, int] = {}
        self._node_local = any(port.local_only for port in meaning.services.ports)
        services = meaning.services
        everyone = [replace(node, present=frozenset()) for node in meaning.nodes.values()]
        config = replace(meaning.config, origin=_NOWHERE, deletions_origin=None, limits_origin=None)
        self._cluster = editions.of("cluster", (config, everyone, services.closed, services.closed_ports))
        hardware: dict[int, set[object]] = {}
        for (address, identifier), mac in receivers.items():
            hardware.setdefault(identifier, set()).add((address, mac))
        self._networks = {
            number: self._network(number, hardware.get(meaning.config.number_base + number, set()))
            for number in meaning.networks
        }

    def of(self, node: NodeName) -> Concern:
        """Of a node that takes part."""
        return tuple(self._parts(node))

    def _parts(self, node: NodeName) -> Iterator[int]:
        meaning = self._meaning
        yield self._cluster
        yield self._editions.of(("node", node), meaning.nodes[node])
        visible = meaning.visible(node)
        for number in sorted(visible.union(*(meaning.networks[near].peers for near in visible))):
            yield self._networks[number]
        for client in (DEFAULT_NETWORK, *sorted(visible)):
            yield self._answers(node, client)

    def _network(self, number: NetworkNumber, hardware: set[object]) -> int:
        network = self._meaning.networks[number]
        subnets = tuple(replace(subnet, origin=_NOWHERE) for subnet in network.declared.subnets)
        declared = replace(network.declared, origin=_NOWHERE, subnets=subnets, labels={})
        return self._editions.of(("network", number), (replace(network, declared=declared), hardware))

    def _answers(self, node: NodeName, client: NetworkNumber) -> int:
        """Of all nodes alike, unless a Service answers locally."""
        part = ("answers", node if self._node_local else None, client)
        found = self._of_answers.get(part)
        if found is None:
            answers = self._meaning.answers(node, client)
            found = self._of_answers[part] = self._editions.of(part, answers)
        return found
