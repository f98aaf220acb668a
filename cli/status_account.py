"""A cluster's facts arranged as a report: all of it, or what concerns one network or one node."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from cli.status_board import LEASE, Facts
from cli.status_entries import (
    controller_entry,
    event_entry,
    network_entry,
    node_entry,
    router_entry,
    source_entry,
)
from cli.status_facts import AnyItem, NetworkItem, NodeItem, RouterItem
from cli.status_findings import findings
from cli.status_report import Finding, Level, Report, Unread
from compiler.model import LabelSelector, Operator, Requirement
from compiler.wording import meant
from controller.cluster.source_spec import Selector


class NoSuchName(Exception):
    """Neither a network nor a node has the name, or several networks do; the text says what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Scope:
    """What a report tells of."""

    networks: Collection[NetworkItem]
    routers: Collection[RouterItem]
    nodes: Collection[NodeItem]
    carried: frozenset[str]

    def subjects(self, facts: Facts) -> frozenset[str]:
        items: list[AnyItem] = [*self.networks, *self.routers, *self.nodes]
        return frozenset({f"Lease {facts.namespace}/{LEASE}", *(item.subject for item in items)})


def report(facts: Facts, name: str = "") -> Report:
    """All there is; with a name, what concerns that network or node. Raises NoSuchName."""
    found = findings(facts, of_each=bool(name))
    scope = _scope(facts, name)
    if name:
        subjects = scope.subjects(facts)
        found = tuple(_narrowed(found, subjects, scope.carried))
        events = [event for event in facts.events if str(event.regarding) in subjects]
    else:
        events = list(facts.events)
    return Report(
        at=facts.now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        well=_is_well(facts, found),
        findings=found,
        unread=tuple(_unread(facts)),
        controller=controller_entry(facts.lease) if facts.lease else None,
        sources=tuple(source_entry(one, facts) for one in facts.sources),
        networks=tuple(network_entry(one) for one in scope.networks),
        routers=tuple(router_entry(one) for one in scope.routers),
        nodes=tuple(node_entry(one, scope.carried) for one in scope.nodes),
        events=tuple(event_entry(one) for one in events),
    )


def _is_well(facts: Facts, found: Iterable[Finding]) -> bool:
    errors = any(one.level is Level.ERROR for one in found)
    return not errors and not facts.damaged and not any(gap.matters for gap in facts.gaps)


def _unread(facts: Facts) -> Iterator[Unread]:
    for gap in facts.gaps:
        yield Unread(resource=str(gap.resource), reason=gap.reason)
    for damaged in facts.damaged:
        yield Unread(resource=damaged.subject, reason=damaged.reason)


# --- by name ---


def _scope(facts: Facts, name: str) -> _Scope:
    if not name:
        return _Scope(networks=facts.networks, routers=facts.routers, nodes=facts.nodes, carried=frozenset())
    node = next((one for one in facts.nodes if one.key.name == name), None)
    if node:
        carried = frozenset(one.name for one in node.spec.networks)
        return _Scope(networks=(), routers=(), nodes=(node,), carried=carried)
    network = _network(facts, name)
    full = str(network.key)
    return _Scope(
        networks=(network,),
        routers=[one for one in facts.routers if _selects(one, network)],
        nodes=[one for one in facts.nodes if any(carried.name == full for carried in one.spec.networks)],
        carried=frozenset({full}),
    )


def _network(facts: Facts, name: str) -> NetworkItem:
    found = [one for one in facts.networks if name in (str(one.key), one.key.name)]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(str(one.key) for one in found)
        raise NoSuchName(f"{name!r}: several networks have this name: {names}. Give one of these.")
    choices = [str(one.key) for one in facts.networks] + [one.key.name for one in facts.nodes]
    similar = meant(name, choices)
    hint = f" Is {similar} meant?" if similar else " Give namespace/name of a network, or the name of a node."
    raise NoSuchName(f"{name!r}: no network and no node has this name.{hint}")


def _selects(router: RouterItem, network: NetworkItem) -> bool:
    if router.key.namespace != network.key.namespace:
        return False
    try:
        return _matches(router.spec.virtual_network_selector, network.labels)
    except ValueError:  # an operator of another release
        return False


def _matches(selector: Selector, labels: Mapping[str, str]) -> bool:
    exact = [
        Requirement(key=key, operator=Operator.IN, values=frozenset({value}))
        for key, value in selector.match_labels.items()
    ]
    expressed = [
        Requirement(key=one.key, operator=Operator(one.operator), values=frozenset(one.values))
        for one in selector.match_expressions
    ]
    return LabelSelector(requirements=(*exact, *expressed)).matches(labels)


def _narrowed(
    found: Iterable[Finding], subjects: Collection[str], networks: Collection[str]
) -> Iterator[Finding]:
    for one in found:
        concerned = tuple(subject for subject in one.subjects if subject in subjects)
        waits = one.subjects[0].startswith("Pod ") and any(name in one.message for name in networks)
        if concerned or waits:
            yield msgspec.structs.replace(one, subjects=concerned or one.subjects)
