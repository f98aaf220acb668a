"""What is known of a cluster, gathered by any number of threads: facts by kind, and what could not be read.

A kind that cannot be listed is a gap with a reason; everything else is told all the same.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from cli.status_facts import (
    ConfigItem,
    Damaged,
    Fact,
    Happening,
    LeaseSpec,
    NetworkItem,
    NodeItem,
    RouterItem,
    SourceItem,
    fact_of,
)
from kube import kinds
from kube.api import ApiError, Forbidden, Key, NotFound
from kube.kinds import ATOLL_GROUP
from kube.reflector import Selection
from kube.resource import Resource

LEASE = "atoll-controller"
REPORTER = "atoll.dev/controller"
_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """A kind of which nothing, or nothing new, is known."""

    resource: Resource
    reason: str
    """With the remedy, without a full stop."""

    @property
    def matters(self) -> bool:
        """Whether nobody can say that all is well without it."""
        return self.resource.group == ATOLL_GROUP


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """A cluster at one moment; each kind in the order of its keys."""

    namespace: str
    """Of the controller."""
    now: datetime
    sources: tuple[SourceItem, ...] = ()
    configs: tuple[ConfigItem, ...] = ()
    networks: tuple[NetworkItem, ...] = ()
    routers: tuple[RouterItem, ...] = ()
    nodes: tuple[NodeItem, ...] = ()
    lease: LeaseSpec | None = None
    events: tuple[Happening, ...] = ()
    """Oldest first."""
    pending: frozenset[str] = frozenset()
    """uids of the pods that have not started."""
    damaged: tuple[Damaged, ...] = ()
    gaps: tuple[Gap, ...] = ()

    def is_known(self, resource: Resource) -> bool:
        return all(gap.resource != resource for gap in self.gaps)


def selections(namespace: str) -> tuple[Selection, ...]:
    """What is looked at; `namespace` is the controller's."""
    return (
        Selection(resource=kinds.NODE_NETWORKS),
        Selection(resource=kinds.VIRTUAL_NETWORKS),
        Selection(resource=kinds.VIRTUAL_NETWORK_ROUTERS),
        Selection(resource=kinds.NETWORK_SOURCES, namespace=namespace),
        Selection(resource=kinds.CLUSTER_CONFIGS),
        Selection(resource=kinds.LEASES, namespace=namespace, field_selector=f"metadata.name={LEASE}"),
        Selection(resource=kinds.EVENTS, field_selector=f"reportingController={REPORTER}"),
        Selection(resource=kinds.PODS, field_selector="status.phase=Pending"),
    )


def reason_of(resource: Resource, error: ApiError) -> str:
    """Why a kind cannot be read, and what to do."""
    match error:
        case NotFound() if resource.group == ATOLL_GROUP:
            return "not installed: kubectl apply --server-side -f schemas/crds/"
        case NotFound():
            return "this API server does not serve it"
        case Forbidden():
            return f"not allowed to list it: somebody must grant get, list and watch of {resource}"
    return str(error)


@dataclass(kw_only=True, slots=True)
class Board:
    namespace: str
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _facts: dict[Resource, dict[Key, Fact]] = field(default_factory=dict)
    _gaps: dict[Resource, str] = field(default_factory=dict)

    def put(self, resource: Resource, key: Key, raw: bytes) -> None:
        fact = fact_of(resource, key, raw)
        with self._lock:
            self._facts.setdefault(resource, {})[key] = fact

    def drop(self, resource: Resource, key: Key) -> None:
        with self._lock:
            self._facts.get(resource, {}).pop(key, None)

    def clear(self, resource: Resource) -> None:
        with self._lock:
            self._facts.pop(resource, None)

    def cannot_read(self, resource: Resource, reason: str) -> None:
        """`reason` empty: it can be read again."""
        with self._lock:
            self._gaps[resource] = reason

    def facts(self, now: datetime) -> Facts:
        with self._lock:
            found = [fact for facts in self._facts.values() for _key, fact in sorted(facts.items())]
            gaps = [Gap(resource=resource, reason=why) for resource, why in self._gaps.items() if why]
        return Facts(
            namespace=self.namespace,
            now=now,
            sources=_of(SourceItem, found),
            configs=_of(ConfigItem, found),
            networks=_of(NetworkItem, found),
            routers=_of(RouterItem, found),
            nodes=_of(NodeItem, found),
            lease=next(iter(_of(LeaseSpec, found)), None),
            events=tuple(sorted(_of(Happening, found), key=lambda event: event.at)),
            pending=frozenset(_of(str, found)),
            damaged=_of(Damaged, found),
            gaps=tuple(sorted(gaps, key=lambda gap: str(gap.resource))),
        )


def _of(kind: type[_T], facts: Iterable[Fact]) -> tuple[_T, ...]:
    return tuple(fact for fact in facts if isinstance(fact, kind))
