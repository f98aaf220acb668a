"""The agent's metrics: one facade that the agent tells what happened, one registry of its own.

The law of cardinality: series for each network present on the node, and otherwise only for words
out of fixed lists. Pods are counted, not named. docs/reference/metrics.md is held equal to this.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.process_collector import ProcessCollector

from agent.cni import Command
from compiler.names import ObjectName
from serving.exposition import series_of

_APPLY: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_CNI: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_OTHER: Final = "other"


class Apply(StrEnum):
    """How taking up a plan ended."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    """Links and routes were as they should be."""
    REJECTED = "rejected"
    """The plan could not be read."""
    FAILED = "failed"
    """The former one is in force."""


class Repaired(StrEnum):
    """What another hand had changed."""

    LINK = "link"
    ENTRY = "entry"
    """A route, neighbour, address, forwarding entry or rule."""
    TABLE = "table"
    """nftables."""


class Answer(StrEnum):
    """How a request of the CNI plugin ended."""

    DONE = "done"
    REFUSED = "refused"
    """With an error of CNI's form."""
    DEFECT = "defect"


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkUse:
    """Addresses of one network in the node's own blocks."""

    network: str
    """`namespace/name`."""
    used: int
    free: int


class AgentMetrics:
    """Thread-safe. Nothing here raises for what it is told, and nothing waits."""

    def __init__(self, *, version: str, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry = registry or CollectorRegistry()
        self._lock = threading.Lock()
        self._known: set[tuple[str, str]] = set()
        self._exhausted_in: set[str] = set()
        self._transactions = 0
        self._make_gauges(registry)
        self._make_histories(registry)
        ProcessCollector(registry=registry)
        Info("atoll_agent_build", "The version that runs.", registry=registry).info({"version": version})

    def _make_gauges(self, registry: CollectorRegistry) -> None:
        self._plan = Info("atoll_agent_plan", "The commit of the plan in force.", registry=registry)
        self._attachments = Gauge("atoll_agent_attachments", "Pods attached to networks.", registry=registry)
        self._networks = Gauge(
            "atoll_agent_networks", "Networks of the plan in force, present or carried.", registry=registry
        )
        self._addresses = Gauge(
            "atoll_agent_addresses",
            "Addresses of a network in the node's own blocks.",
            ["network", "state"],
            registry=registry,
        )
        self._ready = Gauge("atoll_agent_ready", "1 while the newest plan is in force.", registry=registry)
        self._connected = Gauge(
            "atoll_agent_api_connected", "1 while the node's NodeNetwork is watched.", registry=registry
        )

    def _make_histories(self, registry: CollectorRegistry) -> None:
        self._apply = Histogram(
            "atoll_agent_apply_duration_seconds", "Taking up a plan.", registry=registry, buckets=_APPLY
        )
        self._applies = Counter(
            "atoll_agent_applies", "Plans taken up, by how it ended.", ["outcome"], registry=registry
        )
        self._repairs = Counter(
            "atoll_agent_repairs", "Changes by another hand that were undone.", ["what"], registry=registry
        )
        self._requests = Counter(
            "atoll_agent_cni_requests",
            "Requests of the CNI plugin, by how they ended.",
            ["verb", "outcome"],
            registry=registry,
        )
        self._answering = Histogram(
            "atoll_agent_cni_duration_seconds",
            "Answering the CNI plugin, the wait for a plan included.",
            ["verb"],
            registry=registry,
            buckets=_CNI,
        )
        self._exhausted = Counter(
            "atoll_agent_addresses_exhausted",
            "Attachments that found no free address in the node's blocks.",
            ["network"],
            registry=registry,
        )
        self._nft = Counter(
            "atoll_agent_nft_transactions",
            "Transactions of nftables, refused ones included.",
            registry=registry,
        )

    def set_plan(self, revision: str, *, networks: int) -> None:
        """Of the plan in force; a commit replaces the former one."""
        self._plan.info({"revision": revision})
        self._networks.set(networks)

    def observe_apply(self, seconds: float, outcome: Apply) -> None:
        self._apply.observe(seconds)
        self._applies.labels(outcome.value).inc()

    def repaired(self, what: Repaired) -> None:
        self._repairs.labels(what.value).inc()

    def set_attachments(self, count: int) -> None:
        self._attachments.set(count)

    def set_addresses(self, networks: Iterable[NetworkUse]) -> None:
        """Of every network present: series of those not among them end."""
        current: set[tuple[str, str]] = set()
        for use in networks:
            for state, count in (("used", use.used), ("free", use.free)):
                self._addresses.labels(use.network, state).set(count)
                current.add((use.network, state))
        for key in self._known - current:
            self._addresses.remove(*key)
        self._known = current
        present = {network for network, _ in current}
        with self._lock:
            for network in self._exhausted_in - present:
                self._exhausted.remove(network)
            self._exhausted_in &= present

    def address_missing(self, network: ObjectName) -> None:
        """A pod found no free address in the node's blocks of a network."""
        with self._lock:
            self._exhausted.labels(str(network)).inc()
            self._exhausted_in.add(str(network))

    def set_ready(self, ready: bool) -> None:
        self._ready.set(ready)

    def set_api_connected(self, connected: bool) -> None:
        self._connected.set(connected)

    def set_nft_transactions(self, since_start: int) -> None:
        """As `agent.policy.Policy.transactions` counts them."""
        with self._lock:
            self._nft.inc(max(0, since_start - self._transactions))
            self._transactions = max(since_start, self._transactions)

    def observe_cni(self, verb: str, seconds: float, outcome: Answer) -> None:
        """`verb` as the plugin says it, "" where it could not be read: strange ones count as one."""
        known = verb if verb in Command.__members__ else _OTHER
        self._requests.labels(known, outcome.value).inc()
        self._answering.labels(known).observe(seconds)


def metric_names() -> frozenset[str]:
    """Return the name of every series that an agent exposes, such as `..._bucket` of a histogram."""
    return series_of(AgentMetrics(version="").registry)
