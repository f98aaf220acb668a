"""The reachability of the whole, as a value and as canonical text, and what a change does to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from compiler.model import Declarations, Egress
from compiler.names import NetworkNumber, ObjectName
from compiler.plan import ServicePlan
from compiler.problem import Origin
from compiler.resolve import Resolution
from compiler.routers import Cause, Waiting


@dataclass(frozen=True, kw_only=True, slots=True)
class Peer:
    name: ObjectName
    causes: tuple[Cause, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkReach:
    """What one network reaches, and who may join it."""

    name: ObjectName
    origin: Origin
    peers: tuple[Peer, ...]
    infrastructure: tuple[str, ...]
    """As declared: "dns", "api" or `namespace/name`."""
    egress: Egress
    allowed_namespaces: str
    """The selector as text; "" for none but the network's own."""
    services: tuple[ObjectName, ...] = ()
    """Services that have endpoints it may reach, infrastructure included."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reachability:
    networks: tuple[NetworkReach, ...] = ()
    """By name."""
    waiting: tuple[Waiting, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """Two networks, by name, and why they may talk, or could."""

    left: ObjectName
    right: ObjectName
    causes: tuple[Cause, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkChange:
    """A property of a network that is not its peers: infrastructure, egress, namespaces."""

    network: ObjectName
    what: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ReachabilityChange:
    """What one commit does to reachability; empty tuples where nothing changes."""

    networks_added: tuple[ObjectName, ...] = ()
    networks_removed: tuple[ObjectName, ...] = ()
    gained: tuple[Pair, ...] = ()
    lost: tuple[Pair, ...] = ()
    """With the causes that they had."""
    altered: tuple[NetworkChange, ...] = ()
    newly_waiting: tuple[Waiting, ...] = ()
    consents_given: tuple[Waiting, ...] = ()
    """Was waiting; now the awaited router imports the importer too."""
    no_longer_waiting: tuple[Waiting, ...] = ()
    """Was waiting; now the importer asks no more."""


def visible_services(
    plans: Iterable[ServicePlan], numbers: Mapping[ObjectName, NetworkNumber], resolution: Resolution
) -> Mapping[ObjectName, tuple[ObjectName, ...]]:
    """For each network, the Services with an endpoint that it may reach."""
    raise NotImplementedError


def reachability_of(
    declarations: Declarations,
    resolution: Resolution,
    services: Mapping[ObjectName, tuple[ObjectName, ...]] | None = None,
) -> Reachability:
    """`services` as `visible_services` gives them; None where no inventory is at hand."""
    raise NotImplementedError


def reachability_text(reachability: Reachability) -> str:
    """Canonical text, one fact a line, ending in a newline."""
    raise NotImplementedError


def changes(before: Reachability, after: Reachability) -> ReachabilityChange:
    raise NotImplementedError


def change_lines(change: ReachabilityChange) -> tuple[str, ...]:
    """One line for each change, opened by `+`, `-` or `~`; empty where nothing changed."""
    raise NotImplementedError
