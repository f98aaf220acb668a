"""Names and selectors become the closed graph of which networks may talk.

Talking is symmetric and never transitive: it exists between two networks of one mesh router, and
between the networks of two routers that import each other and whose types combine (mesh with mesh,
hub with spoke). A routing domain is a connected component of that graph: networks that really
exchange routes, directly or over others. A network that talks to none is a domain of its own; so
are two networks of one hub router that has no spokes, since no packet ever passes between them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from compiler.inventory import Namespace
from compiler.model import Declarations
from compiler.names import ObjectName
from compiler.problem import Problem
from compiler.routers import Cause, Connection, Waiting


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolution:
    """The `may_talk` graph of one commit; every declared network is a key of each mapping."""

    peers: Mapping[ObjectName, frozenset[ObjectName]]
    """Networks that each may talk to, itself not among them."""
    domains: Mapping[ObjectName, frozenset[ObjectName]]
    """The routing domain of each network, itself among them; one shared set for each domain."""
    waiting: tuple[Waiting, ...] = ()
    problems: tuple[Problem, ...] = ()
    connections: Mapping[ObjectName, tuple[Connection, ...]] = field(default_factory=dict)
    """What the routers connect, by each network that takes part."""

    def may_talk(self, left: ObjectName, right: ObjectName) -> bool:
        return left == right or right in self.peers[left]

    def causes(self, left: ObjectName, right: ObjectName) -> tuple[Cause, ...]:
        """The routers that make two networks talk, by name; empty where they may not."""
        raise NotImplementedError


def resolve(declarations: Declarations, namespaces: Mapping[str, Namespace]) -> Resolution:
    """The graph and every problem of selection, consent and overlap.

    A namespace that the inventory does not know has only its implied name label.
    """
    raise NotImplementedError
