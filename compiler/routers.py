"""What routers connect: the table of router types, mutual import, and consents still missing."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.names import ObjectName
from compiler.problem import Origin


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Cause:
    """Why two networks may talk: one mesh router, or two routers that import each other."""

    routers: tuple[ObjectName, ...]
    """One or two, by name."""
    types: tuple[str, ...]
    """Of the routers, in their order: "mesh", "hub" or "spoke"."""
    origins: tuple[Origin, ...]
    """Of the routers, in their order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Connection:
    """Every network of `left` may talk to every other one of `right`; the same set for a mesh router."""

    cause: Cause
    left: frozenset[ObjectName]
    right: frozenset[ObjectName]


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Waiting:
    """A one-sided import between routers whose types would combine: consent is missing."""

    importer: ObjectName
    awaited: ObjectName
    """The router that does not import `importer`."""
    origin: Origin
    """Of the import entry."""
    awaited_origin: Origin
