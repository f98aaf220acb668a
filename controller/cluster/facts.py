"""The inventory as a watch feeds it: changed objects in, a compiler's Change out.

An object that cannot be right keeps what was known of it, or counts as absent, and is named in a problem.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from compiler.catalogue import found
from compiler.change import Change
from compiler.inventory import EndpointSlice, Namespace, Node, Pod, Service
from compiler.names import NodeName, ObjectName
from compiler.objects import KINDS, Fact, decode
from compiler.problem import Problem, in_reading_order
from controller.inventory_file import InventoryReading
from kube.api import Key
from kube.kinds import ENDPOINT_SLICES, NAMESPACES, NODES, PODS, SERVICES
from kube.resource import Resource

WATCHED = (NODES, NAMESPACES, PODS, SERVICES, ENDPOINT_SLICES)

Changed = Mapping[Resource, Mapping[Key, bytes | None]]
"""Objects as JSON; None for one that is gone."""

_F = TypeVar("_F", Node, Namespace, Pod, Service, EndpointSlice)


@dataclass(kw_only=True, slots=True)
class Facts:
    _problems: dict[tuple[str, Key], Problem] = field(default_factory=dict, init=False)

    def take(self, changed: Changed) -> InventoryReading | None:
        """Return what changed, and everything that is wrong; None where nothing changed."""
        if not any(changed.get(resource) for resource in WATCHED):
            return None
        change = Change(
            nodes={NodeName(key.name): fact for key, fact in self._read(changed, NODES, Node)},
            namespaces={key.name: fact for key, fact in self._read(changed, NAMESPACES, Namespace)},
            pods={_name(key): fact for key, fact in self._read(changed, PODS, Pod)},
            services={_name(key): fact for key, fact in self._read(changed, SERVICES, Service)},
            slices={_name(key): fact for key, fact in self._read(changed, ENDPOINT_SLICES, EndpointSlice)},
        )
        return InventoryReading(change=change, problems=in_reading_order(self._problems.values()))

    def _read(self, changed: Changed, resource: Resource, of: type[_F]) -> Iterator[tuple[Key, _F | None]]:
        shape = KINDS[resource.api_version, resource.kind]
        for key, raw in changed.get(resource, {}).items():
            where = (resource.plural, key)
            try:
                fact: Fact | None = None if raw is None else decode(shape, raw)
            except ValueError as error:  # Unusable, or no JSON
                subject = f"{resource.kind} {key}"
                self._problems[where] = found("ATL702", origin=None, subject=subject, reason=str(error))
                continue
            self._problems.pop(where, None)
            if fact is None or isinstance(fact, of):
                yield key, fact


def _name(key: Key) -> ObjectName:
    return ObjectName(namespace=key.namespace, name=key.name)
